package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
)

// Set by the linker (-X main.version=...), as the Makefile does.
var (
	version string
	commit  string
)

// build says what this program was made from.
type build struct {
	version, commit string
}

// readVersion prefers what the linker set to what the Go toolchain recorded.
func readVersion() build {
	b := build{version: version, commit: commit}
	if info, ok := debug.ReadBuildInfo(); ok {
		b.version = cmp.Or(b.version, info.Main.Version)
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				b.commit = cmp.Or(b.commit, s.Value)
			}
		}
	}
	return build{version: cmp.Or(b.version, "(devel)"), commit: cmp.Or(b.commit, "unknown")}
}

type versionCommand struct{}

// Run is called by kong.
func (versionCommand) Run(out output) error {
	b := readVersion()
	_, err := fmt.Fprintf(out.stdout, "fathom %s\ncommit %s\n%s %s/%s\n",
		b.version, b.commit, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
