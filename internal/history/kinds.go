package history

import (
	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/internal/metrics"
)

// kind is what a series counts. Each has a vector of its own shape.
type kind uint8

const (
	ofServed        kind = iota // requests by status: how many, and the sum of their times
	ofMade                      // the same, by peer and status
	ofServedLatency             // native buckets, by number of the protocol
	ofMadeLatency               // the same, by protocol and peer
	ofQueue                     // how many requests were read, and the sum of their waits, by protocol
	ofEdges                     // as metrics.View.Connections, then the sum of round-trip times and their buckets
	ofCoverage                  // connections
	ofBytes                     // as metrics.View.Bytes
	ofListeners                 // drops
	ofActive                    // requests without a final status, by role: a gauge
	numKinds
)

// kindBits are the low bits of an index in a frame, which hold the kind.
const kindBits = 4

// Positions in vectors. Times are sums of microseconds.
const (
	countOf = 0 // of ofServed, ofMade, ofQueue
	timeOf  = 1

	edgeTime  = metrics.EdgeCounts
	edgeSlots = edgeTime + 1

	listenerDrops = 0

	activeServer = 0
	activeClient = 1
)

// maxRTTSlots bounds the buckets of round-trip times: kernel.Edge has 20 or so.
const maxRTTSlots = 64

// widths are the lengths of the vectors in frames.
var widths = [numKinds]int{
	ofServed:        2,
	ofMade:          2,
	ofServedLatency: metrics.NativeSlots,
	ofMadeLatency:   metrics.NativeSlots,
	ofQueue:         2,
	ofEdges:         edgeSlots + maxRTTSlots,
	ofCoverage:      1,
	ofBytes:         2,
	ofListeners:     1,
	ofActive:        2,
}

// Cumulative vectors of requests, unlike those in frames, have the sum of times and then native buckets.
const (
	requestTime  = 0
	requestSlots = 1
	widest       = requestSlots + metrics.NativeSlots
)

// cumulativeWidth is the length of a cumulative vector.
func (k kind) cumulativeWidth() int {
	if k == ofServed || k == ofMade {
		return widest
	}
	return widths[k]
}

// microseconds of a histogram's sum. Differences of what was rounded down add up to the whole.
func microseconds(h kernel.Histogram) uint64 { return uint64(h.Sum.Microseconds()) } //nolint:gosec // a sum of durations, never negative

// sums are the vectors of one workload over some time, by kind and index.
type sums struct {
	kinds [numKinds]vectors
}

// vectors are those of one kind.
type vectors struct {
	at   [][]uint64 // by index; nil or all 0 unless used
	used []int
	is   []bool
}

// vector returns one to add to.
func (s *sums) vector(k kind, index int) []uint64 {
	v := &s.kinds[k]
	for len(v.at) <= index {
		v.at, v.is = append(v.at, nil), append(v.is, false)
	}
	if v.at[index] == nil {
		v.at[index] = make([]uint64, widths[k])
	}
	if !v.is[index] {
		v.is[index] = true
		v.used = append(v.used, index)
	}
	return v.at[index]
}

// get returns one to read; nil if it is all 0.
func (s *sums) get(k kind, index int) []uint64 {
	if v := &s.kinds[k]; index >= 0 && index < len(v.is) && v.is[index] {
		return v.at[index]
	}
	return nil
}

// reset sets all to 0, keeping the memory.
func (s *sums) reset() {
	for k := range s.kinds {
		v := &s.kinds[k]
		for _, i := range v.used {
			clear(v.at[i])
			v.is[i] = false
		}
		v.used = v.used[:0]
	}
}

// decode adds a record of a frame.
func (s *sums) decode(record []byte) {
	for len(record) > 0 {
		var tag uint64
		tag, record = readUvarint(record)
		k := kind(tag & (1<<kindBits - 1)) //nolint:gosec // three bits
		into := s.vector(k, int(tag>>kindBits))
		record = readVector(record, func(i int, n uint64) { into[i] = k.join(into[i], n) })
	}
}

// add adds other sums of the same workload.
func (s *sums) add(o *sums) {
	for k := range numKinds {
		for _, i := range o.kinds[k].used {
			into := s.vector(k, i)
			for j, n := range o.kinds[k].at[i] {
				into[j] = k.join(into[j], n)
			}
		}
	}
}

// join joins the numbers of two times: of a gauge the greatest counts.
func (k kind) join(a, b uint64) uint64 {
	if k == ofActive {
		return max(a, b)
	}
	return a + b
}

// encode appends a record.
func (s *sums) encode(b []byte) []byte {
	for k := range numKinds {
		for _, i := range s.kinds[k].used {
			b = appendEntry(b, k, i, s.kinds[k].at[i])
		}
	}
	return b
}
