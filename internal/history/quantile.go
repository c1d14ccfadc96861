package history

import (
	"math"

	"github.com/fathomhq/fathom/internal/metrics"
)

// slots are the native buckets of requests.
type slots [metrics.NativeSlots]uint64

func (s *slots) add(v []uint64) {
	for i, n := range v {
		s[i] += n
	}
}

func (s *slots) count() (n uint64) {
	for _, c := range s {
		n += c
	}
	return n
}

// The native buckets: 8 per power of two, from 2^-17 s. See [metrics.NativeBounds].
const (
	perPower   = 8
	lowestLog2 = -17
)

// upper is the log2 of the upper bound of a native bucket, in seconds.
func upper(slot int) float64 { return lowestLog2 + float64(slot)/perPower }

// quantile returns what histogram_quantile of Prometheus 3 returns for a native histogram (promql/quantile.go there,
// histogramQuantile): exponential interpolation within a bucket, linear in the zero bucket.
func (s *slots) quantile(q float64) Number {
	count := s.count()
	if count == 0 {
		return None()
	}
	rank, below := q*float64(count), 0.0
	for i, n := range s {
		if n == 0 || below+float64(n) < rank {
			below += float64(n)
			continue
		}
		fraction := (rank - below) / float64(n)
		if i == 0 {
			return Number(fraction * math.Exp2(lowestLog2))
		}
		return Number(math.Exp2(upper(i-1) + fraction/perPower))
	}
	return None() // not reached: the last bucket in use has at least the rank
}

// latency describes requests of which the sum of times is given, in microseconds.
func (s *slots) latency(time uint64) Latency {
	return Latency{
		Mean: ratio(float64(time)/1e6, float64(s.count())),
		P50:  s.quantile(0.5), P90: s.quantile(0.9), P99: s.quantile(0.99),
	}
}

// classicQuantile returns what histogram_quantile returns for buckets with these upper bounds, and one above the last:
// linear interpolation, from 0 in the lowest; the last bound for all that is above it (promql/quantile.go, BucketQuantile).
func classicQuantile(q float64, bounds []float64, buckets []uint64) Number {
	var count, below float64
	for _, n := range buckets {
		count += float64(n)
	}
	if count == 0 {
		return None()
	}
	rank := q * count
	for i, bound := range bounds {
		n := float64(buckets[i])
		if n == 0 || below+n < rank {
			below += n
			continue
		}
		lower := 0.0
		if i > 0 {
			lower = bounds[i-1]
		}
		return Number(lower + (bound-lower)*(rank-below)/n)
	}
	return Number(bounds[len(bounds)-1])
}

// classicLatency describes round-trip times of which the sum is given, in microseconds.
func classicLatency(bounds []float64, buckets []uint64, time uint64) Latency {
	var count uint64
	for _, n := range buckets {
		count += n
	}
	return Latency{
		Mean: ratio(float64(time)/1e6, float64(count)),
		P50:  classicQuantile(0.5, bounds, buckets), P90: classicQuantile(0.9, bounds, buckets), P99: classicQuantile(0.99, bounds, buckets),
	}
}
