package main

import (
	"context"
	"os"
	"time"

	"github.com/fathomhq/fathom/internal/demo"
)

// demoCommand are the flags of `fathom demo`.
type demoCommand struct {
	Address  string        `name:"web.listen-address" default:"127.0.0.1:10777" placeholder:"HOST:PORT" help:"Where its agent answers. Default 127.0.0.1:10777."`
	NoAgent  bool          `help:"Start no agent: measure the demonstration with one of your own."`
	Duration time.Duration `placeholder:"TIME" help:"End by itself after this time. Default: never."`
}

// Help is shown by `fathom demo --help`, above the flags.
func (*demoCommand) Help() string {
	return `Three HTTP services and one of gRPC call each other, with known latencies and error rates: one of them has a single
thread and too much to do, and one link loses packets. The agent that runs beside them should report just what they
were told to do. Ctrl-C removes everything that the demonstration made.

It has to be run as root: it makes a network namespace, and attaches BPF programs.`
}

// Run is called by kong.
func (c *demoCommand) Run(ctx context.Context, out output) error {
	return demo.Run(ctx, demo.Options{
		NoAgent:  c.NoAgent,
		Address:  c.Address,
		Duration: c.Duration,
		Output:   out.stdout,
		Errors:   out.stderr,
	})
}

// serviceCommand is a process that the demonstration starts.
type serviceCommand struct{}

// Run is called by kong.
func (serviceCommand) Run(ctx context.Context, out output) error {
	return demo.Serve(ctx, os.Stdin, out.stdout)
}
