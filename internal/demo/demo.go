// Package demo is the demonstration that `fathom demo` runs: three small HTTP
// services and one of gRPC that call each other, a load generator, and a link that loses packets,
// all told what to do, so that it can be compared with what the agent reports.
//
//	shop-load ── GET, PUT, POST, PATCH ──> shop-frontend ── GET, PUT ──> (lossy link) ──> shop-cart
//	                                             ├───────── POST ──> shop-payments (one thread)
//	                                             └───────── gRPC ──> shop-shipping
//
// Each is a process of its own, on addresses that only this host reaches. Nothing
// is left when the demonstration ends, however it ends: the processes are killed with
// their parent, and the network is one that the kernel removes with its last user.
package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

// Options configure [Run]. The zero value of a field means its default.
type Options struct {
	// NoAgent runs the services without an agent.
	NoAgent bool
	// Address is where the agent listens (default 127.0.0.1:10777).
	Address string
	// AgentArgs are further arguments of `fathom agent`.
	AgentArgs []string
	// Duration ends the demonstration (default: it runs until ctx is done).
	Duration time.Duration
	// Summary is the time between two lines about the load (default 10 s; negative:
	// none).
	Summary time.Duration
	// Executable is the program with the commands [ServiceCommand] and `agent`
	// (default: the running one).
	Executable string
	// Output is where everything is printed (default os.Stdout); Errors is for
	// what the processes complain about (default os.Stderr).
	Output, Errors io.Writer
	// OnEnd, if set, receives what the callers measured, when all calls have ended
	// and all processes, the agent too, are still there.
	OnEnd func(Truth)
}

// Run starts the demonstration and returns when ctx is done or Options.Duration over,
// which is no error, or when something does not start or dies.
func Run(ctx context.Context, o Options) (err error) {
	o.Address = cmp.Or(o.Address, "127.0.0.1:10777")
	o.Summary = cmp.Or(o.Summary, 10*time.Second)
	if o.Output == nil {
		o.Output = os.Stdout
	}
	if o.Errors == nil {
		o.Errors = os.Stderr
	}
	if o.Executable == "" {
		if o.Executable, err = os.Executable(); err != nil {
			return fmt.Errorf("find own program: %w", err)
		}
	}
	if o.Duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.Duration)
		defer cancel()
	}

	d := &demo{options: o, host: newThread(), deaths: make(chan *child, 8)}
	defer func() { err = errors.Join(err, d.close()) }()
	if err := d.start(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // ended while starting
		}
		return err
	}
	if err := d.welcome(); err != nil {
		return err
	}
	if err := d.wait(ctx); err != nil {
		return err
	}
	return d.finish()
}

// demo is the running demonstration.
type demo struct {
	options  Options
	host     *thread // starts the children
	link     *lossyLink
	linkErr  error // why there is none
	agent    *child
	services []*child // in the order of their start; the load last
	address  map[string]string
	began    time.Time
	deaths   chan *child
}

// start starts everything, the agent before the first connection and the callers after
// those they call.
func (d *demo) start(ctx context.Context) (err error) {
	d.link, d.linkErr = newLossyLink(d.host, os.Getpid(), dropShare)
	if !d.options.NoAgent {
		if d.agent, err = startAgent(ctx, d.host, d.options, d.options.Errors); err != nil {
			return err
		}
		d.watch(d.agent)
	}
	d.address = make(map[string]string)
	d.began = time.Now()
	for _, name := range []string{cartName, paymentsName, shippingName, frontendName, loadName} {
		if err := ctx.Err(); err != nil {
			return err
		}
		s := start{Name: name, Listen: "127.0.0.1:0", Peers: d.address}
		t := d.host
		if name == cartName && d.link != nil {
			s.Listen, t = d.link.addr.String()+":0", d.link.inner
		}
		if name == shippingName {
			s.Listen = shippingHost + ":0"
		}
		c, address, err := startServiceChild(ctx, t, d.options.Executable, s, d.options.Errors)
		if err != nil {
			return err
		}
		d.services = append(d.services, c)
		d.address[name] = address
		d.watch(c)
	}
	return nil
}

// watch reports the end of a child to wait.
func (d *demo) watch(c *child) {
	go func() {
		<-c.ended
		d.deaths <- c
	}()
}

// wait prints summaries until the end.
func (d *demo) wait(ctx context.Context) error {
	var tick <-chan time.Time
	if d.options.Summary > 0 {
		t := time.NewTicker(d.options.Summary)
		defer t.Stop()
		tick = t.C
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case c := <-d.deaths:
			return c.failure()
		case <-tick:
			t, err := d.truth(command{Truth: true})
			if err != nil {
				return err
			}
			if err := d.summary(t); err != nil {
				return err
			}
		}
	}
}

// finish ends the load, lets all calls end, and reports what the callers measured.
func (d *demo) finish() error {
	t, err := d.truth(command{Drain: true})
	if err != nil {
		return err
	}
	if d.options.OnEnd != nil {
		d.options.OnEnd(t)
	}
	return d.report(t)
}

// truth collects what the callers measured, after the command has been done by all,
// callers first.
func (d *demo) truth(q command) (Truth, error) {
	var t Truth
	for _, s := range slices.Backward(d.services) {
		r, err := s.ask(q)
		if err != nil {
			return t, err
		}
		t.Calls = append(t.Calls, r.Calls...)
	}
	t.Elapsed = time.Since(d.began)
	if d.link != nil {
		s, err := d.link.drops.stats()
		if err != nil {
			return t, err
		}
		t.Link = &s
	}
	return t, nil
}

// close ends and removes everything, in the reverse order.
func (d *demo) close() error {
	for _, s := range slices.Backward(d.services) {
		s.stop()
	}
	if d.agent != nil {
		d.agent.stop()
	}
	var err error
	if d.link != nil {
		if err = d.link.close(); err != nil {
			err = fmt.Errorf("remove the lossy link: %w", err)
		}
	}
	d.host.close()
	return err
}
