package history

import (
	"math/rand/v2"
	"runtime"
	"testing"
	"time"
)

// TestMemory measures the heap that a full history of 200 busy workloads takes: each serves 20 requests/s with four statuses, makes 16,
// and has three peers. The target is 5 MB.
func TestMemory(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector takes memory itself; scripts/test.sh runs this without it")
	}
	const target = 5 << 20
	random := rand.New(rand.NewPCG(1, 2))
	h := newHost(t, nil)
	h.busy(random)
	h.next(Interval)
	past := h.History
	for range int(Span / Interval) {
		h.busy(random)
		h.next(Interval)
	}
	with := heap()
	room := past.room()
	frames := past.bytes
	*past = History{}
	took := int(with) - int(heap())
	t.Logf("%d workloads: %.2f MB of heap, of which %.2f MB are the samples of %.0f s", busyWorkloads, float64(took)/(1<<20), float64(frames)/(1<<20), room.Seconds)
	if took > target {
		t.Errorf("the history takes %d bytes, more than %d", took, target)
	}
	if room.Shortened || room.Seconds < Span.Seconds()-2*Interval.Seconds() {
		t.Errorf("it reaches back %.0f s only", room.Seconds)
	}
	runtime.KeepAlive(h)
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkSample measures what a sample of 200 busy workloads takes, the kernel side's part left out.
func BenchmarkSample(b *testing.B) {
	random := rand.New(rand.NewPCG(1, 2))
	h := newHost(b, nil)
	h.busy(random)
	h.next(Interval)
	for b.Loop() {
		b.StopTimer()
		h.busy(random)
		b.StartTimer()
		h.next(Interval)
	}
}

// BenchmarkOverview measures the answer about 200 busy workloads.
func BenchmarkOverview(b *testing.B) {
	random := rand.New(rand.NewPCG(1, 2))
	h := newHost(b, nil)
	for range int(Span / Interval) {
		h.busy(random)
		h.next(Interval)
	}
	for _, window := range []time.Duration{time.Minute, Span} {
		b.Run(window.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _, err := h.answer("", func() (any, error) { return h.overview(window), nil })
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
