package main

import (
	"context"
	"fmt"
	"math"
	"time"

	"golang.org/x/sync/errgroup"
)

const scrapeInterval = 5 * time.Second

// stretch is the agent's own CPU time over a while of load.
type stretch struct {
	Load              string  `json:"load"` // "paced" or "full"
	Seconds           float64 `json:"seconds"`
	RequestsPerSecond float64 `json:"requests_per_second"`
	Scrapes           int     `json:"scrapes"`
	CPUPercent        float64 `json:"cpu_percent_of_a_core"`
	UserPercent       float64 `json:"user_percent"` // in steps of 10 ms
	SystemPercent     float64 `json:"system_percent"`
}

// accounted compares nginx' count of all requests of the phase with Fathom's.
type accounted struct {
	Nginx  uint64             `json:"nginx"`
	Fathom uint64             `json:"fathom"`
	Lost   map[string]float64 `json:"fathom_lost,omitempty"` // fathom_lost_total, if above zero
}

// agentCPU is what the agent's process takes at two rates of requests, in turn.
type agentCPU struct {
	Stretches []stretch `json:"stretches"`
	Paced     float64   `json:"paced_percent"` // mean of the stretches
	Full      float64   `json:"full_percent"`
	Target    float64   `json:"target_percent"`
	Requests  accounted `json:"requests"`
}

func (c *agentCPU) met() bool { return max(c.Paced, c.Full) < c.Target }

// agentUsage measures the agent while nginx serves about 1,000 requests/s and as many as it can,
// which has to be the same: nothing of the agent's runs per request.
func (b *bench) agentUsage(ctx context.Context) (*agentCPU, error) {
	a, err := b.startAgent(ctx)
	if err != nil {
		return nil, err
	}
	defer a.stop()
	n, err := startNginx(ctx, b.starter, b.serverCPU, nil)
	if err != nil {
		return nil, err
	}
	defer n.stop()
	c := &agentCPU{Target: targetCPU}
	for round := range b.plan.stretches {
		for _, full := range []bool{false, true} {
			b.progress("round %d of %d", round+1, b.plan.stretches)
			s, err := b.underLoad(ctx, a, n, full)
			if err != nil {
				return nil, err
			}
			c.Stretches = append(c.Stretches, s)
			if full {
				c.Full += s.CPUPercent / float64(b.plan.stretches)
			} else {
				c.Paced += s.CPUPercent / float64(b.plan.stretches)
			}
		}
	}
	if err := c.account(ctx, a, n); err != nil {
		return nil, err
	}
	return c, nil
}

func (b *bench) underLoad(ctx context.Context, a *agent, n *nginx, full bool) (stretch, error) {
	if full {
		w, err := startWrk(ctx, b.starter, b.clientCPU, n.url("/"))
		if err != nil {
			return stretch{}, err
		}
		defer w.end()
		return b.stretch(ctx, a, n, "full")
	}
	paced, cancel := context.WithCancel(ctx)
	defer cancel()
	group, paced := errgroup.WithContext(paced)
	group.Go(func() error { return pace(paced, n.address, 1000) })
	var s stretch
	group.Go(func() (err error) {
		defer cancel()
		s, err = b.stretch(paced, a, n, "paced")
		return err
	})
	return s, group.Wait()
}

func (b *bench) stretch(ctx context.Context, a *agent, n *nginx, load string) (s stretch, err error) {
	if err := sleep(ctx, b.plan.warmUp); err != nil {
		return s, err
	}
	began := time.Now()
	requests, err := n.requests()
	if err != nil {
		return s, err
	}
	cpu, err := cpuTime(a.pid())
	if err != nil {
		return s, err
	}
	user, system, err := ticks(a.pid())
	if err != nil {
		return s, err
	}
	for time.Since(began) < b.plan.stretch {
		if err := sleep(ctx, min(scrapeInterval, b.plan.stretch)); err != nil {
			return s, err
		}
		if _, err := a.scrape(ctx, acceptText); err != nil {
			return s, err
		}
		s.Scrapes++
	}
	cpuAfter, err := cpuTime(a.pid())
	if err != nil {
		return s, err
	}
	userAfter, systemAfter, err := ticks(a.pid())
	if err != nil {
		return s, err
	}
	requestsAfter, err := n.requests()
	if err != nil {
		return s, err
	}
	took := time.Since(began)
	s.Load, s.Seconds = load, took.Seconds()
	s.RequestsPerSecond = float64(requestsAfter-requests) / took.Seconds()
	s.CPUPercent = 100 * float64(cpuAfter-cpu) / float64(took)
	s.UserPercent = 100 * float64(userAfter-user) / float64(took)
	s.SystemPercent = 100 * float64(systemAfter-system) / float64(took)
	return s, nil
}

// account compares the counts once all connections of the load are closed. Of the workloads
// on the host, nginx is the one whose count comes closest.
func (c *agentCPU) account(ctx context.Context, a *agent, n *nginx) error {
	if err := sleep(ctx, 500*time.Millisecond); err != nil {
		return err
	}
	var err error
	if c.Requests.Nginx, err = n.requests(); err != nil {
		return err
	}
	served, err := a.metrics(ctx, "http_request_duration_seconds_count")
	if err != nil {
		return err
	}
	away := math.Inf(1)
	for _, count := range sumBy(served, "workload") {
		if d := math.Abs(count - float64(c.Requests.Nginx)); d < away {
			away, c.Requests.Fathom = d, uint64(count)
		}
	}
	lost, err := a.metrics(ctx, "fathom_lost_total")
	if err != nil {
		return err
	}
	c.Requests.Lost = make(map[string]float64)
	for reason, count := range sumBy(lost, "reason") {
		if count > 0 {
			c.Requests.Lost[reason] = count
		}
	}
	if !a.running() {
		return fmt.Errorf("the agent: %w", a.failure())
	}
	return nil
}
