package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

const usage = `usage: nodes up [FLAGS]        start nodes
       nodes down [FLAGS]      end them, and remove what they left
       nodes env [FLAGS]       print what a shell has to know: eval "$(nodes env)"
       nodes signal [FLAGS] S  send the API server a signal: STOP, CONT
FLAGS: see nodes up -help
`

// commands do what the first argument says, with those that follow it.
var commands = map[string]func(ctx context.Context, args []string) error{
	"up":     runUp,
	"down":   runDown,
	"env":    runEnv,
	"signal": runSignal,
	hold:     runHold,
}

func main() {
	os.Exit(command(os.Args[1:]))
}

// command returns the exit status.
func command(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	var run func(context.Context, []string) error
	if len(args) > 0 {
		run = commands[args[0]]
	}
	if run == nil {
		fmt.Fprint(os.Stderr, usage)
		return 2
	}
	err := run(ctx, args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 2
	case err != nil:
		fmt.Fprintf(os.Stderr, "nodes: %s: %v\n", args[0], err)
		return 1
	}
	return 0
}
