package integration

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"

	"github.com/cilium/ebpf"
)

// TestMapsInUse makes requests while a program reads a BPF map through system calls all the time, as agents of networks do
// now and then. On a CPU whose task was preempted in one of those, the kernel skips what is attached through perf
// (bpf_disable_instrumentation(), trace_call_bpf()): 61 % of the exchanges here, were nothing else attached.
func TestMapsInUse(t *testing.T) {
	f := share(t, settleAfter)
	readMaps(t)
	n := 20_000
	if testing.Short() {
		n = 4000
	}
	if f.release.before(7, 0) {
		equals(t, f, LoadCall{Addr: serveGo(t), Requests: n, Connections: 16}, bothEnds)
		return
	}
	// What runs in the stead of those programs can be preempted itself.
	client := start(t, clientName, nil)
	before := f.count()
	want := bothEnds(client.get(LoadCall{Addr: serveGo(t), Requests: n, Connections: 16}).Counts)
	client.stop()
	f.rest()
	got := f.count().sub(before)
	short := missing(want, got)
	t.Logf("%d of %d exchanges are missing", short, 2*n)
	if limit := uint64(2 * n / 10); short > limit {
		t.Errorf("%d exchanges are missing; at most %d may be", short, limit)
	}
	if short > 0 && got["lost gap"] == 0 {
		t.Errorf("%d exchanges are missing, and no gap was counted", short)
	}
	if n, wrong := tooMany(want, got); n > short {
		t.Error(wrong)
	}
}

// readMaps reads a large map over and over again on every CPU until the test ends.
func readMaps(t *testing.T) {
	t.Helper()
	const entries = 1 << 16
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Hash, KeySize: 4, ValueSize: 8, MaxEntries: entries})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var readers sync.WaitGroup
	for range runtime.NumCPU() {
		readers.Go(func() {
			keys, values := make([]uint32, entries), make([]uint64, entries)
			for ctx.Err() == nil {
				var cursor ebpf.MapBatchCursor
				if _, err := m.BatchLookup(&cursor, keys, values, nil); !errors.Is(err, ebpf.ErrKeyNotExist) {
					t.Errorf("read the map: %v", err)
					return
				}
			}
		})
	}
	t.Cleanup(func() {
		cancel()
		readers.Wait()
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
}
