package integration

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fathomhq/fathom/internal/kernel"
)

// settleAfter is short, so that tests of paused streams need not wait long.
const settleAfter = 300 * time.Millisecond

// patience bounds how long a test waits for counts to become what they have to be.
const patience = 5 * time.Second

// fathom is the kernel side under test.
type fathom struct {
	t testing.TB
	k *kernel.Kernel
}

// load attaches Fathom until the test ends.
func load(t testing.TB, o kernel.Options) *fathom {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("loading BPF programs needs root")
	}
	if o.Mode == "" {
		o.Mode = kernel.Mode(os.Getenv("FATHOM_ATTACH_MODE"))
	}
	if o.SettleAfter == 0 {
		o.SettleAfter = settleAfter
	}
	k, err := kernel.Open(context.Background(), o)
	if err != nil {
		t.Fatalf("load: %+v", err)
	}
	t.Cleanup(func() {
		if err := k.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return &fathom{t: t, k: k}
}

func (f *fathom) snapshot() *kernel.Snapshot {
	s, err := f.k.Snapshot()
	if err != nil {
		f.t.Fatalf("snapshot: %v", err)
	}
	return s
}

func (f *fathom) count() tally { return count(f.snapshot()) }

// until takes snapshots until ok is satisfied with one, and reports whether it was.
func (f *fathom) until(ok func(*kernel.Snapshot) bool) bool {
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if ok(f.snapshot()) {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
	}
}

// match waits until what was counted since before, as far as watch lets it
// through, is what is wanted, and returns the difference that remains.
func (f *fathom) match(before, want tally, watch func(string) bool) string {
	var d string
	f.until(func(s *kernel.Snapshot) bool {
		got := tally{}
		for k, n := range count(s).sub(before) {
			if strings.HasPrefix(k, nobody) && want[k] == 0 {
				continue // any process of the host
			}
			if watch(k) {
				got[k] = n
			}
		}
		d = diff(want, got)
		return d == ""
	})
	return d
}

// strangers counts the exchanges of all other processes: losses are counted for the
// whole host, so that a test may fail for what others did.
func strangers(s *kernel.Snapshot) uint64 {
	var n uint64
	for _, h := range s.HTTP {
		if name := side(s.Workloads[h.Workload]); name != "server" && name != "client" {
			n += h.Duration.Count()
		}
	}
	return n
}

// exchanges lets through counts of exchanges only.
func exchanges(name string) bool {
	return (strings.HasPrefix(name, "server ") || strings.HasPrefix(name, "client ")) &&
		!strings.Contains(name, " class ") && !strings.Contains(name, " bytes ") && !strings.HasSuffix(name, " queued")
}

// exchangesAndLost lets through what has to be exact under load.
func exchangesAndLost(name string) bool { return exchanges(name) || strings.HasPrefix(name, "lost ") }

// coverage lets through exchanges, classes and losses.
func coverage(name string) bool { return exchangesAndLost(name) || strings.Contains(name, " class ") }
