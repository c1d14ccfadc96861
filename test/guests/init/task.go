package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fathomhq/fathom/test/guests/wire"
)

// lastWords is how long a task may take to end once its time is over: a Go program prints its
// goroutines first.
const lastWords = 20 * time.Second

// environment is what every task has.
var environment = []string{"PATH=" + wire.Work + ":/bin", "HOME=/root", "TMPDIR=/tmp", "LANG=C.UTF-8"}

// run runs the task to its end, and ends every process that it leaves: all processes that there are,
// so it must be called in a guest only.
func run(t wire.Task, output io.Writer) wire.Status {
	start := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), t.Limit)
	defer cancel()
	err := execute(ctx, t, output)
	return wire.Status{Code: code(err, output), TimedOut: ctx.Err() != nil, Elapsed: time.Since(start)}
}

func execute(ctx context.Context, t wire.Task, output io.Writer) error {
	for _, dir := range []string{t.Dir, t.Out} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	// One pipe, so that both streams stay in the order in which they were written.
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	cmd := exec.CommandContext(ctx, t.Args[0], t.Args[1:]...)
	cmd.Env = append(append([]string{}, environment...), t.Env...)
	cmd.Dir = t.Dir
	cmd.Stdout, cmd.Stderr = w, w
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGQUIT) }
	cmd.WaitDelay = lastWords
	err = cmd.Start()
	w.Close()
	if err != nil {
		return err
	}
	copied := make(chan error)
	go func() {
		_, err := io.Copy(output, r)
		copied <- err
	}()
	err = cmd.Wait()
	// All but the first process and this one; then nothing holds the pipe open.
	_ = unix.Kill(-1, unix.SIGKILL)
	return errors.Join(err, <-copied)
}

// code is the task's exit status as a shell tells it.
func code(err error, output io.Writer) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		if status := exit.Sys().(syscall.WaitStatus); status.Signaled() {
			return 128 + int(status.Signal())
		}
		return exit.ExitCode()
	}
	_, _ = fmt.Fprintln(output, "init:", err)
	return 127
}
