package privileges

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/fathomhq/fathom/internal/requirements"
)

var bpf, perfmon, admin = requirements.Named("CAP_BPF"), requirements.Named("CAP_PERFMON"), requirements.Named("CAP_SYS_ADMIN")

func TestSet(t *testing.T) {
	s := Of(bpf, admin)
	if !s.Has(bpf) || s.Has(perfmon) || !s.Serves(perfmon) || Of(bpf).Serves(perfmon) {
		t.Errorf("set %x", s)
	}
}

// lines returns a line of /proc/self/status of each thread, without repetitions.
func lines(t *testing.T, name string) map[string]bool {
	t.Helper()
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]bool)
	for _, thread := range threads {
		status, err := os.ReadFile("/proc/self/task/" + thread.Name() + "/status")
		if err != nil {
			continue // it has ended
		}
		for line := range strings.Lines(string(status)) {
			if value, ok := strings.CutPrefix(line, name+":"); ok {
				found[strings.TrimSpace(value)] = true
			}
		}
	}
	return found
}

// In a process of its own, since nothing brings capabilities back.
func TestGiveUp(t *testing.T) {
	const child = "FATHOM_TEST_GIVE_UP"
	if os.Geteuid() != 0 {
		t.Skip("needs capabilities to give up")
	}
	if os.Getenv(child) == "" {
		cmd := exec.Command("/proc/self/exe", "-test.run=^TestGiveUp$", "-test.v")
		cmd.Env = append(os.Environ(), child+"=1")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	for range 4 { // threads that wait in system calls
		go func() {
			runtime.LockOSThread()
			r, _, err := os.Pipe()
			if err == nil {
				_, _ = r.Read(make([]byte, 1))
			}
		}()
	}
	effective := func() Set {
		s, err := Effective()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	before := effective()
	failure := errors.New("does not work without")
	err := GiveUp([]requirements.Capability{bpf}, func() error {
		if got := effective(); got != Of(bpf) {
			t.Errorf("tried with %x, want %x", got, Of(bpf))
		}
		return failure
	})
	if !errors.Is(err, failure) || effective() != before {
		t.Errorf("after a failure (%v) %x is left, want %x", err, effective(), before)
	}
	if err := GiveUp([]requirements.Capability{bpf, {Name: "CAP_OF_THE_FUTURE", Number: 62}}, func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"CapEff": "0000008000000000", "CapPrm": "0000008000000000", "CapInh": "0000000000000000",
		"CapAmb": "0000000000000000", "CapBnd": "0000000000000000", "NoNewPrivs": "1",
	} {
		if got := lines(t, name); len(got) != 1 || !got[want] {
			t.Errorf("%s of the threads: %v, want %s", name, got, want)
		}
	}
	// What it starts gains nothing, though it is root's.
	out, err := exec.Command("/proc/self/exe", "-test.run=^TestNothingGained$", "-test.v").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "effective: 0") {
		t.Errorf("a child process: %v\n%s", err, out)
	}
	if err := GiveUp(nil, func() error { return nil }); err != nil || effective() != 0 {
		t.Errorf("a second time: %v, %x is left", err, effective())
	}
}

func TestNothingGained(t *testing.T) {
	s, err := Effective()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("effective: %x", s)
}
