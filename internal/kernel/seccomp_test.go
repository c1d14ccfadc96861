package kernel

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/fathomhq/fathom/test/seccomp"
)

// underFilter runs the test of this name in a process of its own under a seccomp filter, and reports whether this is that process.
func underFilter(t *testing.T, call uint32, answer unix.Errno) bool {
	t.Helper()
	const child = "FATHOM_TEST_UNDER_FILTER"
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	if os.Getenv(child) != "" {
		return true
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$", "-test.v")
	cmd.Env = append(os.Environ(), child+"=1")
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	answers := map[uint32]unix.Errno{}
	if answer != 0 {
		answers[call] = answer
	}
	if err := seccomp.Start(cmd, answers); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil || !strings.Contains(output.String(), "--- PASS") {
		t.Errorf("%v\n%s", err, &output)
	}
	return false
}

// mustName fails unless the error says what a filter answers to a call.
func mustName(t *testing.T, err error, call string, answer unix.Errno) {
	t.Helper()
	f, ok := errors.AsType[*FilteredError](err)
	if !ok || f.Call != call || f.Answer != answer || !errors.Is(err, ErrPermission) {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{"a seccomp filter answers " + unix.ErrnoName(answer) + " to " + call + ": ", "seccompProfile"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %q", want, err)
		}
	}
	if strings.Contains(err.Error(), "missing") || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %q", err)
	}
}

func TestFilterOfBPF(t *testing.T) {
	for _, answer := range []unix.Errno{unix.EPERM, unix.EACCES, unix.ENOSYS} {
		t.Run(unix.ErrnoName(answer), func(t *testing.T) {
			if !underFilter(t, unix.SYS_BPF, answer) {
				return
			}
			_, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1})
			mustName(t, explainLoad(err), "bpf", answer)
			_, err = Try(t.Context(), Options{})
			mustName(t, err, "bpf", answer)
		})
	}
}

// The probes of a library are perf events where there are no links of many.
func TestFilterOfPerfEvents(t *testing.T) {
	for _, answer := range []unix.Errno{unix.EPERM, unix.EACCES, unix.ENOSYS} {
		t.Run(unix.ErrnoName(answer), func(t *testing.T) {
			if !underFilter(t, unix.SYS_PERF_EVENT_OPEN, answer) {
				return
			}
			mustName(t, explainProbe(fmt.Errorf("attach: %w", perfError{attachUprobe(t)})), "perf_event_open", answer)
		})
	}
}

// A filter that lets calls through is not blamed for what the kernel says.
func TestFilterNotBlamed(t *testing.T) {
	if !underFilter(t, 0, 0) {
		return
	}
	if !filterInForce() {
		t.Fatal("no filter is in force")
	}
	for _, answer := range []unix.Errno{unix.EPERM, unix.EACCES, unix.ENOSYS} {
		for _, call := range []systemCall{bpfCall, perfCall} {
			if f := filterOf(call, answer); f != nil {
				t.Errorf("%s of %s: %v", answer, call.name, f)
			}
		}
	}
	const said = "no capability is missing: this kernel, a security module or the seccomp filter"
	if err := explainLoad(fmt.Errorf("map x: %w", unix.EPERM)); !strings.Contains(err.Error(), said) {
		t.Errorf("got %v", err)
	}
	if err := attachUprobe(t); err != nil {
		t.Errorf("got %v", err)
	}
}

// Without a filter nothing is said of one.
func TestNoFilter(t *testing.T) {
	if filterInForce() {
		t.Skip("these tests run under a seccomp filter")
	}
	for _, answer := range []unix.Errno{unix.EPERM, unix.EACCES, unix.ENOSYS} {
		for _, err := range []error{explainLoad(answer), explainAttach(answer), explainAttach(perfError{answer})} {
			if strings.Contains(err.Error(), "seccomp") {
				t.Errorf("%s: %v", answer, err)
			}
		}
	}
	if err := explainLoad(unix.ENOSYS); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "CONFIG_BPF_SYSCALL") {
		t.Errorf("got %v", err)
	}
}

func TestFiltersOf(t *testing.T) {
	bpf, perf := &FilteredError{"bpf", unix.EPERM}, &FilteredError{"perf_event_open", unix.ENOSYS}
	found := filtersOf(nil, fmt.Errorf("a: %w", perf), errors.New("b"), perf, fmt.Errorf("c: %w", bpf))
	if len(found) != 2 || found[0] != perf || found[1] != bpf {
		t.Errorf("got %v", found)
	}
}

// attachUprobe opens a perf event in this program, and closes it again.
func attachUprobe(t *testing.T) error {
	t.Helper()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.Kprobe, License: "GPL", Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	self, err := link.OpenExecutable("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	l, err := self.Uprobe("", p, &link.UprobeOptions{Address: offsetOf(t, attachUprobe)})
	if err != nil {
		return err
	}
	return l.Close()
}

// offsetOf returns where a function of this program begins in its file.
func offsetOf(t *testing.T, function any) uint64 {
	t.Helper()
	file, err := elf.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	at := uint64(reflect.ValueOf(function).Pointer())
	for _, p := range file.Progs {
		if p.Type == elf.PT_LOAD && p.Vaddr <= at && at-p.Vaddr < p.Filesz {
			return at - p.Vaddr + p.Off
		}
	}
	t.Fatal("this program is not where its file says")
	return 0
}
