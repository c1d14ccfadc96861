// Command bench measures what Fathom costs on this machine: throughput of a server under load, time in
// the BPF programs, CPU and memory of the agent, CPU of a scrape. It prints tables and writes JSON.
//
//	make bench
//	make bench BENCH='-only throughput -windows 60'
//	make bench BENCH='-only traffic -object before=build/before.o'
//	make bench BENCH="-against other=./other.sh"
//
// It needs root, nginx with its stub_status module, wrk, Node, Redis with redis-benchmark, and nghttpd with h2load.
// Server and client are pinned to a CPU each; everything goes over the loopback interface, so that both ends of every connection are traced,
// which is the worst case. Requests are counted by the server, never by Fathom; for
// nghttpd, which does not count, by the bytes that have arrived at it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

// The targets of the agent. Memory in bytes. Those under load are in traffic.go.
const (
	targetCPU    = 0.5 // percent of a core
	targetMemory = 30e6
	targetMaps   = 32e6
	targetScrape = 50.0 // ms of CPU for 5,000 series
)

// bench is one run of the benchmark.
type bench struct {
	starter              *starter
	fathom               string // path of the agent
	serverCPU, clientCPU int
	plan                 plan
	objects              []object
	scratch              string // a directory that is removed in the end
	report               *report
	terminal             bool
}

func main() {
	os.Exit(command(os.Args[1:]))
}

// command returns the exit status.
func command(args []string) int {
	if err := runHelper(args); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the next signal ends the process at once, and its children with it
	missed, err := run(ctx, args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 2
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "bench: interrupted")
		return 1
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	case missed:
		fmt.Fprintln(os.Stderr, "bench: a target was missed")
		return 1
	}
	return 0
}

// runHelper makes this process one of the benchmark's own servers or clients, if the arguments say so; then it returns
// with an error only.
func runHelper(args []string) error {
	switch {
	case len(args) == 1 && args[0] == echoCommand:
		return serveEcho(os.Stdout)
	case len(args) == 3 && args[0] == unknownServerCommand:
		return serveUnknown(args[1], args[2])
	case len(args) == 2 && args[0] == unknownClientCommand:
		return askUnknown(args[1])
	}
	return nil
}

// run tells whether a target was missed and that matters.
func run(ctx context.Context, args []string) (missed bool, err error) {
	b := new(bench)
	o, err := b.parse(args)
	if err != nil {
		return false, err
	}
	if b.starter, err = newStarter(); err != nil {
		return false, err
	}
	defer b.starter.close()
	if b.scratch, err = os.MkdirTemp("", "fathom-bench-"); err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.scratch)) }()
	b.pickCPUs()
	if err := b.report.describe(ctx, b); err != nil {
		return false, err
	}
	b.report.Brief = o.brief
	if err := say(b.report.header()); err != nil {
		return false, err
	}
	if err := b.phases(ctx, o); err != nil {
		return false, err
	}
	b.report.LoadAfter = loadAverage()
	if err := b.report.write(o.out); err != nil {
		return false, err
	}
	return o.check && !b.report.met(), say(fmt.Sprintf("\nAll figures and windows are in %s.\n", o.out))
}

// pickCPUs takes the first two CPUs, unless others were asked for.
func (b *bench) pickCPUs() {
	cpus := b.starter.cpus()
	if b.serverCPU == anyCPU {
		b.serverCPU = cpus[0]
	}
	if b.clientCPU == anyCPU {
		b.clientCPU = cpus[min(1, len(cpus)-1)]
	}
	if b.serverCPU == b.clientCPU {
		fmt.Fprintln(os.Stderr, "bench: server and client share a CPU: the targets are for two")
	}
}

// phases runs what was asked for and prints each part when it is done.
func (b *bench) phases(ctx context.Context, o options) error {
	r := b.report
	err := b.measureTraffic(ctx, o.only)
	if err != nil {
		return err
	}
	type phase struct {
		name string
		run  func() error
	}
	var all []phase
	for _, e := range encryptedTraffics() {
		all = append(all, phase{e.name, func() error {
			c, err := b.httpsThroughput(ctx, e)
			r.HTTPS = append(r.HTTPS, c)
			return err
		}})
	}
	for _, p := range append(all, []phase{
		{"programs", func() error { r.Programs, err = b.programs(ctx); return err }},
		{"cpu", func() error { r.CPU, err = b.agentUsage(ctx); return err }},
		{"memory", func() error { r.Memory, err = b.memory(ctx); return err }},
		{"scrape", func() error { r.Scrape, err = b.scrapes(ctx); return err }},
	}...) {
		if !o.only[p.name] {
			continue
		}
		b.progress("%s", p.name)
		err := p.run()
		b.clearProgress()
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		if err := say(r.table(p.name)); err != nil {
			return err
		}
	}
	if len(o.contenders) == 0 {
		return nil
	}
	contenders := []contender{b.fathomContender()}
	for _, s := range o.contenders {
		c, err := b.parseAgainst(s)
		if err != nil {
			return err
		}
		contenders = append(contenders, c)
	}
	r.Against, err = b.contests(ctx, contenders)
	b.clearProgress()
	if err != nil {
		return fmt.Errorf("against: %w", err)
	}
	return say(r.table("against"))
}

func say(text string) error {
	_, err := os.Stdout.WriteString(text)
	return err
}

// progress shows on a terminal how far the run is.
func (b *bench) progress(format string, args ...any) {
	if b.terminal {
		fmt.Fprintf(os.Stderr, "\r\x1b[K%s", fmt.Sprintf(format, args...))
	}
}

func (b *bench) clearProgress() { b.progress("") }

// write writes the report as JSON.
func (r *report) write(path string) error {
	data, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // for everybody to read
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o644) //nolint:gosec // likewise
}
