package metrics

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

// The native histograms: schema 3 has 8 buckets per power of two. Bucket i holds
// values in (2^((i-1)/8), 2^(i/8)] seconds.
const (
	nativeSchema   = 3
	nativePerPower = 1 << nativeSchema
	nativeMin      = -17 * nativePerPower // the zero bucket ends here: 2^-17 s, 7.6 us
	nativeMax      = 8 * nativePerPower   // 2^8 s, 256 s
	// nativeSlots are the zero bucket, those up to 2^8 s, and the next one, which takes
	// all that is longer.
	nativeSlots = nativeMax - nativeMin + 2
)

// NativeBounds returns the upper bounds of the native buckets from 2^-17 s to
// 2^8 s, rounded to nanoseconds as the kernel side rounds them: a duration of
// exactly a rounded bound may be half a nanosecond off its bucket.
func NativeBounds() []time.Duration {
	bounds := make([]time.Duration, 0, nativeSlots)
	for i := nativeMin; i <= nativeMax; i++ {
		bounds = append(bounds, time.Duration(math.Round(math.Exp2(float64(i)/nativePerPower)*1e9)))
	}
	return bounds
}

// layout tells what the buckets of a [kernel.Histogram] mean: the classic and
// the native form are both sums over them.
type layout struct {
	buckets int // in the kernel's array, the one above the last bound included
	classic []classicBound
	// slot is the native slot of each bucket; nil without a native form. Slot
	// s > 0 is native bucket nativeMin+s.
	slot []int16
}

// classicBound is one value of the `le` label.
type classicBound struct {
	last int     // index of the last bucket below it
	le   float64 // seconds
	text string  // `le="0.005"`
}

// newLayout classifies the kernel's bounds. All of them are classic if no
// classic ones are given. There is a native form if all native bounds are there.
func newLayout(bounds, classic []time.Duration) (*layout, error) {
	if len(bounds) == 0 || !slices.IsSorted(bounds) {
		return nil, fmt.Errorf("histogram bounds of the kernel side: %d, not ascending", len(bounds))
	}
	l := &layout{buckets: len(bounds) + 1}
	if len(classic) == 0 {
		classic = bounds
	}
	for _, c := range classic {
		i, ok := slices.BinarySearch(bounds, c)
		if !ok {
			return nil, fmt.Errorf("histogram bounds of the kernel side lack %s", c)
		}
		le := strconv.FormatFloat(c.Seconds(), 'g', -1, 64)
		l.classic = append(l.classic, classicBound{last: i, le: c.Seconds(), text: `le="` + le + `"`})
	}
	l.slot = nativeSlotsOf(bounds)
	return l, nil
}

// nativeSlotsOf returns the slot of each bucket: that of the first native bound
// at or above the bucket's own.
func nativeSlotsOf(bounds []time.Duration) []int16 {
	native := NativeBounds()
	slots := make([]int16, len(bounds)+1)
	found := 0
	for i, b := range bounds {
		at, ok := slices.BinarySearch(native, b)
		if ok {
			found++
		}
		slots[i] = int16(at) //nolint:gosec // at most nativeSlots
	}
	if found != len(native) {
		return nil
	}
	slots[len(bounds)] = nativeSlots - 1
	return slots
}

// native sums buckets into native slots.
func (l *layout) native(buckets []uint64) (slots [nativeSlots]uint64) {
	for i, n := range buckets {
		slots[l.slot[i]] += n
	}
	return slots
}
