// Command runcwrap stands before runc in the cluster of test/nodes. It changes what a container is asked to be, and then
// becomes runc. Environment:
//
//	RUNCWRAP_RUNC        where runc is
//	RUNCWRAP_LAYOUT      systemd: put the container where the cgroup driver of that name would
//	RUNCWRAP_NO_LIMITS   if set, ask for no limits: the controllers of cgroup v2 are not available
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "runcwrap:", err)
		os.Exit(1)
	}
}

// run becomes runc, if it returns no error.
func run(args []string) error {
	noLimits := os.Getenv("RUNCWRAP_NO_LIMITS") != ""
	if noLimits && slices.Contains(args, "update") {
		return nil // of limits
	}
	if bundle := bundleOf(args); bundle != "" {
		c := change{systemd: os.Getenv("RUNCWRAP_LAYOUT") == "systemd", noLimits: noLimits}
		if err := c.file(filepath.Join(bundle, "config.json")); err != nil {
			return err
		}
	}
	runc := os.Getenv("RUNCWRAP_RUNC")
	if err := syscall.Exec(runc, append([]string{runc}, args...), os.Environ()); err != nil {
		return fmt.Errorf("run %s: %w", runc, err)
	}
	return nil
}

// bundleOf returns the folder of the container that runc is asked to make, or "".
func bundleOf(args []string) string {
	i := slices.Index(args, "--bundle")
	if !slices.Contains(args, "create") || i < 0 || i+1 >= len(args) {
		return ""
	}
	return args[i+1]
}
