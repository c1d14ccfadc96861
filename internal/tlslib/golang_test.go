package tlslib

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unsafe"
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
				if f.Role.Returns() && len(f.Exits) == 0 {
					t.Errorf("%s has no exits", f.Symbol)
				}
			}
			if l.TCPRead == 0 {
				t.Error("net.TCPConn reads nowhere")
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

// TestGoSocket reads a session's socket in memory as go_socket() of bpf/tls/go.h does, in this test's own program: this toolchain
// keeps it there, and the function that tells is the one that was found.
func TestGoSocket(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	session := tls.Client(conn, &tls.Config{ServerName: "fathom"})
	type pair struct{ itab, data unsafe.Pointer }
	field := (*pair)(unsafe.Pointer(session))
	reads := *(*uintptr)(unsafe.Add(field.itab, 24+2*8))
	descriptor := *(*unsafe.Pointer)(field.data)
	number := func() int { return int(*(*uint32)(unsafe.Add(descriptor, 16))) }
	closed := func() bool { return *(*uint64)(descriptor)&1 != 0 }

	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	l := library(t, program, Go)
	tlsRead := reflect.ValueOf((*tls.Conn).Read).Pointer()
	if got := l.ByRole(RoleRead)[0].Address + uint64(reads-tlsRead); got != l.TCPRead {
		t.Errorf("a net.TCPConn reads at %#x, found %#x", got, l.TCPRead)
	}
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) {
		if number() != int(fd) {
			t.Errorf("descriptor %d, found %d", fd, number())
		}
	}); err != nil {
		t.Fatal(err)
	}
	if closed() {
		t.Error("it is open, and found closed")
	}
	session.NetConn().Close()
	if !closed() || number() != -1&0xffffffff {
		t.Errorf("it is closed: found %v, descriptor %d", closed(), number())
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
