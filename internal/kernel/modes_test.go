package kernel

import (
	"errors"
	"os"
	"testing"
	"time"
)

// Every mode that this kernel has counts the same; where it has none, the error says what is missing.
func TestModes(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	for _, mode := range Modes() {
		t.Run(string(mode), func(t *testing.T) {
			k, err := Open(t.Context(), Options{SettleAfter: settleAfter, Mode: mode})
			if err != nil {
				t.Fatal(err)
			}
			defer k.Close()
			for _, tap := range k.Taps() {
				t.Logf("%s: %s %q %q %v", tap.Name, tap.Mode, tap.Hooks, tap.Passed, tap.Err)
			}
			if k.tap("data_read").way == nil {
				if mode == ModeAuto {
					t.Fatal("no way to see data")
				}
				if err := k.tap("data_read").err; !errors.Is(err, ErrUnsupported) && !errors.Is(err, ErrPermission) {
					t.Errorf("not explained: %v", err)
				}
				t.Skipf("this kernel has no mode %s", mode)
			}
			defer func() {
				s, err := k.Snapshot()
				if err != nil {
					t.Fatal(err)
				}
				for _, l := range s.Lost {
					if l.Count != 0 {
						t.Logf("lost %s %d", l.Reason, l.Count)
					}
				}
				for _, l := range s.LostBytes {
					if l.Bytes != 0 {
						t.Logf("lost %s bytes %s %d", l.Direction, l.Reason, l.Bytes)
					}
				}
				for _, p := range s.Programs {
					if p.Missed != 0 {
						t.Logf("%s missed %d", p.Name, p.Missed)
					}
				}
			}()
			const requests = 300
			request(t, requests)
			var served uint64
			for range 100 {
				if _, served = me(t, k); served == requests {
					return
				}
				time.Sleep(settleAfter)
			}
			// Where tasks are preempted, only auto takes what loses nothing: the others have to say what they miss.
			if missed := missedRuns(t, k); mode == ModeAuto || served+missed < requests || served > requests {
				t.Errorf("served %d requests, want %d, and %d runs were missed", served, requests, missed)
			}
		})
	}
}

// missedRuns returns how many runs the kernel skipped, as it counts them.
func missedRuns(t *testing.T, k *Kernel) (missed uint64) {
	t.Helper()
	s, err := k.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range s.Programs {
		missed += p.Missed
	}
	return missed
}
