package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// bpfWindow is what the kernel measured of the programs in one window.
type bpfWindow struct {
	State    string        `json:"state"`
	Block    int           `json:"block"`
	Requests uint64        `json:"requests"`
	Runs     uint64        `json:"runs"`
	Time     time.Duration `json:"ns"`
}

// bpfTime is the time in BPF programs per request, both ends together: what the kernel measures
// (BPF_STATS_RUN_TIME), less what it measures for as many runs of a program that only returns.
type bpfTime struct {
	EmptyNsPerRun  float64            `json:"empty_ns_per_run"`
	RunsPerRequest map[string]summary `json:"runs_per_request"`
	NsPerRequest   map[string]summary `json:"net_ns_per_request"`
	Targets        map[string]float64 `json:"targets_of_ns_per_request_and_end,omitempty"` // at most, by state
	Ratios         []bpfRatio         `json:"ratios"`
	Windows        []bpfWindow        `json:"windows"`

	states []string
}

// bpfRatio compares the BPF time per request of two states, window by neighbouring window.
type bpfRatio struct {
	Of     string  `json:"of"`
	To     string  `json:"to"`
	Value  summary `json:"value"`
	Target float64 `json:"target,omitempty"` // at most
}

// bpfTime toggles between the states that have programs while the kernel keeps its statistics. These slow all programs
// down: therefore apart from the throughput.
func (b *bench) bpfTime(ctx context.Context, r *rig, s *states) (*bpfTime, error) {
	statistics, err := keepStatistics()
	if err != nil {
		return nil, err
	}
	defer statistics.Close()
	names := s.names()[1:] // without stateNone
	var windows []bpfWindow
	random := rand.New(rand.NewPCG(b.report.Seed, 1)) //nolint:gosec // an order, not a secret
	for block, order := range shuffledBlocks(len(names), b.plan.statistics, random) {
		b.progress("%s, BPF time, block %d of %d", r.load, block+1, b.plan.statistics)
		if err := s.reloadIfDue(ctx, b.plan.reload); err != nil {
			return nil, err
		}
		for _, i := range order {
			w, err := b.bpfWindow(ctx, r, s, names[i])
			if err != nil {
				return nil, err
			}
			w.State, w.Block = names[i], block
			windows = append(windows, w)
		}
	}
	if err := s.leave(); err != nil {
		return nil, err
	}
	t := compareBPF(windows, s.pairsOfObjects())
	t.states = names[1:] // what empty programs take is zero by definition
	return t, nil
}

func (b *bench) bpfWindow(ctx context.Context, r *rig, s *states, name string) (w bpfWindow, err error) {
	if err := s.enter(name); err != nil {
		return w, err
	}
	if err := r.open(ctx); err != nil {
		return w, err
	}
	defer r.shut()
	if err := sleep(ctx, b.plan.settle); err != nil {
		return w, err
	}
	runsBefore, requestsBefore, err := r.readRuns()
	if err != nil {
		return w, err
	}
	if err := sleep(ctx, b.plan.window-b.plan.settle); err != nil {
		return w, err
	}
	runs, requests, err := r.readRuns()
	if err != nil {
		return w, err
	}
	w.Requests, w.Runs, w.Time = requests-requestsBefore, runs.runs-runsBefore.runs, runs.time-runsBefore.time
	if w.Requests == 0 {
		return w, r.idle(b.plan.window - b.plan.settle)
	}
	return w, nil
}

// readRuns returns the kernel's account of all programs of this process, and how many requests were served.
func (r *rig) readRuns() (runCount, uint64, error) {
	if err := r.failure(); err != nil {
		return runCount{}, 0, err
	}
	all, err := ownRuns()
	requests, errRequests := r.server.requests()
	return total(all), requests, errors.Join(err, errRequests)
}

// keepStatistics lets the kernel measure every run of a BPF program until it is closed.
func keepStatistics() (io.Closer, error) {
	statistics, err := ebpf.EnableStats(unix.BPF_STATS_RUN_TIME)
	if err != nil {
		return nil, fmt.Errorf("let the kernel keep statistics of BPF programs: %w", err)
	}
	return statistics, nil
}

// compareBPF summarizes the windows of a run.
func compareBPF(windows []bpfWindow, pairs [][2]string) *bpfTime {
	t := &bpfTime{RunsPerRequest: make(map[string]summary), NsPerRequest: make(map[string]summary), Targets: make(map[string]float64), Windows: windows}
	var empty []float64
	for _, w := range windows {
		if w.State == stateEmpty {
			empty = append(empty, perRun(runCount{w.Runs, w.Time}))
		}
	}
	t.EmptyNsPerRun = summarize(empty).Median
	runs, net := make(map[string][]float64), make(map[string][]float64)
	var blocks []map[string]float64
	for _, w := range windows {
		for w.Block >= len(blocks) {
			blocks = append(blocks, make(map[string]float64))
		}
		requests := float64(w.Requests)
		ns := (float64(w.Time) - t.EmptyNsPerRun*float64(w.Runs)) / requests
		runs[w.State] = append(runs[w.State], float64(w.Runs)/requests)
		net[w.State] = append(net[w.State], ns)
		blocks[w.Block][w.State] = ns
	}
	for state := range runs {
		t.RunsPerRequest[state] = summarize(runs[state])
		t.NsPerRequest[state] = summarize(net[state])
	}
	for _, p := range pairs {
		t.Ratios = append(t.Ratios, bpfRatio{Of: p[0], To: p[1], Value: summarize(pairRatios(blocks, p[0], p[1]))})
	}
	return t
}
