// Fathom measures, from inside the Linux kernel, how long HTTP requests take and how
// healthy TCP is, for every workload on the node, and serves the result to Prometheus.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
	"k8s.io/klog/v2"

	"github.com/fathomhq/fathom/internal/agent"
	"github.com/fathomhq/fathom/internal/config"
	"github.com/fathomhq/fathom/internal/demo"
)

// Exit statuses.
const (
	exitFailure = 1 // it could not run, or not go on
	exitUsage   = 2 // the command line or the configuration is wrong
)

// cli is the command line.
type cli struct {
	Agent     agentCommand     `cmd:"" help:"Measure this host and serve the result to Prometheus."`
	Doctor    doctorCommand    `cmd:"" help:"Say what works on this host, what does not, and what that costs."`
	Directory directoryCommand `cmd:"" help:"Tell the agents of a Kubernetes cluster who has which address."`
	Top       topCommand       `cmd:"" help:"Show in the terminal what workloads do now."`
	Demo      demoCommand      `cmd:"" help:"Start a small demonstration: services, load, and an agent that measures them."`
	Version   versionCommand   `cmd:"" help:"Print the version."`
}

type agentCommand struct{ config.Agent }

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run parses the command line, runs the command and returns the exit status.
func run(args []string, stdout, stderr io.Writer) int {
	exit := -1 // set when help was asked for and printed
	var c cli
	parser, err := kong.New(&c, append(config.Options(),
		kong.Name("fathom"),
		kong.Description("HTTP latency and TCP health of every workload on a Linux host, counted in the kernel."),
		kong.Vars(topVars()),
		kong.DynamicCommand(demo.ServiceCommand, "A service of the demonstration.", "", new(serviceCommand), `hidden:""`),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.Writers(stdout, stderr),
		kong.Exit(func(status int) { exit = status }),
	)...)
	if err != nil {
		return fail(stderr, exitFailure, err)
	}
	command, err := parser.Parse(args)
	if exit >= 0 {
		return exit
	}
	if err != nil {
		return fail(stderr, exitUsage, fmt.Errorf("%w (%s)", err, advice(args)))
	}

	klog.SetSlogLogger(slog.New(slog.DiscardHandler)) // client-go's; what matters is in our own lines
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the next signal ends the process at once
	command.BindTo(ctx, (*context.Context)(nil))
	command.Bind(output{stdout, stderr})
	err = command.Run()
	if status, ok := errors.AsType[statusError](err); ok {
		return int(status)
	}
	if err != nil {
		return fail(stderr, exitFailure, err)
	}
	return 0
}

// statusError is the error of a command that has said all and ends with this status.
type statusError int

func (s statusError) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// output is where a command writes.
type output struct{ stdout, stderr io.Writer }

// Run is called by kong.
func (c *agentCommand) Run(ctx context.Context, out output) error {
	v := readVersion()
	log := c.Logger(out.stderr)
	err := agent.Run(ctx, agent.Options{
		Config: c.Agent, Version: v.version, Commit: v.commit, Logger: log,
	})
	if err != nil {
		// All that a verifier has to say, for those who asked for it.
		log.Debug("the agent ends", "error", fmt.Sprintf("%+v", err))
	}
	return err
}

// advice says where to read on after a mistake on the command line.
func advice(args []string) string {
	if len(args) > 0 && slices.Contains([]string{"agent", "directory", "doctor", "demo", "top"}, args[0]) {
		return "see fathom " + args[0] + " --help"
	}
	return "see fathom --help"
}

// fail prints err as one line and returns the exit status.
func fail(stderr io.Writer, status int, err error) int {
	text := strings.Join(strings.Fields(err.Error()), " ")
	_, _ = fmt.Fprintf(stderr, "fathom: %s\n", text)
	return status
}
