package tlslib

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// goVariant is a way to build testdata/gotls.
type goVariant struct {
	toolchain string // "local" is the one that runs the tests
	arch      string
	mode      string // of -buildmode
	external  bool   // linked by gcc
	stripped  bool   // with -s -w, and without a build id
	long      bool   // only in long runs
}

var goVariants = []goVariant{
	{toolchain: "local", arch: "amd64", mode: "exe"},
	{toolchain: "local", arch: "amd64", mode: "pie", stripped: true},
	{toolchain: "local", arch: "amd64", mode: "exe", external: true, long: true},
	{toolchain: "local", arch: "amd64", mode: "pie", external: true, stripped: true},
	{toolchain: "local", arch: "arm64", mode: "exe"},
	{toolchain: "local", arch: "arm64", mode: "pie", stripped: true, long: true},
	{toolchain: "go1.22.12", arch: "amd64", mode: "exe", stripped: true},
	{toolchain: "go1.22.12", arch: "amd64", mode: "pie", stripped: true, long: true},
	{toolchain: "go1.22.12", arch: "amd64", mode: "pie", external: true, stripped: true, long: true},
	{toolchain: "go1.22.12", arch: "arm64", mode: "exe", stripped: true, long: true},
	{toolchain: "go1.18.10", arch: "amd64", mode: "exe", stripped: true, long: true},
	{toolchain: "go1.18.10", arch: "amd64", mode: "pie", long: true},
	{toolchain: "go1.23.12", arch: "amd64", mode: "exe", long: true},
	{toolchain: "go1.24.13", arch: "amd64", mode: "pie", long: true},
	{toolchain: "go1.25.9", arch: "amd64", mode: "pie", external: true, long: true},
	{toolchain: "go1.25.9", arch: "arm64", mode: "pie", stripped: true, long: true},
}

func (v goVariant) name() string {
	name := v.toolchain + " " + v.arch + " " + v.mode
	if v.external {
		name += " external"
	}
	if v.stripped {
		name += " stripped"
	}
	return name
}

// build returns the program's path.
func (v goVariant) build(t *testing.T) string {
	t.Helper()
	if v.long {
		long(t)
	}
	program := filepath.Join(t.TempDir(), "gotls")
	var flags []string
	cgo := "0"
	if v.external {
		need(t, "gcc")
		cgo = "1"
		flags = append(flags, "-linkmode=external")
	}
	if v.stripped {
		flags = append(flags, "-s", "-w", "-buildid=")
	}
	build := exec.Command("go", "build", "-trimpath", "-buildmode="+v.mode, "-ldflags="+strings.Join(flags, " "), "-o", program, ".")
	build.Dir = "testdata/gotls"
	build.Env = append(os.Environ(), "GOTOOLCHAIN="+v.toolchain, "GOARCH="+v.arch, "CGO_ENABLED="+cgo, "GOFLAGS=", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// TestGo holds what is found in programs of Go against Go's own symbols.
func TestGo(t *testing.T) {
	for _, variant := range goVariants {
		t.Run(variant.name(), func(t *testing.T) {
			l := library(t, variant.build(t), Go)
			if len(l.Functions) != 3 {
				t.Fatalf("%+v", l)
			}
			if version := strings.TrimPrefix(variant.toolchain, "local"); version != "" && l.Version != version {
				t.Errorf("version %q", l.Version)
			}
			for _, f := range l.Functions {
				if !f.Entry.Emulated || f.Uretprobe {
					t.Errorf("%s: %+v", f.Symbol, f)
				}
				if f.Role != RoleFree && len(f.Exits) == 0 {
					t.Errorf("%s has no exits", f.Symbol)
				}
			}
			if variant.arch == "arm64" {
				return // whose RET is emulated
			}
			for _, f := range l.Functions {
				if f.Entry.Offset-f.Offset > 16 {
					t.Errorf("%s: entry at +%d", f.Symbol, f.Entry.Offset-f.Offset)
				}
			}
		})
	}
}

// wantReason checks an error of Inspect or Explain.
func wantReason(t *testing.T, err error, reason Reason, library string) {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Reason != reason || e.Library != library {
		t.Errorf("%v, want %s of %q", err, reason, library)
	}
}
