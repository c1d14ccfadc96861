package kernel

import (
	"math"
	"slices"
	"time"

	"github.com/fathomhq/fathom/internal/protocol"
)

// Native histograms of schema 3 have 8 buckets between powers of two
// (Prometheus, "Native histograms", section "Exponential buckets").
const (
	nativeSchema   = 3
	nativeLowest   = -17 // 2^-17 s, 7.6 us: below lies the zero bucket
	nativeHighest  = 8   // 2^8 s, 256 s
	nativePerPower = 1 << nativeSchema
	// maxBuckets is MAX_BUCKETS of bpf/types.h: buckets of one histogram.
	maxBuckets       = len(bpfHistogram{}.Buckets)
	maxClassicBounds = 30
)

// boundsFor returns the bounds of the kernel side's histograms, which are the same for all series: the native ones, the
// classic ones that the user sets, and those of the families that have their own. A family whose bounds find no
// room any more has the user's.
func boundsFor(classic []time.Duration, families []*protocol.Family) []time.Duration {
	bounds := mergeBounds(classic)
	for _, f := range families {
		more := slices.Concat(bounds, f.Bounds)
		slices.Sort(more)
		if more = slices.Compact(more); len(more) < maxBuckets {
			bounds = more
		}
	}
	return bounds
}

// mergeBounds returns the union of the classic and the native bounds, ascending.
func mergeBounds(classic []time.Duration) []time.Duration {
	bounds := slices.Clone(classic)
	for i := nativeLowest * nativePerPower; i <= nativeHighest*nativePerPower; i++ {
		seconds := math.Exp2(float64(i) / nativePerPower)
		bounds = append(bounds, time.Duration(math.Round(seconds*float64(time.Second))))
	}
	slices.Sort(bounds)
	return slices.Compact(bounds)
}

// rttBounds mirrors rtt_bucket() of bpf/edge.h: 16 us and its doubles.
func rttBounds() []time.Duration {
	bounds := make([]time.Duration, len(bpfEdge{}.Rtt)-1)
	for i := range bounds {
		bounds[i] = 16 * time.Microsecond << i
	}
	return bounds
}
