package metrics

import (
	"bytes"
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/internal/protocol"
)

func TestNativeBounds(t *testing.T) {
	b := NativeBounds()
	if len(b) != 201 || b[0] != 7629*time.Nanosecond || b[136] != time.Second || b[200] != 256*time.Second {
		t.Errorf("%d bounds, from %v over %v to %v", len(b), b[0], b[136], b[len(b)-1])
	}
}

func TestLayoutErrors(t *testing.T) {
	for _, tt := range []struct {
		name            string
		bounds, classic []time.Duration
		want            string
	}{
		{"none", nil, nil, "0, not ascending"},
		{"descending", []time.Duration{2, 1}, nil, "not ascending"},
		{"classic bound missing", NativeBounds(), []time.Duration{5 * ms}, "lack 5ms"},
	} {
		if _, err := newLayout(tt.bounds, tt.classic); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.want)
		}
	}
}

// scrapeHistogram returns what a scrape shows of one histogram of durations.
func scrapeHistogram(t *testing.T, h kernel.Histogram) *dto.Histogram {
	t.Helper()
	e := newExporter(t, &fakeSource{snapshot: kernel.Snapshot{
		Time:      start.Add(time.Minute),
		Workloads: map[kernel.WorkloadID]kernel.Workload{1: {ID: 1, Command: "a", OpenConnections: 1}},
		Exchanges: []kernel.ExchangeSeries{{Workload: 1, Role: kernel.RoleServer, Protocol: protocol.HTTP1, Operation: "GET", Status: 200, Duration: h}},
	}}, &fakeResolver{})
	m := gather(t, e)[requestsName+" workload=a workload_kind=unit method=GET status=200"]
	if m == nil {
		t.Fatal("no histogram")
	}
	return m.Histogram
}

// nativeCounts expands spans and deltas to counts by bucket index.
func nativeCounts(h *dto.Histogram) map[int]int64 {
	counts := make(map[int]int64)
	var index int
	var n int64
	deltas := h.PositiveDelta
	for _, s := range h.PositiveSpan {
		index += int(s.GetOffset())
		for range s.GetLength() {
			n += deltas[0]
			if n != 0 {
				counts[index] = n
			}
			deltas = deltas[1:]
			index++
		}
	}
	if len(deltas) != 0 {
		counts[math.MaxInt] = int64(len(deltas)) // more deltas than the spans hold
	}
	return counts
}

func TestHistogramForms(t *testing.T) {
	bound := func(i int) time.Duration { return NativeBounds()[i-nativeMin] }
	for _, tt := range []struct {
		name    string
		seen    []time.Duration
		classic []uint64 // of classicTest
		zero    uint64
		native  map[int]int64
	}{
		{"empty", nil, []uint64{0, 0, 0, 0, 0}, 0, map[int]int64{}},
		{"zero bucket", []time.Duration{0, 1, bound(nativeMin)}, []uint64{3, 3, 3, 3, 3}, 3, map[int]int64{}},
		{"first above it", []time.Duration{bound(nativeMin) + 1}, []uint64{1, 1, 1, 1, 1}, 0, map[int]int64{nativeMin + 1: 1}},
		{"on a bound", []time.Duration{time.Second}, []uint64{0, 0, 0, 1, 1}, 0, map[int]int64{0: 1}},
		{"just above", []time.Duration{time.Second + 1}, []uint64{0, 0, 0, 0, 1}, 0, map[int]int64{1: 1}},
		{"both sides of a classic bound", []time.Duration{5 * ms, 5*ms + 1}, []uint64{1, 2, 2, 2, 2}, 0, map[int]int64{-61: 2}},
		{"last", []time.Duration{256 * time.Second}, []uint64{0, 0, 0, 0, 0}, 0, map[int]int64{nativeMax: 1}},
		{"beyond", []time.Duration{256*time.Second + 1, time.Hour}, []uint64{0, 0, 0, 0, 0}, 0, map[int]int64{nativeMax + 1: 2}},
		{"gaps", []time.Duration{bound(-80), bound(-77), bound(-73), bound(-73)}, []uint64{4, 4, 4, 4, 4}, 0, map[int]int64{-80: 1, -77: 1, -73: 2}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := scrapeHistogram(t, durations(tt.seen...))
			var classic []uint64
			for i, b := range h.Bucket {
				classic = append(classic, b.GetCumulativeCount())
				if b.GetUpperBound() != classicTest[i].Seconds() {
					t.Errorf("le %v, want %v", b.GetUpperBound(), classicTest[i])
				}
			}
			if diff := cmp.Diff(tt.classic, classic); diff != "" {
				t.Errorf("classic:\n%s", diff)
			}
			if diff := cmp.Diff(tt.native, nativeCounts(h)); diff != "" || h.GetZeroCount() != tt.zero {
				t.Errorf("native: zero %d, want %d\n%s", h.GetZeroCount(), tt.zero, diff)
			}
			if h.GetSchema() != 3 || h.GetZeroThreshold() != math.Exp2(-17) || h.GetSampleCount() != uint64(len(tt.seen)) {
				t.Errorf("schema %d, zero threshold %g, count %d", h.GetSchema(), h.GetZeroThreshold(), h.GetSampleCount())
			}
		})
	}
}

// Observations of any size land where client_golang puts them, in both forms, and
// add up to the count.
func TestHistogramAsClientGolang(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var classic []float64
	for _, b := range classicTest {
		classic = append(classic, b.Seconds())
	}
	for range 20 {
		reference := prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "x", Buckets: classic, NativeHistogramBucketFactor: math.Exp2(1. / 8), NativeHistogramZeroThreshold: math.Exp2(-17),
		})
		var seen []time.Duration
		for range random.IntN(3000) {
			d := time.Duration(math.Exp2(random.Float64()*26-18) * 1e9)
			if _, rounded := slices.BinarySearch(NativeBounds(), d); rounded {
				continue // may be up to half a nanosecond on the other side
			}
			seen = append(seen, d)
			reference.Observe(d.Seconds())
		}
		var want dto.Metric
		if err := reference.Write(&want); err != nil {
			t.Fatal(err)
		}
		got := scrapeHistogram(t, durations(seen...))
		if diff := cmp.Diff(nativeCounts(want.Histogram), nativeCounts(got)); diff != "" {
			t.Fatalf("native:\n%s", diff)
		}
		sum := got.GetZeroCount()
		for _, n := range nativeCounts(got) {
			sum += uint64(n)
		}
		if sum != got.GetSampleCount() || got.GetSampleCount() != uint64(len(seen)) || got.GetZeroCount() != want.Histogram.GetZeroCount() {
			t.Fatalf("native sum %d, count %d, of %d", sum, got.GetSampleCount(), len(seen))
		}
		for i, b := range got.Bucket {
			if w := want.Histogram.Bucket[i]; b.GetCumulativeCount() != w.GetCumulativeCount() {
				t.Fatalf("le %g: %d, want %d", b.GetUpperBound(), b.GetCumulativeCount(), w.GetCumulativeCount())
			}
		}
		if math.Abs(got.GetSampleSum()-want.Histogram.GetSampleSum()) > 1e-6*want.Histogram.GetSampleSum() {
			t.Fatalf("sum %g, want %g", got.GetSampleSum(), want.Histogram.GetSampleSum())
		}
	}
}

// A source whose bounds lack one native bound gets classic buckets only, never
// wrong native ones.
func TestNoNativeWithoutAllBounds(t *testing.T) {
	bounds := union(classicTest, NativeBounds()[1:])
	e := newExporter(t, &fakeSource{bounds: bounds}, &fakeResolver{})
	if e.exchanges[0].layout.slot != nil {
		t.Error("native form without 2^-17 s")
	}
	var text bytes.Buffer
	if err := e.write(context.Background(), newTextEncoder(&text)); err != nil {
		t.Fatal(err)
	}
}
