package metrics

import (
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/internal/protocol"
	"github.com/fathomhq/fathom/internal/workload"
)

var (
	start        = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	classicTest  = []time.Duration{5 * time.Millisecond, 25 * time.Millisecond, 250 * time.Millisecond, time.Second, 10 * time.Second}
	boundsTest   = union(union(classicTest, protocol.Databases.Bounds), NativeBounds())
	rttTest      = []time.Duration{16 * time.Microsecond, 64 * time.Microsecond, 256 * time.Microsecond, time.Millisecond, 4 * time.Millisecond, 64 * time.Millisecond}
	errBroken    = errors.New("map read: bad file descriptor")
	requestsName = "http_request_duration_seconds"
)

func union(a, b []time.Duration) []time.Duration {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// histogramOf counts observations as the kernel side does.
func histogramOf(bounds []time.Duration, observations ...time.Duration) kernel.Histogram {
	h := kernel.Histogram{Buckets: make([]uint64, len(bounds)+1)}
	for _, d := range observations {
		i, _ := slices.BinarySearch(bounds, d)
		h.Buckets[i]++
		h.Sum += d
	}
	return h
}

func durations(d ...time.Duration) kernel.Histogram  { return histogramOf(boundsTest, d...) }
func roundTrips(d ...time.Duration) kernel.Histogram { return histogramOf(rttTest, d...) }

// fakeSource serves the snapshot it holds.
type fakeSource struct {
	mu          sync.Mutex
	snapshot    kernel.Snapshot
	err         error
	connected   map[kernel.EdgeID]bool
	peersForgot []kernel.EdgeID
	refuse      map[kernel.WorkloadID]bool // by Forget
	forgot      []kernel.WorkloadID
	bounds      []time.Duration
}

func (f *fakeSource) Bounds() []time.Duration {
	if f.bounds != nil {
		return f.bounds
	}
	return boundsTest
}
func (f *fakeSource) RTTBounds() []time.Duration { return rttTest }

func (f *fakeSource) Taps() []kernel.Tap {
	return []kernel.Tap{
		{Name: "data_written", Mode: "tracepoint"}, {Name: "data_read", Mode: "tracepoint"},
		{Name: "retransmit", Mode: "none", Err: errBroken},
	}
}

// Snapshot returns a copy that shares nothing.
func (f *fakeSource) Snapshot() (*kernel.Snapshot, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return nil, f.err
	}
	s := f.snapshot
	s.Exchanges, s.Queue, s.Edges = slices.Clone(s.Exchanges), slices.Clone(s.Queue), slices.Clone(s.Edges)
	s.Coverage = slices.Clone(s.Coverage)
	s.Workloads = maps.Clone(s.Workloads)
	for i := range s.Exchanges {
		s.Exchanges[i].Duration.Buckets = slices.Clone(s.Exchanges[i].Duration.Buckets)
	}
	for i := range s.Queue {
		s.Queue[i].Delay.Buckets = slices.Clone(s.Queue[i].Delay.Buckets)
	}
	for i := range s.Edges {
		s.Edges[i].RTT.Buckets = slices.Clone(s.Edges[i].RTT.Buckets)
	}
	return &s, nil
}

func (f *fakeSource) Forget(ids []kernel.WorkloadID) (released []kernel.WorkloadID, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	gone := make(map[kernel.WorkloadID]bool)
	for _, id := range ids {
		if f.refuse[id] {
			err = errBroken
			continue
		}
		gone[id] = true
		released = append(released, id)
		delete(f.snapshot.Workloads, id)
	}
	s := &f.snapshot
	s.Exchanges = slices.DeleteFunc(s.Exchanges, func(r kernel.ExchangeSeries) bool { return gone[r.Workload] })
	s.Queue = slices.DeleteFunc(s.Queue, func(r kernel.QueueSeries) bool { return gone[r.Workload] })
	s.Edges = slices.DeleteFunc(s.Edges, func(r kernel.Edge) bool { return gone[r.Workload] })
	s.Coverage = slices.DeleteFunc(s.Coverage, func(r kernel.Coverage) bool { return gone[r.Workload] })
	f.forgot = append(f.forgot, released...)
	return released, err
}

func (f *fakeSource) ForgetPeers(ids []kernel.EdgeID) (released []kernel.EdgeID, _ error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range ids {
		if !f.connected[id] {
			released = append(released, id)
		}
	}
	s := &f.snapshot
	gone := func(id kernel.EdgeID) bool { return slices.Contains(released, id) }
	s.Edges = slices.DeleteFunc(s.Edges, func(r kernel.Edge) bool { return !r.Overflow && gone(edgeID(&r)) })
	s.Exchanges = slices.DeleteFunc(s.Exchanges, func(r kernel.ExchangeSeries) bool {
		return r.Role == kernel.RoleClient && gone(kernel.EdgeID{Workload: r.Workload, Role: r.Role, Peer: r.Peer})
	})
	f.peersForgot = append(f.peersForgot, released...)
	return released, nil
}

// fakeResolver takes the command for the unit's name, unless it is told otherwise.
type fakeResolver struct {
	mu     sync.Mutex
	gone   map[kernel.WorkloadID]bool
	states map[kernel.WorkloadID]workload.State
	pods   map[kernel.WorkloadID]workload.Labels
}

func (r *fakeResolver) Resolve(w kernel.Workload) (workload.Labels, workload.State) {
	l, ok := r.pods[w.ID]
	if !ok {
		l = workload.Labels{Workload: w.Command, Kind: workload.KindUnit}
	}
	return l, r.states[w.ID]
}

func (r *fakeResolver) Gone(ws []kernel.Workload) (ids []kernel.WorkloadID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range ws {
		if r.gone[w.ID] {
			ids = append(ids, w.ID)
		}
	}
	return ids
}

func newExporter(t testing.TB, f *fakeSource, r Resolver) *Exporter {
	t.Helper()
	e, err := New(f, r, Options{Buckets: classicTest, Started: start, Version: "v0.1.0", Revision: "abc1234"})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// gathered finds series by metric name and labels, written as k=v.
type gathered map[string]*dto.Metric

// gather scrapes. Empty labels are left out of the keys.
func gather(t testing.TB, e *Exporter) gathered {
	t.Helper()
	families, err := e.Gather()
	if err != nil {
		t.Fatal(err)
	}
	g := make(gathered)
	for _, f := range families {
		for _, m := range f.Metric {
			key := f.GetName()
			for _, l := range m.Label {
				if l.GetValue() != "" {
					key += " " + l.GetName() + "=" + l.GetValue()
				}
			}
			if g[key] != nil {
				t.Errorf("%s is there twice", key)
			}
			g[key] = m
		}
	}
	return g
}

// value returns the number of a counter or gauge, or the count of a histogram; -1 if it is not there.
func (g gathered) value(key string) float64 {
	m := g[key]
	switch {
	case m == nil:
		return -1
	case m.Histogram != nil:
		return float64(m.Histogram.GetSampleCount())
	case m.Counter != nil:
		return m.Counter.GetValue()
	}
	return m.Gauge.GetValue()
}
