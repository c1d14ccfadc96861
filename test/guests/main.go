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

// Exit statuses, besides those of a command that ran in a guest.
const (
	statusFailed  = 1
	statusUsage   = 2
	statusTimeout = 124
	statusBroken  = 125 // the guest did, or what makes it
)

func main() {
	os.Exit(command(os.Args[1:]))
}

// command returns the exit status.
func command(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	context.AfterFunc(ctx, stop) // the next signal ends the process at once, and QEMU with it

	f, failed := runMatrix, statusFailed
	if len(args) > 0 && args[0] == "run" {
		f, failed, args = runOne, statusBroken, args[1:]
	}
	status, err := f(ctx, args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return statusUsage
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "guests: interrupted")
		return failed
	case errors.Is(err, context.DeadlineExceeded):
		fmt.Fprintln(os.Stderr, "guests:", err)
		return statusTimeout
	case err != nil:
		fmt.Fprintln(os.Stderr, "guests:", err)
		return failed
	}
	return status
}
