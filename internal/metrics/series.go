package metrics

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/fathomhq/fathom/internal/kernel"
)

// maxCarried bounds, per group and table, the series that live on as a carry only. A workload
// name that always lives somewhere (sshd in login sessions) would otherwise
// collect every peer it ever had. It is twice what one workload may have
// by default; beyond, the series that were silent longest go.
const maxCarried = 512

// sample is what one or more records of the kernel side add up to.
type sample struct {
	counts  []uint64
	buckets []uint64
	sum     uint64 // ns
	shared  bool   // buckets belong to a snapshot or to a carry
	own     []uint64
}

func (s *sample) add(counts []uint64, h kernel.Histogram) {
	if s.counts == nil && counts != nil {
		s.counts = make([]uint64, len(counts))
	}
	for i, n := range counts {
		s.counts[i] += n
	}
	s.sum += uint64(h.Sum) //nolint:gosec // a sum of durations, never negative
	switch {
	case len(h.Buckets) == 0:
		return
	case s.buckets == nil:
		s.buckets, s.shared = h.Buckets, true
		return
	case s.shared:
		s.own = append(s.own[:0], s.buckets...)
		s.buckets, s.shared = s.own, false
	}
	for i, n := range h.Buckets {
		s.buckets[i] += n
	}
}

// set makes s equal to from, without sharing counts.
func (s *sample) set(from *sample) {
	clear(s.counts)
	s.buckets, s.sum, s.shared = nil, 0, false
	if from != nil {
		s.add(from.counts, from.histogram())
	}
}

func (s *sample) histogram() kernel.Histogram {
	return kernel.Histogram{Buckets: s.buckets, Sum: time.Duration(s.sum)} //nolint:gosec // a sum of durations
}

// series is what has one set of labels: the sum of the records of all ids of
// its group, and of those that were forgotten.
type series struct {
	group   *group
	labels  labelSet
	role    kernel.Role // edges only
	created time.Time
	scrape  uint64 // the last one with a record
	now     sample
	carry   *sample // last values of forgotten ids
}

// add adds a record of the current scrape.
func (s *series) add(scrape uint64, counts []uint64, h kernel.Histogram) {
	s.touch(scrape)
	s.now.add(counts, h)
}

// touch begins the scrape if this is its first record.
func (s *series) touch(scrape uint64) {
	if s.scrape != scrape {
		s.scrape = scrape
		s.now.set(s.carry)
	}
}

// fold keeps a record that will not be there, or not for these labels, at the next scrape.
func (s *series) fold(scrape uint64, counts []uint64, h kernel.Histogram) {
	if s.carry == nil {
		s.carry = &sample{}
	}
	s.carry.add(counts, h)
	if s.carry.shared { // it outlives the snapshot
		s.carry.own = slices.Clone(s.carry.buckets)
		s.carry.buckets, s.carry.shared = s.carry.own, false
	}
	if s.scrape != scrape {
		s.now.set(s.carry)
	}
}

// seriesKey identifies a series within its table.
type seriesKey[K any] interface {
	comparable
	of() *group
	in(g *group) K    // the same of another group
	labels() labelSet // those beside the group's
}

// table holds the series of one kind.
type table[K seriesKey[K]] struct {
	byKey map[K]*series
	order []*series // sorted by labels, unless stale
	stale bool
}

func newTable[K seriesKey[K]]() *table[K] { return &table[K]{byKey: make(map[K]*series)} }

// get returns the series of a key; a new one was zero at the time created.
func (t *table[K]) get(k K, created time.Time) *series {
	s, ok := t.byKey[k]
	if !ok {
		s = &series{group: k.of(), labels: k.labels(), created: created}
		t.byKey[k], t.stale = s, true
	}
	return s
}

// close ends the collection of records. Series that had none show their carry;
// those without one have left the kernel, and leave.
func (t *table[K]) close(scrape uint64) {
	for k, s := range t.byKey {
		switch {
		case s.scrape == scrape:
		case s.carry == nil:
			t.remove(k)
		default:
			s.now.set(s.carry)
		}
	}
}

func (t *table[K]) remove(k K) {
	delete(t.byKey, k)
	t.stale = true
}

// drop removes the series of a group.
func (t *table[K]) drop(g *group) {
	for k := range t.byKey {
		if k.of() == g {
			t.remove(k)
		}
	}
}

// move gives the series of a group to another.
func (t *table[K]) move(from, to *group, scrape uint64) {
	for k, s := range t.byKey {
		if k.of() != from {
			continue
		}
		t.remove(k)
		there, ok := t.byKey[k.in(to)]
		switch {
		case !ok:
			s.group = to
			t.byKey[k.in(to)] = s
		case s.carry != nil:
			there.fold(scrape, s.carry.counts, s.carry.histogram())
		}
	}
}

// trim holds a group to maxCarried series without records.
func (t *table[K]) trim(g *group, scrape uint64) {
	var idle []K
	for k, s := range t.byKey {
		if k.of() == g && s.scrape != scrape {
			idle = append(idle, k)
		}
	}
	if len(idle) <= maxCarried {
		return
	}
	slices.SortFunc(idle, func(a, b K) int { return cmp.Compare(t.byKey[a].scrape, t.byKey[b].scrape) })
	for _, k := range idle[:len(idle)-maxCarried] {
		t.remove(k)
	}
}

// sorted returns the series in the order of their labels.
func (t *table[K]) sorted() []*series {
	if t.stale {
		t.order = t.order[:0]
		for _, s := range t.byKey {
			t.order = append(t.order, s)
		}
		slices.SortFunc(t.order, compareSeries)
		t.stale = false
	}
	return t.order
}

func compareSeries(a, b *series) int {
	if c := bytes.Compare(a.group.labels.text, b.group.labels.text); c != 0 {
		return c
	}
	return bytes.Compare(a.labels.text, b.labels.text)
}

// release lets go of the snapshot's memory.
func (t *table[K]) release() {
	for _, s := range t.byKey {
		if s.now.shared {
			s.now.buckets, s.now.shared = nil, false
		}
	}
}
