package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/cilium/ebpf"

	"github.com/fathomhq/fathom/internal/kernel"
)

// programCost is what one BPF program takes under load.
type programCost struct {
	Program string `json:"program"`
	// As the kernel measures it (BPF_STATS_RUN_TIME), reading its clock included.
	Runs           uint64  `json:"runs"`
	RunsPerRequest float64 `json:"runs_per_request"`
	NsPerRun       float64 `json:"ns_per_run"`
	// As Fathom estimates it from a sample of its runs, without the look-up of the
	// connection, and without the runs that end there.
	OwnRunsPerRequest float64 `json:"own_runs_per_request"`
	OwnNsPerRun       float64 `json:"own_ns_per_run"`
}

// programCosts are those of all programs, under the load of the throughput windows.
type programCosts struct {
	Programs        []programCost `json:"programs"`
	Requests        uint64        `json:"requests"`
	NsPerRequest    float64       `json:"ns_per_request"`
	OwnNsPerRequest float64       `json:"own_ns_per_request"`
	// EmptyNsPerRun is what the kernel measures for a program that only returns: its clock.
	EmptyNsPerRun float64 `json:"empty_ns_per_run"`
	// Of all runs, without EmptyNsPerRun of each.
	NetNsPerRequest float64 `json:"net_ns_per_request"`
}

// runCount is one program's account in the kernel.
type runCount struct {
	runs uint64
	time time.Duration
}

// programs measures the BPF programs while the kernel keeps its statistics, which
// slow all of them down: therefore apart from the throughput.
func (b *bench) programs(ctx context.Context) (out *programCosts, err error) {
	s, err := b.openStates(ctx, false)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	r, err := b.startRig(ctx, traffics()[0])
	if err != nil {
		return nil, err
	}
	defer r.stop()
	// The connections are opened under Fathom's eyes, as they are on a node.
	if err := s.enter(stateFathom); err != nil {
		return nil, err
	}
	if err := r.open(ctx); err != nil {
		return nil, err
	}
	statistics, err := keepStatistics()
	if err != nil {
		return nil, err
	}
	defer statistics.Close()

	out = new(programCosts)
	if err := s.enter(stateEmpty); err != nil {
		return nil, err
	}
	empty, err := b.countRuns(ctx, r, nil)
	if err != nil {
		return nil, err
	}
	out.EmptyNsPerRun = perRun(total(empty.kernel))
	if err := s.enter(stateFathom); err != nil {
		return nil, err
	}
	full, err := b.countRuns(ctx, r, s.kernel(stateFathom))
	if err != nil {
		return nil, err
	}
	return out, out.fill(full)
}

// counted is what happened in a stretch of load.
type counted struct {
	requests uint64
	kernel   map[string]runCount // by the program's name
	own      []kernel.Program
}

func (b *bench) countRuns(ctx context.Context, r *rig, fathom *kernel.Kernel) (counted, error) {
	before, err := look(r, fathom)
	if err != nil {
		return counted{}, err
	}
	if err := sleep(ctx, b.plan.programs); err != nil {
		return counted{}, err
	}
	after, err := look(r, fathom)
	if err != nil {
		return counted{}, err
	}
	after.requests -= before.requests
	for name, c := range after.kernel {
		after.kernel[name] = runCount{c.runs - before.kernel[name].runs, c.time - before.kernel[name].time}
	}
	for i := range after.own {
		after.own[i].Runs -= before.own[i].Runs
		after.own[i].Time -= before.own[i].Time
	}
	return after, nil
}

func look(r *rig, fathom *kernel.Kernel) (c counted, err error) {
	if c.requests, err = r.server.requests(); err != nil {
		return c, err
	}
	if c.kernel, err = ownRuns(); err != nil {
		return c, err
	}
	if fathom != nil {
		s, err := fathom.Snapshot()
		if err != nil {
			return c, err
		}
		c.own = s.Programs
	}
	return c, nil
}

// ownRuns returns the kernel's account of the programs that this process holds open.
func ownRuns() (map[string]runCount, error) {
	out := make(map[string]runCount)
	seen := make(map[string]bool)
	var failed error
	err := eachFdinfo(os.Getpid(), func(info map[string]string) {
		id := info["prog_id"]
		if _, isProgram := info["run_cnt"]; !isProgram || seen[id] {
			return
		}
		seen[id] = true
		number, err := strconv.ParseUint(id, 10, 32)
		if err != nil {
			failed = err
			return
		}
		name, c, err := account(ebpf.ProgramID(number))
		if err != nil {
			failed = err
			return
		}
		sum := out[name]
		out[name] = runCount{sum.runs + c.runs, sum.time + c.time}
	})
	if err == nil {
		err = failed
	}
	return out, err
}

func account(id ebpf.ProgramID) (string, runCount, error) {
	p, err := ebpf.NewProgramFromID(id)
	if err != nil {
		return "", runCount{}, fmt.Errorf("open BPF program %d: %w", id, err)
	}
	defer func() { _ = p.Close() }() // reading has succeeded or not
	info, err := p.Info()
	if err != nil {
		return "", runCount{}, err
	}
	stats, err := p.Stats()
	if err != nil {
		return "", runCount{}, err
	}
	return info.Name, runCount{stats.RunCount, stats.Runtime}, nil
}

// ownNames are Fathom's names of the programs, by those that these have in bpf/.
var ownNames = map[string]string{
	"raw_read": "data_read", "raw_read_again": "data_read", "perf_read": "data_read",
	"exit_inet_recvmsg": "data_read", "exit_inet6_recvmsg": "data_read", "return_read": "data_read", "call_recvmsg": "data_read",
	"raw_written": "data_written", "raw_written_again": "data_written", "perf_written": "data_written",
	"exit_inet_sendmsg": "data_written", "exit_inet6_sendmsg": "data_written", "exit_inet_sendpage": "data_written",
	"return_written": "data_written", "call_sendmsg": "data_written", "call_sendpage": "data_written",
	"raw_arrived": "data_arrived", "entry_sock_def_readable": "data_arrived", "call_sock_def_readable": "data_arrived",
	"perf_state": "state", "perf_destroy": "destroyed",
	"raw_state": "state", "raw_destroy": "destroyed", "raw_retransmit": "retransmit", "raw_synack": "retransmit_synack",
	"raw_reset_received": "reset_received", "raw_reset_sent": "reset_sent", "fathom_sweep": "sweep",
}

// fill adds up what the programs took. It fails if one ran that it does not know.
func (c *programCosts) fill(full counted) error {
	c.Requests = full.requests
	requests := float64(full.requests)
	byName := make(map[string]runCount)
	for name, k := range full.kernel {
		own := ownNames[name]
		if own == "" && k.runs > 0 {
			return fmt.Errorf("the BPF program %s ran, and its name is not in ownNames", name)
		}
		sum := byName[own]
		byName[own] = runCount{sum.runs + k.runs, sum.time + k.time}
	}
	for _, own := range full.own {
		k := byName[own.Name]
		if k.runs == 0 {
			continue
		}
		c.Programs = append(c.Programs, programCost{
			Program: own.Name, Runs: k.runs, RunsPerRequest: float64(k.runs) / requests, NsPerRun: perRun(k),
			OwnRunsPerRequest: float64(own.Runs) / requests, OwnNsPerRun: perRun(runCount{own.Runs, own.Time}),
		})
		c.OwnNsPerRequest += float64(own.Time) / requests
	}
	sum := total(byName)
	c.NsPerRequest = float64(sum.time) / requests
	c.NetNsPerRequest = c.NsPerRequest - c.EmptyNsPerRun*float64(sum.runs)/requests
	return nil
}

func total(all map[string]runCount) (sum runCount) {
	for _, c := range all {
		sum.runs += c.runs
		sum.time += c.time
	}
	return sum
}

func perRun(c runCount) float64 {
	if c.runs == 0 {
		return 0
	}
	return float64(c.time) / float64(c.runs)
}
