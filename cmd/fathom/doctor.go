package main

import (
	"context"

	"github.com/fathomhq/fathom/internal/agent"
	"github.com/fathomhq/fathom/internal/config"
	"github.com/fathomhq/fathom/internal/doctor"
)

// The exit statuses of `fathom doctor`; 0: all works.
const (
	exitGaps  = 1 // the agent can run, and something is missing
	exitFails = 2 // the agent cannot run
)

// doctorCommand takes the agent's settings, to look at what the agent would do.
type doctorCommand struct {
	JSON bool `name:"json" help:"Print JSON, for programs."`
	PID  int  `name:"pid" placeholder:"N" help:"Say whether the TLS of this process would be read, and what its libraries are, instead."`

	config.Agent
}

// Help is shown by `fathom doctor --help`, above the flags.
func (*doctorCommand) Help() string {
	return `Says what works on this host: it loads and attaches what an agent with the same settings would, detaches it
again at once, and prints how each tap is attached, which capabilities are held, needed and missing, which
properties of the host matter, and what is lost by what is missing. It counts nothing and changes nothing.

Run it as the user that the agent runs as: root's answer is not that of a service with few capabilities.

Examples:

    sudo fathom doctor
    fathom doctor --json | jq .summary
    fathom doctor --attach-mode=trampoline
    sudo fathom doctor --tls              whether HTTPS can be read on this host
    sudo fathom doctor --pid 4711         whether that of a process would be

With --pid it looks at one process and attaches nothing.

Exit status: 0 if all works (the TLS of the process would be read), 1 if the agent works with gaps, 2 if it cannot run (or the command line or the
configuration is wrong).`
}

// Run is called by kong.
func (c *doctorCommand) Run(ctx context.Context, out output) error {
	if c.PID != 0 {
		return c.process(out)
	}
	report, err := doctor.Examine(ctx, agent.KernelOptions(c.Agent, c.Logger(out.stderr)), c.CgroupRoot)
	if err != nil {
		return err
	}
	v := readVersion()
	report.Version, report.Commit = v.version, v.commit
	write := report.WriteText
	if c.JSON {
		write = report.WriteJSON
	}
	if err := write(out.stdout); err != nil {
		return err
	}
	return statusOf(report.Status)
}

// process reports on one process.
func (c *doctorCommand) process(out output) error {
	report, err := doctor.ExamineProcess("/proc", c.PID)
	if err != nil {
		return err
	}
	write := report.WriteText
	if c.JSON {
		write = report.WriteJSON
	}
	if err := write(out.stdout); err != nil {
		return err
	}
	return statusOf(report.Status)
}

func statusOf(s doctor.Status) error {
	switch s {
	case doctor.Gap:
		return statusError(exitGaps)
	case doctor.Fails:
		return statusError(exitFails)
	}
	return nil
}
