package history

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/fathomhq/fathom/internal/metrics"
)

// The expected values follow from the rules of Prometheus 3 for histogram_quantile of native buckets: positions within a bucket are
// interpolated between the logarithms of its bounds, in the zero bucket between 0 and its end.
func TestQuantile(t *testing.T) {
	bucket := func(log2 float64) int { return int((log2 - lowestLog2) * perPower) } // the one that ends at 2^log2 s
	for name, c := range map[string]struct {
		counts map[int]uint64
		q      float64
		want   float64
	}{
		"nothing":            {nil, 0.5, math.NaN()},
		"middle of a bucket": {map[int]uint64{bucket(0): 10}, 0.5, math.Exp2(-0.5 / 8)},
		"end of a bucket":    {map[int]uint64{bucket(-3): 90, bucket(1): 10}, 0.9, math.Exp2(-3)},
		"in the second":      {map[int]uint64{bucket(-3): 90, bucket(1): 10}, 0.99, math.Exp2(1 - 0.1/8)},
		"none between":       {map[int]uint64{bucket(-3): 1, bucket(1): 1}, 0.75, math.Exp2(1 - 0.5/8)},
		"zero bucket":        {map[int]uint64{0: 4}, 0.5, math.Exp2(-17) / 2},
		"beyond the last":    {map[int]uint64{metrics.NativeSlots - 1: 2}, 1, math.Exp2(8 + 1.0/8)},
		"least":              {map[int]uint64{bucket(2): 8}, 0, math.Exp2(2 - 1.0/8)},
	} {
		var s slots
		for i, n := range c.counts {
			s[i] = n
		}
		got := s.quantile(c.q)
		if math.IsNaN(c.want) == got.Exists() || got.Exists() && !near(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestClassicQuantile(t *testing.T) {
	bounds := []float64{0.1, 0.2, 0.4}
	for name, c := range map[string]struct {
		buckets []uint64
		q, want float64
	}{
		"nothing":        {[]uint64{0, 0, 0, 0}, 0.5, math.NaN()},
		"lowest":         {[]uint64{4, 0, 0, 0}, 0.5, 0.05},
		"second":         {[]uint64{2, 2, 0, 0}, 0.75, 0.15},
		"above the last": {[]uint64{1, 0, 0, 9}, 0.9, 0.4},
	} {
		got := classicQuantile(c.q, bounds, c.buckets)
		if math.IsNaN(c.want) == got.Exists() || got.Exists() && !near(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// Quantiles of durations are within the width of a bucket, 9 %.
func TestQuantileOfDurations(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	h := newHost(t, nil)
	id := h.begin(1, unit("a"))
	var all []time.Duration
	for range 20 {
		var took []time.Duration
		for range 50 {
			took = append(took, ms/2+time.Duration(random.ExpFloat64()*20e6))
		}
		h.serve(id, 200, took...)
		h.next(Interval)
		all = append(all, took...)
	}
	slices.Sort(all)
	got := h.row("a", Span).Served.Latency
	for q, n := range map[float64]Number{0.5: got.P50, 0.9: got.P90, 0.99: got.P99} {
		want := all[int(q*float64(len(all)))-1].Seconds()
		if r := float64(n) / want; r < 1/1.1 || r > 1.1 {
			t.Errorf("%g: %v s, %g s of the sorted durations", q, n, want)
		}
	}
}
