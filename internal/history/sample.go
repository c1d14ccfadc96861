package history

import (
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/internal/metrics"
	"github.com/fathomhq/fathom/internal/workload"
)

// taking is one sample.
type taking struct {
	*History
	view *metrics.View
	// owners are the tracks of this view's workloads; nil: no room.
	owners map[*workload.Labels]*track
	// latencies are what has been added to the distributions.
	latencies map[latencyOf]*slots
}

// latencyOf is a distribution in a frame.
type latencyOf struct {
	track *track
	kind  kind
	index int
}

// take makes a frame of what was added since the last one. It changes nothing if it fails.
func (h *History) take(v *metrics.View) error {
	var probe [metrics.NativeSlots]uint64
	if !v.Native(kernel.Histogram{}, &probe) {
		return errNoNative
	}
	if h.rtt = v.RTTBounds(); len(h.rtt) >= maxRTTSlots {
		return fmt.Errorf("%d buckets of round-trip times, more than %d", len(h.rtt)+1, maxRTTSlots)
	}
	h.sample++
	t := taking{h, v, make(map[*workload.Labels]*track, len(h.tracks)), make(map[latencyOf]*slots, len(h.tracks))}
	for _, m := range v.Moved {
		h.move(v, m)
	}
	t.traffic()
	t.coverage()
	t.active()
	h.notShown = 0
	for _, owner := range t.owners {
		if owner == nil {
			h.notShown++
		}
	}
	h.stats.notShown.Add(int64(h.notShown))

	f := frame{first: h.sample, last: h.sample, start: h.options.Started, end: v.Snapshot.Time, data: h.collect()}
	if n := len(h.frames); n > 0 {
		f.start = h.frames[n-1].end
	}
	if !f.end.After(f.start) { // the clock was set back
		f.end = f.start.Add(time.Millisecond)
	}
	f.host = h.names.totals(v.Snapshot, h.options.cost())
	h.tables = slices.Clone(v.Snapshot.Tables)
	h.frames = append(h.frames, f)
	h.bytes += len(f.data)
	return nil
}

// collect makes the data of a frame of what is pending.
func (h *History) collect() []byte {
	size := 0
	for _, t := range h.tracks {
		if len(t.pending) > 0 {
			size += len(t.pending) + 2*maxVarint
		}
	}
	data, before := make([]byte, 0, size), uint32(0)
	for _, t := range h.byRef {
		if t == nil || len(t.pending) == 0 {
			continue
		}
		data = appendRecord(data, before, t.ref, t.pending)
		before = t.ref
		t.held = h.sample
		t.pending = t.pending[:0]
	}
	return slices.Clip(slices.Clone(data))
}

const maxVarint = 10

// trackOf returns the track of a workload, nil if there is no room.
func (t *taking) trackOf(l *workload.Labels) *track {
	if w, ok := t.owners[l]; ok {
		return w
	}
	w := t.tracks[*l]
	if w == nil && len(t.tracks) < t.options.limitWorkloads {
		w = &track{id: idOf(*l), labels: *l, chosen: t.view.Chosen(l)}
		t.tracks[*l], t.byID[w.id] = w, w
		free := slices.Index(t.byRef, nil)
		if free < 0 {
			free = len(t.byRef)
			t.byRef = append(t.byRef, nil)
		}
		t.byRef[free], w.ref = w, uint32(free) //nolint:gosec // at most the limit of workloads
	}
	if w != nil {
		w.seen = t.sample
		w.active, w.oldest = [2]uint64{}, [2]uint64{}
	}
	t.owners[l] = w
	return w
}

// move follows a change of labels. The new ones take the history along, unless they have one.
func (h *History) move(v *metrics.View, m metrics.Move) {
	from, to := h.tracks[m.From], h.tracks[m.To]
	switch {
	case from == nil:
	case to == nil:
		delete(h.tracks, m.From)
		delete(h.byID, from.id)
		from.labels, from.id, from.chosen = m.To, idOf(m.To), v.Chosen(&m.To)
		h.tracks[m.To], h.byID[from.id] = from, from
	default:
		h.series += to.served.absorb(&from.served, ofServed, h.sample) +
			to.made.absorb(&from.made, ofMade, h.sample) +
			to.queue.absorb(&from.queue, ofQueue, h.sample) +
			to.edges.absorb(&from.edges, ofEdges, h.sample) +
			to.coverage.absorb(&from.coverage, ofCoverage, h.sample) +
			to.bytes.absorb(&from.bytes, ofBytes, h.sample) +
			to.listeners.absorb(&from.listeners, ofListeners, h.sample)
	}
}

// place returns the index of a series, -1 if there is no room for it.
func place[K comparable](t *taking, s *series[K], key K) int {
	at := s.find(key)
	if at < 0 {
		if t.series >= t.options.limitSeries {
			t.stats.seriesNotShown.Add(1)
			return -1
		}
		at = s.insert(key, t.sample)
		t.series++
	}
	s.list[at].seen = t.sample
	return at
}

// count calls add with what a series has counted since the last sample, if it has counted anything. fill makes its cumulative
// vector; counted changes whenever that does.
func count[K comparable](t *taking, s *series[K], k kind, key K, counted uint64, fill func([]uint64), add func(at int, delta []uint64)) {
	at := place(t, s, key)
	if at < 0 || s.list[at].counted == counted {
		return
	}
	e := &s.list[at]
	now, delta := t.cumulative[:k.cumulativeWidth()], t.scratch[:k.cumulativeWidth()]
	clear(now)
	fill(now)
	copy(delta, now)
	if e.before != nil {
		readVector(e.before, func(i int, n uint64) {
			if n <= now[i] { // else it began anew
				delta[i] = now[i] - n
			}
		})
	}
	t.buffer = appendVector(t.buffer[:0], now)
	e.before, e.counted = exact(e.before, t.buffer), counted
	if slices.IndexFunc(delta, func(n uint64) bool { return n > 0 }) >= 0 {
		e.held = t.sample
		add(at, delta)
	}
}

// pend returns a function that adds to the pending record of a workload.
func (w *track) pend(k kind) func(int, []uint64) {
	return func(at int, delta []uint64) { w.pending = appendEntry(w.pending, k, at, delta) }
}

// exact copies b to a slice of little more than its length.
func exact(old, b []byte) []byte {
	if cap(old) < len(b) {
		old = make([]byte, 0, len(b)+len(b)/8)
	}
	return append(old[:0], b...)
}

// total is a sum over all numbers of a series: it changes whenever one of them does.
func total(s metrics.Series) uint64 {
	n := uint64(s.Histogram.Sum) + s.Histogram.Count() //nolint:gosec // a sum of durations, never negative
	for _, c := range s.Counts {
		n += c
	}
	return n
}

// traffic takes requests and connections.
func (t *taking) traffic() {
	for key, s := range t.view.Served() {
		if w := t.trackOf(s.Workload); w != nil {
			t.requests(w, &w.served, ofServed, key, s, ofServedLatency, int(key.Protocol.Number()))
		}
	}
	for key, s := range t.view.Made() {
		if w := t.trackOf(s.Workload); w != nil {
			if at := place(t, &w.asked, asked{key.Protocol, key.Peer}); at >= 0 {
				w.asked.list[at].held = t.sample
				t.requests(w, &w.made, ofMade, key, s, ofMadeLatency, at)
			}
		}
	}
	for at, v := range t.latencies {
		at.track.pending = appendEntry(at.track.pending, at.kind, at.index, v[:])
	}
	for key, s := range t.view.Queue() {
		if w := t.trackOf(s.Workload); w != nil {
			count(t, &w.queue, ofQueue, key, total(s), func(v []uint64) {
				v[countOf], v[timeOf] = s.Histogram.Count(), microseconds(s.Histogram)
			}, w.pend(ofQueue))
		}
	}
	for key, s := range t.view.Connections() {
		if w := t.trackOf(s.Workload); w != nil {
			count(t, &w.edges, ofEdges, key, total(s), func(v []uint64) {
				copy(v, s.Counts[:metrics.EdgeCounts])
				v[edgeTime] = microseconds(s.Histogram)
				copy(v[edgeSlots:], s.Histogram.Buckets)
			}, w.pend(ofEdges))
		}
	}
	for key, s := range t.view.Listeners() {
		if w := t.trackOf(s.Workload); w != nil {
			drops := s.Counts[metrics.ListenerDrops]
			count(t, &w.listeners, ofListeners, key, drops, func(v []uint64) { v[listenerDrops] = drops }, w.pend(ofListeners))
			if at := w.listeners.find(key); at >= 0 {
				w.listeners.list[at].gauges = [2]uint64{s.Counts[metrics.ListenerQueue], s.Counts[metrics.ListenerLimit]}
			}
		}
	}
}

// requests takes those of one status, and adds their latency to that of others, unless they wait for something to happen.
func (t *taking) requests(w *track, list *series[metrics.Request], k kind, key metrics.Request, s metrics.Series, latency kind, index int) {
	count(t, list, k, key, total(s), func(v []uint64) {
		v[requestTime] = microseconds(s.Histogram)
		t.view.Native(s.Histogram, (*[metrics.NativeSlots]uint64)(v[requestSlots:]))
	}, func(at int, delta []uint64) {
		if !key.Waits() {
			into := latencyOf{w, latency, index}
			if t.latencies[into] == nil {
				t.latencies[into] = new(slots)
			}
			t.latencies[into].add(delta[requestSlots:])
		}
		two := [2]uint64{timeOf: delta[requestTime]}
		for _, n := range delta[requestSlots:] {
			two[countOf] += n
		}
		w.pending = appendEntry(w.pending, k, at, two[:])
	})
}

// coverage takes classes.
func (t *taking) coverage() {
	classes := func(all iter.Seq2[metrics.Class, metrics.Series], k kind, of func(*track) *series[metrics.Class]) {
		for key, s := range all {
			if w := t.trackOf(s.Workload); w != nil {
				count(t, of(w), k, key, total(s), func(v []uint64) { copy(v, s.Counts) }, w.pend(k))
			}
		}
	}
	classes(t.view.Coverage(), ofCoverage, func(w *track) *series[metrics.Class] { return &w.coverage })
	classes(t.view.Bytes(), ofBytes, func(w *track) *series[metrics.Class] { return &w.bytes })
}

// active takes the gauges.
func (t *taking) active() {
	for role, s := range t.view.Active() {
		w := t.trackOf(s.Workload)
		if w == nil {
			continue
		}
		at := activeServer
		if role == kernel.RoleClient {
			at = activeClient
		}
		w.active[at], w.oldest[at] = s.Counts[metrics.ActiveCount], s.Counts[metrics.ActiveOldest]
	}
	for _, w := range t.owners {
		if w != nil && w.active != [2]uint64{} {
			w.pending = appendEntry(w.pending, ofActive, 0, w.active[:])
		}
	}
}
