package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// window is one measurement: what happened between two looks at nginx's counter.
type window struct {
	State    string  `json:"state"`
	Block    int     `json:"block"`
	Seconds  float64 `json:"seconds"`
	Requests uint64  `json:"requests"`
	// CPU time that both ends took, their share of the kernel's work included.
	ServerCPU float64 `json:"server_cpu_seconds"`
	ClientCPU float64 `json:"client_cpu_seconds"`
}

func (w window) rate() float64 { return float64(w.Requests) / w.Seconds }

// cpuPerRequest is in nanoseconds.
func (w window) cpuPerRequest() float64 {
	return (w.ServerCPU + w.ClientCPU) * 1e9 / float64(w.Requests)
}

// ratio compares the throughput of two states, window by neighbouring window.
type ratio struct {
	Of     string  `json:"of"`
	To     string  `json:"to"`
	Value  summary `json:"value"`
	Target float64 `json:"target,omitempty"`
	// The same by the CPU time per request of both ends together, which other work on the
	// machine moves less: To's over Of's, and Of's less To's in ns.
	ByCPU summary `json:"by_cpu"`
	CPU   summary `json:"cpu_ns_per_request"`
}

func (r ratio) met() bool { return r.Target == 0 || r.Value.Median >= r.Target }

// comparison is the outcome of one load run.
type comparison struct {
	Load          string             `json:"load"`
	LoadErrors    string             `json:"load_errors,omitempty"`
	Rates         map[string]summary `json:"requests_per_second"`
	CPUPerRequest map[string]summary `json:"cpu_ns_per_request"`
	Ratios        []ratio            `json:"ratios"`
	Windows       []window           `json:"windows"`

	states []string
}

// rig is a server under load, and what reads how far it is.
type rig struct {
	nginx *nginx
	wrk   wrk
	load  string
}

type rigOptions struct {
	churn bool   // one request per connection
	https *https // nil: HTTP
}

func (b *bench) startRig(ctx context.Context, o rigOptions) (*rig, error) {
	r := &rig{load: "wrk -t1 -c32, keep-alive, 6-byte body"}
	if o.churn {
		r.load = "wrk -t1 -c32, one request per connection, 6-byte body"
	}
	scheme := "http"
	if o.https != nil {
		scheme = "https"
		r.load += ", probes in " + o.https.found.Version + " of nginx"
	}
	var err error
	if r.nginx, err = startNginx(ctx, b.starter, b.serverCPU, o.https); err != nil {
		return nil, err
	}
	if r.wrk, err = startWrk(ctx, b.starter, b.clientCPU, scheme+"://"+r.nginx.address+"/", o.churn); err != nil {
		r.nginx.stop()
		return nil, err
	}
	if err := sleep(ctx, b.plan.warmUp); err != nil {
		r.stop()
		return nil, err
	}
	return r, nil
}

func (r *rig) stop() string {
	complaint := r.wrk.stop()
	r.nginx.stop()
	return complaint
}

// reading is one look at the counters.
type reading struct {
	at             time.Time
	requests       uint64
	server, client time.Duration
}

func (r *rig) read() (reading, error) {
	if !r.wrk.running() {
		return reading{}, r.wrk.failure()
	}
	n, err := r.nginx.requests()
	now := time.Now()
	server, errServer := cpuTime(r.nginx.pid())
	client, errClient := cpuTime(r.wrk.pid())
	return reading{now, n, server, client}, errors.Join(err, errServer, errClient)
}

func (r reading) since(before reading) window {
	return window{
		Seconds: r.at.Sub(before.at).Seconds(), Requests: r.requests - before.requests,
		ServerCPU: (r.server - before.server).Seconds(), ClientCPU: (r.client - before.client).Seconds(),
	}
}

// measure takes one window: settle passes first, and half-way through tick is called.
func (r *rig) measure(ctx context.Context, p plan, tick func() error) (window, error) {
	if err := sleep(ctx, p.settle); err != nil {
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
		return w, fmt.Errorf("no request was served within %.1f s\n%s", w.Seconds, r.wrk.out)
	}
	return w, nil
}

// throughput toggles between the states within one load run.
func (b *bench) throughput(ctx context.Context, churn bool) (c *comparison, err error) {
	s, err := openStates(ctx, false)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	// The connections are opened under Fathom's eyes, as they are on a node.
	if err := s.enter(stateFathom); err != nil {
		return nil, err
	}
	r, err := b.startRig(ctx, rigOptions{churn: churn})
	if err != nil {
		return nil, err
	}
	return b.run(ctx, r, s, [][2]string{{stateFathom, stateEmpty}, {stateFathom, stateNone}, {stateEmpty, stateNone}})
}

// run measures in all states, compares pairs of them, and stops the load.
func (b *bench) run(ctx context.Context, r *rig, s toggled, pairs [][2]string) (*comparison, error) {
	windows, err := b.toggle(ctx, r, s)
	complaint := r.stop()
	if err != nil {
		return nil, err
	}
	c := compare(windows, pairs)
	c.Load, c.LoadErrors, c.states = r.load, complaint, s.names()
	return c, nil
}

func (b *bench) toggle(ctx context.Context, r *rig, s toggled) ([]window, error) {
	var windows []window
	stateNames := s.names()
	random := rand.New(rand.NewPCG(b.report.Seed, 0)) //nolint:gosec // an order, not a secret
	for block, order := range shuffledBlocks(len(stateNames), b.plan.windows, random) {
		b.progress("block %d of %d", block+1, b.plan.windows)
		if block > 0 && block%b.plan.reload == 0 {
			if err := s.reload(ctx); err != nil {
				return nil, err
			}
		}
		for _, i := range order {
			name := stateNames[i]
			if err := s.enter(name); err != nil {
				return nil, err
			}
			w, err := r.measure(ctx, b.plan, func() error { return s.tick(name) })
			if err != nil {
				return nil, err
			}
			w.State, w.Block = name, block
			windows = append(windows, w)
		}
	}
	return windows, s.leave()
}

// compare summarizes the windows of a run.
func compare(windows []window, pairs [][2]string) *comparison {
	c := &comparison{Rates: make(map[string]summary), CPUPerRequest: make(map[string]summary), Windows: windows}
	rates, costs := make(map[string][]float64), make(map[string][]float64)
	var rateBlocks, costBlocks []map[string]float64
	for _, w := range windows {
		rates[w.State] = append(rates[w.State], w.rate())
		costs[w.State] = append(costs[w.State], w.cpuPerRequest())
		for w.Block >= len(rateBlocks) {
			rateBlocks = append(rateBlocks, make(map[string]float64))
			costBlocks = append(costBlocks, make(map[string]float64))
		}
		rateBlocks[w.Block][w.State] = w.rate()
		costBlocks[w.Block][w.State] = w.cpuPerRequest()
	}
	for state := range rates {
		c.Rates[state] = summarize(rates[state])
		c.CPUPerRequest[state] = summarize(costs[state])
	}
	for _, pair := range pairs {
		c.Ratios = append(c.Ratios, ratio{
			Of: pair[0], To: pair[1],
			Value: summarize(pairRatios(rateBlocks, pair[0], pair[1])),
			ByCPU: summarize(pairRatios(costBlocks, pair[1], pair[0])),
			CPU:   summarize(differences(costBlocks, pair[0], pair[1])),
		})
	}
	return c
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
