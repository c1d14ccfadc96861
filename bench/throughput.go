package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// window is one measurement: what happened between two looks at the server's counter.
type window struct {
	State    string  `json:"state"`
	Block    int     `json:"block"`
	Seconds  float64 `json:"seconds"`
	Requests uint64  `json:"requests"`
	// CPU time that both ends took, their share of the kernel's work included.
	ServerCPU float64 `json:"server_cpu_seconds"`
	ClientCPU float64 `json:"client_cpu_seconds"`
	// What all CPUs did, in steps of 10 ms: also what the kernel does on nobody's account.
	MachineCPU float64 `json:"machine_cpu_seconds"`
}

func (w window) rate() float64 { return float64(w.Requests) / w.Seconds }

// cpuPerRequest is in nanoseconds.
func (w window) cpuPerRequest() float64 {
	return (w.ServerCPU + w.ClientCPU) * 1e9 / float64(w.Requests)
}

func (w window) machinePerRequest() float64 { return w.MachineCPU * 1e9 / float64(w.Requests) }

// ratio compares the throughput of two states, window by neighbouring window.
type ratio struct {
	Of     string  `json:"of"`
	To     string  `json:"to"`
	Value  summary `json:"value"`
	Target float64 `json:"target,omitempty"` // at least
	// The same by the CPU time per request of both ends together, which other work on the
	// machine moves less: To's over Of's, and Of's less To's in ns.
	ByCPU     summary `json:"by_cpu"`
	TargetCPU float64 `json:"target_by_cpu,omitempty"` // at least
	CPU       summary `json:"cpu_ns_per_request"`
	ByMachine summary `json:"by_machine_cpu"` // like ByCPU, with that of the whole machine
}

// comparison is the outcome of one load run.
type comparison struct {
	Name              string             `json:"name"`
	Load              string             `json:"load"`
	LoadErrors        string             `json:"load_errors,omitempty"`
	Rates             map[string]summary `json:"requests_per_second"`
	CPUPerRequest     map[string]summary `json:"cpu_ns_per_request"`
	MachinePerRequest map[string]summary `json:"machine_cpu_ns_per_request"`
	Ratios            []ratio            `json:"ratios"`
	BPF               *bpfTime           `json:"bpf,omitempty"`
	Windows           []window           `json:"windows"`

	title  string
	states []string
}

// rig is a server, and the load on it.
type rig struct {
	load    string // in words
	server  server
	connect func(context.Context) ([]client, error)
	clients []client // none between windows
	// What clients complained of when they were ended, each only once.
	complaints map[string]bool
}

// startRig starts the server of a kind of load, and warms it up.
func (b *bench) startRig(ctx context.Context, t traffic) (*rig, error) {
	r := &rig{load: t.load, complaints: make(map[string]bool)}
	var err error
	if r.server, err = t.server(ctx, b); err != nil {
		return nil, err
	}
	r.connect = func(ctx context.Context) ([]client, error) { return t.clients(ctx, b, r.server) }
	if err := r.open(ctx); err != nil {
		r.stop()
		return nil, err
	}
	defer r.shut()
	if err := sleep(ctx, b.plan.warmUp); err != nil {
		r.stop()
		return nil, err
	}
	return r, nil
}

// open starts the clients, with new connections.
func (r *rig) open(ctx context.Context) (err error) {
	r.clients, err = r.connect(ctx)
	return err
}

// shut ends the clients.
func (r *rig) shut() {
	for _, c := range r.clients {
		if said := c.end(); said != "" {
			r.complaints[said] = true
		}
	}
	r.clients = nil
}

func (r *rig) stop() {
	r.shut()
	r.server.stop()
}

func (r *rig) complaint() string { return strings.Join(slices.Sorted(maps.Keys(r.complaints)), "; ") }

// failure tells of a client that has ended before its time.
func (r *rig) failure() error {
	for _, c := range r.clients {
		if !c.running() {
			return c.failure()
		}
	}
	return nil
}

// idle is the error of a window without a request.
func (r *rig) idle(d time.Duration) error {
	var said []string
	for _, c := range r.clients {
		said = append(said, c.said())
	}
	return fmt.Errorf("no request was served within %.1f s\n%s", d.Seconds(), strings.Join(said, "\n"))
}

// reading is one look at the counters.
type reading struct {
	at                      time.Time
	requests                uint64
	server, client, machine time.Duration
}

func (r *rig) read() (reading, error) {
	if err := r.failure(); err != nil {
		return reading{}, err
	}
	n, err := r.server.requests()
	x := reading{at: time.Now(), requests: n}
	var errServer, errMachine error
	x.server, errServer = cpuTime(r.server.pid())
	x.machine, errMachine = machineTime()
	err = errors.Join(err, errServer, errMachine)
	for _, c := range r.clients {
		t, errClient := cpuTime(c.pid())
		x.client += t
		err = errors.Join(err, errClient)
	}
	return x, err
}

func (r reading) since(before reading) window {
	return window{
		Seconds: r.at.Sub(before.at).Seconds(), Requests: r.requests - before.requests,
		ServerCPU: (r.server - before.server).Seconds(), ClientCPU: (r.client - before.client).Seconds(),
		MachineCPU: (r.machine - before.machine).Seconds(),
	}
}

// warmUp lets d pass, and as long as it takes until a request has been served: handshakes come first.
func (r *rig) warmUp(ctx context.Context, d time.Duration) error {
	begun := time.Now()
	first, err := r.server.requests()
	for err == nil {
		if err = sleep(ctx, d); err != nil {
			break
		}
		var n uint64
		if n, err = r.server.requests(); n > first || time.Since(begun) > patience {
			break
		}
		d = 10 * time.Millisecond
	}
	return err
}

// patience bounds how long a load may take until it begins.
const patience = 10 * time.Second

// measure takes one window: it warms up first, and half-way through tick is called.
func (r *rig) measure(ctx context.Context, p plan, tick func() error) (window, error) {
	if err := r.warmUp(ctx, p.settle); err != nil {
		return window{}, err
	}
	before, err := r.read()
	if err != nil {
		return window{}, err
	}
	if err := sleep(ctx, (p.window-p.settle)/2); err != nil {
		return window{}, err
	}
	if err := tick(); err != nil {
		return window{}, err
	}
	if err := sleep(ctx, (p.window-p.settle)/2); err != nil {
		return window{}, err
	}
	after, err := r.read()
	if err != nil {
		return window{}, err
	}
	w := after.since(before)
	if w.Requests == 0 {
		return w, r.idle(after.at.Sub(before.at))
	}
	return w, nil
}

// run measures in all states, and compares pairs of them.
func (b *bench) run(ctx context.Context, r *rig, s toggled, pairs [][2]string) (*comparison, error) {
	windows, err := b.toggle(ctx, r, s)
	if err != nil {
		return nil, err
	}
	c := compare(windows, pairs)
	c.Load, c.LoadErrors, c.states = r.load, r.complaint(), s.names()
	return c, nil
}

func (b *bench) toggle(ctx context.Context, r *rig, s toggled) ([]window, error) {
	var windows []window
	stateNames := s.names()
	random := rand.New(rand.NewPCG(b.report.Seed, 0)) //nolint:gosec // an order, not a secret
	for block, order := range shuffledBlocks(len(stateNames), b.plan.windows, random) {
		b.progress("%s, block %d of %d", r.load, block+1, b.plan.windows)
		if err := s.reloadIfDue(ctx, b.plan.reload); err != nil {
			return nil, err
		}
		for _, i := range order {
			w, err := b.windowIn(ctx, r, s, stateNames[i])
			if err != nil {
				return nil, err
			}
			w.State, w.Block = stateNames[i], block
			windows = append(windows, w)
		}
	}
	return windows, s.leave()
}

// windowIn takes one window in a state. Its connections are opened in that state, as they are on a node.
func (b *bench) windowIn(ctx context.Context, r *rig, s toggled, name string) (window, error) {
	if err := s.enter(name); err != nil {
		return window{}, err
	}
	if err := r.open(ctx); err != nil {
		return window{}, err
	}
	defer r.shut()
	return r.measure(ctx, b.plan, func() error { return s.tick(name) })
}

// compare summarizes the windows of a run.
func compare(windows []window, pairs [][2]string) *comparison {
	c := &comparison{Windows: windows}
	rates, byState := c.figures(window.rate)
	c.Rates = byState
	costs, byState := c.figures(window.cpuPerRequest)
	c.CPUPerRequest = byState
	machine, byState := c.figures(window.machinePerRequest)
	c.MachinePerRequest = byState
	for _, pair := range pairs {
		c.Ratios = append(c.Ratios, ratio{
			Of: pair[0], To: pair[1],
			Value:     summarize(pairRatios(rates, pair[0], pair[1])),
			ByCPU:     summarize(pairRatios(costs, pair[1], pair[0])),
			CPU:       summarize(differences(costs, pair[0], pair[1])),
			ByMachine: summarize(pairRatios(machine, pair[1], pair[0])),
		})
	}
	return c
}

// figures returns one figure of every window, block by block, and its summary by state.
func (c *comparison) figures(of func(window) float64) (blocks []map[string]float64, byState map[string]summary) {
	all := make(map[string][]float64)
	for _, w := range c.Windows {
		for w.Block >= len(blocks) {
			blocks = append(blocks, make(map[string]float64))
		}
		blocks[w.Block][w.State] = of(w)
		all[w.State] = append(all[w.State], of(w))
	}
	byState = make(map[string]summary)
	for state, values := range all {
		byState[state] = summarize(values)
	}
	return blocks, byState
}

// sleep returns early with an error when ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
