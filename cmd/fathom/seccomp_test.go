package main

import (
	"bytes"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fathomhq/fathom/internal/doctor"
	"github.com/fathomhq/fathom/internal/requirements"
	"github.com/fathomhq/fathom/test/seccomp"
)

// underFilter runs this program with a filter that answers an error to a system call, and returns what it says and its exit status.
func underFilter(t *testing.T, call uint32, answer unix.Errno, asUserWith []requirements.Capability, args ...string) (string, int) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), helperEnv+"=1")
	if asUserWith != nil {
		cmd.SysProcAttr = asUser(asUserWith...)
	}
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := seccomp.Start(cmd, map[uint32]unix.Errno{call: answer}); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // the status says it
	// Lines are broken for people.
	return strings.Join(strings.Fields(output.String()), " "), cmd.ProcessState.ExitCode()
}

func mustSay(t *testing.T, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in: %s", want, text)
		}
	}
}

const allowBPF = "take a seccomp profile that allows bpf, and perf_event_open where taps are attached through perf (Kubernetes: seccompProfile of the pod;"

// A filter that refuses bpf is told from an old kernel and from capabilities that are missing.
func TestDoctorUnderSeccompOfBPF(t *testing.T) {
	small := []requirements.Capability{requirements.Named("CAP_BPF"), requirements.Named("CAP_PERFMON")}
	for _, answer := range []unix.Errno{unix.EPERM, unix.ENOSYS} {
		for name, capabilities := range map[string][]requirements.Capability{"root": nil, "a user": small} {
			name += ", " + unix.ErrnoName(answer)
			text, status := underFilter(t, unix.SYS_BPF, answer, capabilities, "doctor")
			if status != exitFails {
				t.Errorf("%s: exit status %d", name, status)
			}
			mustSay(
				t, text, "FAILS seccomp filter in force, answers "+unix.ErrnoName(answer)+" to bpf -> Take a seccomp profile",
				"Cannot run: load BPF programs: not permitted: a seccomp filter answers "+unix.ErrnoName(answer)+" to bpf: "+allowBPF,
			)
			if strings.Contains(text, "missing CAP_") || strings.Contains(text, "not supported") {
				t.Errorf("%s: %s", name, text)
			}
		}
	}
	text, status := underFilter(t, unix.SYS_BPF, unix.ENOSYS, []requirements.Capability{}, "doctor")
	if status != exitFails {
		t.Errorf("exit status %d", status)
	}
	mustSay(t, text, "missing CAP_BPF and CAP_PERFMON: run as root, or give them to the process; and a seccomp filter answers ENOSYS to bpf: ")
	// EPERM may come from the kernel, too.
	text, _ = underFilter(t, unix.SYS_BPF, unix.EPERM, []requirements.Capability{}, "doctor")
	mustSay(t, text, "ok seccomp filter in force", "not permitted: missing CAP_BPF and CAP_PERFMON")
}

// The agent says the same.
func TestNotPermittedBySeccomp(t *testing.T) {
	text, status := underFilter(t, unix.SYS_BPF, unix.ENOSYS, nil, "agent", "--web.listen-address=127.0.0.1:0")
	if status == 0 {
		t.Errorf("exit status %d", status)
	}
	mustSay(t, text, "not permitted: a seccomp filter answers ENOSYS to bpf: "+allowBPF)
}

func usesPerf(taps []doctor.Tap) bool {
	return slices.ContainsFunc(taps, func(t doctor.Tap) bool {
		return slices.ContainsFunc(t.Hooks, func(hook string) bool {
			return strings.HasPrefix(hook, "perf ") || strings.HasPrefix(hook, "kprobe ") || strings.HasPrefix(hook, "kretprobe ")
		})
	})
}

// What is attached otherwise works without perf_event_open, and what is not is a gap.
func TestDoctorUnderSeccompOfPerfEvents(t *testing.T) {
	report, allowed := examine(t, nil)
	byKprobe, _ := examine(t, nil, "--attach-mode=kprobe")
	for i, answer := range []unix.Errno{unix.EPERM, unix.ENOSYS} {
		if i > 0 && os.Getenv("FATHOM_GUEST") != "" {
			break // all takes minutes there
		}
		want := allowed
		text, status := underFilter(t, unix.SYS_PERF_EVENT_OPEN, answer, nil, "doctor")
		if usesPerf(report.Taps) {
			mustSay(t, text, "GAP seccomp filter in force, answers "+unix.ErrnoName(answer)+" to perf_event_open -> Take a seccomp profile that allows perf_event_open (")
			want = exitGaps
		} else {
			mustSay(t, text, "ok seccomp filter in force", report.Summary)
		}
		if status != want {
			t.Errorf("exit status %d, want %d: %s", status, want, text)
		}
		if !usesPerf(byKprobe.Taps) {
			continue // a kernel without kprobes
		}
		text, status = underFilter(t, unix.SYS_PERF_EVENT_OPEN, answer, nil, "doctor", "--attach-mode=kprobe")
		if status != exitGaps {
			t.Errorf("exit status %d: %s", status, text)
		}
		mustSay(
			t, text, "GAP seccomp filter in force, answers "+unix.ErrnoName(answer)+" to perf_event_open -> Take a seccomp profile that allows perf_event_open (",
			"SystemCallFilter=). No HTTP metrics.", "not permitted: a seccomp filter answers "+unix.ErrnoName(answer)+" to perf_event_open: ",
			"Works with gaps (no tap data_arrived, ", "seccomp filter in force, answers "+unix.ErrnoName(answer)+" to perf_event_open): ",
		)
	}
}
