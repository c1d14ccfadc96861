package kernel

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/fathomhq/fathom/internal/privileges"
)

// FilteredError says that a seccomp filter keeps a system call from the kernel.
type FilteredError struct {
	Call   string     // "bpf" or "perf_event_open"
	Answer unix.Errno // what the filter answers
}

func (e *FilteredError) Error() string { return e.What() + ": " + e.Advice() }

// What says what the filter does.
func (e *FilteredError) What() string {
	return fmt.Sprintf("a seccomp filter answers %s to %s", unix.ErrnoName(e.Answer), e.Call)
}

// Advice says what to do.
func (e *FilteredError) Advice() string {
	allows := e.Call
	if e.Call == bpfCall.name {
		allows += ", and " + perfCall.name + " where taps are attached through perf"
	}
	return "take a seccomp profile that allows " + allows +
		" (Kubernetes: seccompProfile of the pod; Docker: --security-opt seccomp=FILE; systemd: SystemCallFilter=)"
}

// systemCall is one that profiles of container runtimes forbid, or allow with some capabilities only.
type systemCall struct {
	name string
	// ask makes the call with arguments that no kernel accepts.
	ask func() unix.Errno
}

var (
	// A command that does not exist: EINVAL, or EPERM to a process that lacks CAP_BPF (__sys_bpf() of kernel/bpf/syscall.c).
	bpfCall = systemCall{"bpf", func() unix.Errno {
		_, _, errno := unix.Syscall(unix.SYS_BPF, 0x7fff, 0, 0)
		return errno
	}}
	// Flags that do not exist: EINVAL, before anything else is looked at (perf_event_open() of kernel/events/core.c).
	perfCall = systemCall{"perf_event_open", func() unix.Errno {
		_, _, errno := unix.Syscall6(unix.SYS_PERF_EVENT_OPEN, 0, 0, ^uintptr(0), ^uintptr(0), ^uintptr(0), 0)
		return errno
	}}
)

// filterOf returns the seccomp filter's part in the failure of a system call; nil: it has none, as far as can be found out. Filters go
// by the number of a call, most of them, so that they answer what they have answered to a call that the kernel would refuse for its
// arguments. The call must have been made before: there are filters that kill.
func filterOf(call systemCall, err error) *FilteredError {
	if !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EACCES) && !errors.Is(err, unix.ENOSYS) || !filterInForce() {
		return nil
	}
	answer := call.ask()
	if answer == 0 || !errors.Is(err, answer) {
		return nil // it comes from the kernel
	}
	if answer == unix.EPERM && call.name == bpfCall.name && missing("CAP_BPF") != nil {
		return nil // it may
	}
	return &FilteredError{Call: call.name, Answer: answer}
}

func filterInForce() bool { return privileges.Filtered(os.DirFS("/")) }

// perfError is an error of attaching through perf.
type perfError struct{ error }

func (e perfError) Unwrap() error { return e.error }

// filtersOf returns the seccomp filters' parts in errors, one for each system call.
func filtersOf(errs ...error) (found []*FilteredError) {
	seen := make(map[string]bool)
	for _, err := range errs {
		if f, ok := errors.AsType[*FilteredError](err); ok && !seen[f.Call] {
			seen[f.Call] = true
			found = append(found, f)
		}
	}
	return found
}
