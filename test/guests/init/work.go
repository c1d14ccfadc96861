package main

import (
	"archive/tar"
	"encoding/gob"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/fathomhq/fathom/test/guests/wire"
)

// work carries out the plan.
func work() error {
	plan, err := readPlan()
	if err != nil {
		return fmt.Errorf("read the plan: %w", err)
	}
	host, err := openPort(plan.Port)
	if err != nil {
		return fmt.Errorf("open the port to the host: %w", err)
	}
	if err := prepare(plan.Time, plan.Modules); err != nil {
		return err
	}
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return fmt.Errorf("ask for the kernel's release: %w", err)
	}
	host.tell(wire.Message{Kind: wire.Ready, Data: []byte(unix.ByteSliceToString(name.Release[:]))})
	for i, t := range plan.Tasks {
		status := run(t, writer(func(p []byte) { host.tell(wire.Message{Kind: wire.Output, Task: i, Data: p}) }))
		host.tell(wire.Message{Kind: wire.Exit, Task: i, Exit: status})
	}
	if plan.Archive {
		if err := archive(host, wire.Out); err != nil {
			return fmt.Errorf("send %s: %w", wire.Out, err)
		}
	}
	if err := tellLog(host); err != nil {
		return fmt.Errorf("send the kernel's messages: %w", err)
	}
	host.tell(wire.Message{Kind: wire.End})
	return host.drain()
}

func readPlan() (p wire.Plan, err error) {
	f, err := os.Open(wire.PlanFile)
	if err != nil {
		return p, err
	}
	defer f.Close()
	err = gob.NewDecoder(f).Decode(&p)
	return p, err
}

// archive sends a tar of the folder.
func archive(host *port, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	w := tar.NewWriter(writer(func(p []byte) { host.tell(wire.Message{Kind: wire.Archive, Data: p}) }))
	if err := w.AddFS(os.DirFS(dir)); err != nil {
		return err
	}
	return w.Close()
}

// tellLog sends the kernel's messages, of which the console shows errors only.
func tellLog(host *port) error {
	size, err := unix.Klogctl(unix.SYSLOG_ACTION_SIZE_BUFFER, nil)
	if err != nil {
		return err
	}
	b := make([]byte, size)
	n, err := unix.Klogctl(unix.SYSLOG_ACTION_READ_ALL, b)
	if err != nil {
		return err
	}
	// The tty adds nothing: these are the kernel's own lines.
	host.tell(wire.Message{Kind: wire.Log, Data: []byte(strings.ToValidUTF8(string(b[:n]), "?"))})
	return nil
}
