package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// runEnv is `nodes env`.
func runEnv(_ context.Context, args []string) error {
	f, name := nameFlag("env")
	if err := parse(f, args, name, 0); err != nil {
		return err
	}
	c, err := load(*name)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return c.printEnv(os.Stdout, self)
}

// printEnv prints commands for a shell.
func (c *cluster) printEnv(w io.Writer, self string) error {
	for _, v := range []struct{ name, value, suffix string }{
		{"PATH", c.programs, `:"$PATH"`},
		{"KUBECONFIG", c.kubeconfigFile("admin"), ""},
		{"KUBECACHEDIR", c.path("kubectl"), ""}, // not for ever in ~/.kube
		{"FATHOM_APISERVER_SIGNAL", quote(self) + " signal -name " + c.Name, ""},
		{"FATHOM_NODES_LOGS", c.path("log"), ""},
		{"FATHOM_NODES_PODS", c.path("nodes", "*", "var/log/pods"), ""},
		{"FATHOM_NODES_DIRECTORY", c.network().directory().String(), ""},
	} {
		if _, err := fmt.Fprintf(w, "export %s=%s%s\n", v.name, quote(v.value), v.suffix); err != nil {
			return err
		}
	}
	return nil
}

// quote makes one word of a shell of any text.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// runSignal is `nodes signal`.
func runSignal(_ context.Context, args []string) error {
	f, name := nameFlag("signal")
	if err := parse(f, args, name, 1); err != nil {
		return err
	}
	number := unix.SignalNum("SIG" + strings.TrimPrefix(strings.ToUpper(f.Arg(0)), "SIG"))
	if number == 0 {
		return fmt.Errorf("there is no signal %q", f.Arg(0))
	}
	c, err := load(*name)
	if err != nil {
		return err
	}
	return c.signal("kube-apiserver", number)
}

// signal sends a signal to the cluster's processes of this name, which is up to 15 bytes long as in proc_pid_comm(5).
func (c *cluster) signal(process string, number syscall.Signal) error {
	sent := false
	for _, pid := range c.Hierarchies.processes(c.daemonsCgroup()) {
		comm, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "comm"))
		if err != nil || strings.TrimSpace(string(comm)) != process {
			continue
		}
		if err := syscall.Kill(pid, number); err != nil {
			return fmt.Errorf("send %s to %s: %w", number, process, err)
		}
		sent = true
	}
	if !sent {
		return errors.New(process + " does not run: see " + c.logFile(apiServer))
	}
	return nil
}
