// Command init is the first process of a guest: see package wire for what it is told and what it
// tells. It mounts what a test may want to see, loads modules, runs the tasks of its plan and
// powers the guest off. What goes wrong with the guest itself is written to the console.
package main

import (
	"fmt"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"

	"github.com/fathomhq/fathom/test/guests/wire"
)

// asWorker is the argument with which init starts the process that runs the tasks.
const asWorker = "worker"

func main() {
	if len(os.Args) > 1 && os.Args[1] == asWorker && os.Getppid() == 1 {
		if err := work(); err != nil {
			fmt.Fprintln(os.Stderr, "init:", err)
			os.Exit(1)
		}
		return
	}
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "init: I am made to be the first process of a guest")
		os.Exit(2)
	}
	if err := boot(); err != nil {
		fmt.Fprintln(os.Stderr, "init:", err)
	}
	unix.Sync()
	fmt.Fprintln(os.Stderr, "init:", unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART)) // QEMU ends, too
}

// boot prepares the guest and lets the worker carry out the plan.
func boot() error {
	if err := mountAll(); err != nil {
		return err
	}
	worker := exec.Command(wire.Init, asWorker) //nolint:noctx // the guest ends with it
	worker.Stdin, worker.Stdout, worker.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := worker.Start(); err != nil {
		return fmt.Errorf("start the worker: %w", err)
	}
	return reap(worker.Process.Pid)
}

// reap waits until the process has ended, and for every orphan that ends before. That is why the
// worker is another process: nothing here waits for a task, so no child is reaped twice.
func reap(pid int) error {
	for {
		var status unix.WaitStatus
		ended, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return fmt.Errorf("wait for processes: %w", err)
		case ended == pid && status.ExitStatus() != 0:
			return fmt.Errorf("the worker ended with %#x", status)
		case ended == pid:
			return nil
		}
	}
}
