package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

func TestExplainLoad(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want error
		text string
	}{
		{"permission", fmt.Errorf("program x: %w", os.ErrPermission), ErrPermission, "not permitted"},
		{
			"the verifier says permission too", &ebpf.VerifierError{Cause: os.ErrPermission, Log: []string{"R1 invalid"}},
			ErrUnsupported, "R1 invalid",
		},
		{"something else", errors.New("first line\nsecond"), ErrUnsupported, "first line"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := explainLoad(test.err)
			if !errors.Is(got, test.want) || !strings.Contains(got.Error(), test.text) {
				t.Errorf("got %v", got)
			}
			if strings.Contains(got.Error(), "\n") {
				t.Errorf("more than a line: %q", got)
			}
		})
	}
}

func TestExplainAttach(t *testing.T) {
	tracefs := &fs.PathError{Op: "open", Path: "/sys/kernel/tracing/events/sock/sock_recv_length/id", Err: unix.EACCES}
	tests := []struct {
		name string
		err  error
		want error
		text string
	}{
		{"no trampolines on arm64", fmt.Errorf("create raw tracepoint: %w", link.ErrNotSupported), ErrUnsupported, "arm64 has them from Linux 6.4 on"},
		{"no tracepoint", fmt.Errorf("attach: %w", os.ErrNotExist), ErrUnsupported, "no such tracepoint or function"},
		{"arguments changed", fmt.Errorf("attach: %w", unix.EINVAL), ErrUnsupported, "other arguments"},
		{"file of tracefs", fmt.Errorf("attach: %w", tracefs), ErrPermission, "/events/sock/sock_recv_length/id"},
		{"perf event", fmt.Errorf("opening tracepoint perf event: %w", unix.EACCES), ErrPermission, "opening tracepoint perf event"},
		{"bpf()", fmt.Errorf("attach: %w", unix.EPERM), ErrPermission, "not permitted: "},
		{"something else", errors.New("first line\nsecond"), ErrUnsupported, "first line"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := explainAttach(test.err)
			if !errors.Is(got, test.want) || !strings.Contains(got.Error(), test.text) {
				t.Errorf("got %v", got)
			}
			if strings.Contains(got.Error(), "\n") {
				t.Errorf("more than a line: %q", got)
			}
		})
	}
}

func TestExplainSweep(t *testing.T) {
	err := explainSweep(fmt.Errorf("sweep: %w", ebpf.ErrNotSupported))
	if !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "Linux 5.10 can") {
		t.Errorf("got %v", err)
	}
	if explainSweep(nil) != nil {
		t.Error("an error out of nothing")
	}
}

func TestPermissionAdvice(t *testing.T) {
	for _, test := range []struct {
		missing []string
		want    string
	}{
		{[]string{"CAP_PERFMON"}, "missing CAP_PERFMON: run as root"},
		{[]string{"CAP_BPF", "CAP_PERFMON"}, "missing CAP_BPF and CAP_PERFMON: run as root"},
	} {
		if got := permissionAdvice(test.missing); !strings.HasPrefix(got, test.want) {
			t.Errorf("missing %v: %q", test.missing, got)
		}
	}
	if got := permissionAdvice(nil); got == "" || strings.Contains(got, "missing CAP") {
		t.Errorf("nothing missing: %q", got)
	}
}
