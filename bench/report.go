package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// report is everything that a run found out; it becomes the JSON file. Parts that were not
// run are absent.
type report struct {
	Date   time.Time `json:"date"`
	Kernel string    `json:"kernel"`
	Model  string    `json:"cpu_model"`
	CPUs   int       `json:"cpus"`
	Fathom string    `json:"fathom"`
	Nginx  string    `json:"nginx"`
	Wrk    string    `json:"wrk"`
	Node   string    `json:"node"`
	Redis  string    `json:"redis"`
	H2load string    `json:"h2load"` // and nghttpd, which is of the same source
	// The files of -object, by name.
	Objects map[string]string `json:"objects,omitempty"`
	Brief   bool              `json:"brief"`
	Seed    uint64            `json:"seed"`
	// How busy the machine was otherwise.
	LoadBefore string `json:"load_average_before"`
	LoadAfter  string `json:"load_average_after"`
	Strangers  int    `json:"other_programs_on_the_tracepoints"`

	Traffic  []*comparison `json:"traffic,omitempty"`
	HTTPS    []*comparison `json:"https,omitempty"`
	Programs *programCosts `json:"programs,omitempty"`
	CPU      *agentCPU     `json:"agent_cpu,omitempty"`
	Memory   *footprint    `json:"agent_memory,omitempty"`
	Scrape   []scrapeCost  `json:"scrape,omitempty"`
	Against  []contest     `json:"against,omitempty"`
}

// describe notes where and when the run takes place, and that its tools are there.
func (r *report) describe(ctx context.Context, b *bench) error {
	r.Date = time.Now().UTC().Truncate(time.Second)
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return err
	}
	r.Kernel = string(bytes.TrimRight(name.Release[:], "\x00"))
	r.Model = cpuModel()
	r.CPUs = len(b.starter.cpus())
	r.LoadBefore = loadAverage()
	for _, tool := range []struct {
		into    *string
		command []string
	}{
		{&r.Fathom, []string{b.fathom, "version"}},
		{&r.Nginx, []string{"nginx", "-v"}},
		{&r.Wrk, []string{"wrk", "-v"}},
		{&r.Node, []string{"node", "--version"}},
		{&r.Redis, []string{"redis-benchmark", "--version"}},
		{&r.H2load, []string{"h2load", "--version"}},
	} {
		out, err := exec.CommandContext(ctx, tool.command[0], tool.command[1:]...).CombinedOutput() //nolint:gosec // as told
		first, _, _ := strings.Cut(string(out), "\n")
		if err != nil && !strings.HasPrefix(first, "wrk ") { // wrk -v exits with 1
			return fmt.Errorf("run %s: %w", tool.command[0], err)
		}
		*tool.into = strings.TrimPrefix(strings.TrimSpace(first), "nginx version: ")
	}
	r.Wrk, _, _ = strings.Cut(r.Wrk, " [")
	var err error
	if r.Strangers, err = strangers(); err != nil {
		return err
	}
	if r.Strangers > 0 {
		fmt.Fprintf(os.Stderr, "bench: %d BPF programs of others are on the same tracepoints: all figures include them\n", r.Strangers)
	}
	return nil
}

func cpuModel() string {
	data, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(data)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

func loadAverage() string {
	data, _ := os.ReadFile("/proc/loadavg")
	fields := strings.Fields(string(data))
	return strings.Join(fields[:min(3, len(fields))], " ")
}

// met tells whether all targets of the parts that were run are met.
func (r *report) met() bool {
	ok := true
	for _, c := range slices.Concat(r.Traffic, r.HTTPS) {
		ok = ok && c.met()
	}
	for i := range r.Scrape {
		ok = ok && r.Scrape[i].met()
	}
	return ok && (r.CPU == nil || r.CPU.met()) && (r.Memory == nil || r.Memory.met())
}
