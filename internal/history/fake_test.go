package history

import (
	"context"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/internal/metrics"
	"github.com/fathomhq/fathom/internal/protocol"
	"github.com/fathomhq/fathom/internal/workload"
)

var (
	began     = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	classic   = []time.Duration{5 * time.Millisecond, 250 * time.Millisecond, time.Second}
	rttBounds = []time.Duration{16 * time.Microsecond, 32 * time.Microsecond, 64 * time.Microsecond, 128 * time.Microsecond, 256 * time.Microsecond, 512 * time.Microsecond, time.Millisecond}
)

// host is a kernel side and a resolver that say what a test tells them to, below a real exporter and a history of it.
type host struct {
	t        testing.TB
	bounds   []time.Duration
	snapshot kernel.Snapshot
	labels   map[kernel.WorkloadID]workload.Labels
	states   map[kernel.WorkloadID]workload.State
	gone     map[kernel.WorkloadID]bool
	err      error
	exporter *metrics.Exporter
	*History
}

func newHost(t testing.TB, change func(*Options)) *host {
	t.Helper()
	h := &host{
		t: t, bounds: slices.Concat(classic, metrics.NativeBounds()),
		snapshot: kernel.Snapshot{
			Time: began, Workloads: make(map[kernel.WorkloadID]kernel.Workload),
			Lost:      []kernel.Lost{{Reason: "gap"}, {Reason: "unreadable_io_uring"}},
			LostBytes: []kernel.LostBytes{{Direction: "read", Reason: "untapped"}, {Direction: "write", Reason: "untapped"}},
			Tables:    []kernel.Table{{Name: "http_series", Used: 7, Limit: 3000, MemoryBytes: 1 << 20}, {Name: "edges", Used: 10, Limit: 10}},
			Programs:  []kernel.Program{{Name: "data_read"}},
		},
		labels: make(map[kernel.WorkloadID]workload.Labels), states: make(map[kernel.WorkloadID]workload.State), gone: make(map[kernel.WorkloadID]bool),
	}
	slices.Sort(h.bounds)
	h.bounds = slices.Compact(h.bounds)
	e, err := metrics.New(h, h, metrics.Options{Buckets: classic, Started: began, Grace: time.Minute, Chosen: []string{"label_team"}})
	if err != nil {
		t.Fatal(err)
	}
	o := Options{
		Node: "n1", Version: "v1", Revision: "abc", Started: began, Taps: h.Taps,
		cost: func() cost {
			since := h.snapshot.Time.Sub(began)
			return cost{cpu: since / 100, resident: 20 << 20}
		},
	}
	if change != nil {
		change(&o)
	}
	h.exporter, h.History = e, New(e, o)
	return h
}

// Snapshot implements [metrics.Source].
func (h *host) Snapshot() (*kernel.Snapshot, error) {
	s := h.snapshot
	s.Exchanges, s.Queue, s.Edges, s.Coverage = slices.Clone(s.Exchanges), slices.Clone(s.Queue), slices.Clone(s.Edges), slices.Clone(s.Coverage)
	s.Workloads = maps.Clone(s.Workloads)
	return &s, h.err
}

func (h *host) Bounds() []time.Duration    { return h.bounds }
func (h *host) RTTBounds() []time.Duration { return rttBounds }

func (h *host) Taps() []kernel.Tap {
	return []kernel.Tap{{Name: "data_read", Mode: "tracepoint"}, {Name: "state", Mode: "tracepoint"}, {Name: "retransmit", Mode: "none", Err: context.Canceled}}
}

func (h *host) Forget(ids []kernel.WorkloadID) ([]kernel.WorkloadID, error) {
	s := &h.snapshot
	of := func(id kernel.WorkloadID) bool { return slices.Contains(ids, id) }
	for _, id := range ids {
		delete(s.Workloads, id)
	}
	s.Exchanges = slices.DeleteFunc(s.Exchanges, func(r kernel.ExchangeSeries) bool { return of(r.Workload) })
	s.Queue = slices.DeleteFunc(s.Queue, func(r kernel.QueueSeries) bool { return of(r.Workload) })
	s.Edges = slices.DeleteFunc(s.Edges, func(r kernel.Edge) bool { return of(r.Workload) })
	s.Coverage = slices.DeleteFunc(s.Coverage, func(r kernel.Coverage) bool { return of(r.Workload) })
	return ids, nil
}

func (h *host) ForgetPeers(ids []kernel.EdgeID) ([]kernel.EdgeID, error) { return ids, nil }

// Resolve implements [metrics.Resolver].
func (h *host) Resolve(w kernel.Workload) (workload.Labels, workload.State) {
	return h.labels[w.ID], h.states[w.ID]
}

// Gone implements [metrics.Resolver].
func (h *host) Gone(ws []kernel.Workload) (ids []kernel.WorkloadID) {
	for _, w := range ws {
		if h.gone[w.ID] {
			ids = append(ids, w.ID)
		}
	}
	return ids
}

// begin starts a workload.
func (h *host) begin(id kernel.WorkloadID, l workload.Labels) kernel.WorkloadID {
	h.snapshot.Workloads[id] = kernel.Workload{ID: id, Command: l.Workload}
	h.labels[id] = l
	return id
}

func unit(name string) workload.Labels {
	return workload.Labels{Workload: name, Kind: workload.KindUnit}
}

// next lets time pass and takes a sample.
func (h *host) next(after time.Duration) {
	h.t.Helper()
	h.snapshot.Time = h.snapshot.Time.Add(after)
	if err := h.Sample(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) observe(to *kernel.Histogram, bounds []time.Duration, seen ...time.Duration) {
	next := slices.Clone(to.Buckets) // snapshots share the old ones
	if next == nil {
		next = make([]uint64, len(bounds)+1)
	}
	for _, d := range seen {
		i, _ := slices.BinarySearch(bounds, d)
		next[i]++
		to.Sum += d
	}
	to.Buckets = next
}

// record returns the record of a list that is like another, which is added if there is none.
func record[R any](list *[]R, like R, same func(R) bool) *R {
	i := slices.IndexFunc(*list, same)
	if i < 0 {
		*list = append(*list, like)
		i = len(*list) - 1
	}
	return &(*list)[i]
}

// http counts requests of one kind.
func (h *host) http(id kernel.WorkloadID, like kernel.ExchangeSeries, took ...time.Duration) {
	like.Workload = id
	like.Duration = kernel.Histogram{}
	r := record(&h.snapshot.Exchanges, like, func(r kernel.ExchangeSeries) bool {
		return r.Workload == id && r.Role == like.Role && r.Protocol == like.Protocol && r.Operation == like.Operation && r.Status == like.Status && r.Peer == like.Peer && r.TLS == like.TLS
	})
	h.observe(&r.Duration, h.bounds, took...)
}

// serve counts GET requests.
func (h *host) serve(id kernel.WorkloadID, status uint16, took ...time.Duration) {
	h.http(id, kernel.ExchangeSeries{Role: kernel.RoleServer, Protocol: protocol.HTTP1, Operation: "GET", Status: status}, took...)
}

func (h *host) wait(id kernel.WorkloadID, waited ...time.Duration) {
	r := record(&h.snapshot.Queue, kernel.QueueSeries{Workload: id, Protocol: protocol.HTTP1}, func(r kernel.QueueSeries) bool { return r.Workload == id })
	h.observe(&r.Delay, h.bounds, waited...)
}

// edge returns the record of a peer, to be changed.
func (h *host) edge(id kernel.WorkloadID, role kernel.Role, peer string) *kernel.Edge {
	p := netip.MustParseAddrPort(peer)
	e := record(&h.snapshot.Edges, kernel.Edge{Workload: id, Role: role, Peer: p}, func(e kernel.Edge) bool {
		return e.Workload == id && e.Role == role && e.Peer == p
	})
	h.observe(&e.RTT, rttBounds)
	return e
}

func (h *host) cover(id kernel.WorkloadID, class, reason string, connections, received, sent uint64) {
	c := record(&h.snapshot.Coverage, kernel.Coverage{Workload: id, Class: class, Reason: reason}, func(c kernel.Coverage) bool {
		return c.Workload == id && c.Class == class && c.Reason == reason
	})
	c.Connections += connections
	c.BytesReceived += received
	c.BytesSent += sent
}

// row returns a workload's row of the overview; nil if it is not there.
func (h *host) row(name string, window time.Duration) *Workload {
	all := h.overview(window)
	for i := range all.Workloads {
		if all.Workloads[i].Workload == name {
			return &all.Workloads[i]
		}
	}
	return nil
}

// busyWorkloads are as many as the history's target of memory is for.
const busyWorkloads = 200

// busy lets them do what busy services do, for one sample.
func (h *host) busy(random *rand.Rand) {
	for i := range busyWorkloads {
		id := kernel.WorkloadID(i + 1)
		if _, ok := h.snapshot.Workloads[id]; !ok {
			h.begin(id, workload.Labels{
				Namespace: "namespace", Workload: "service-" + string(rune('a'+i%26)) + string(rune('a'+i/26)), Kind: "Deployment",
				Pod: "service-7c9d8b6f5-x" + string(rune('a'+i%26)), Container: "app", Chosen: "team\x00",
			})
		}
		took := func(n int) (all []time.Duration) {
			for range n {
				all = append(all, time.Duration(5e6*(0.2+random.ExpFloat64())))
			}
			return all
		}
		for _, s := range []struct {
			status uint16
			n      int
		}{{200, 90}, {201, 6}, {404, 3}, {503, 1}} {
			h.serve(id, s.status, took(s.n)...)
		}
		h.wait(id, took(100)...)
		h.http(id, kernel.ExchangeSeries{Role: kernel.RoleClient, Protocol: protocol.HTTP1, Operation: "GET", Status: 200, Peer: netip.MustParseAddrPort("10.0.0.9:8080")}, took(80)...)
		h.cover(id, "http1", "", 20, 100_000, 800_000)
		for j, peer := range []string{"10.0.0.1:0", "10.0.0.2:0", "10.0.0.9:8080"} {
			e := h.edge(id, kernel.Role(1+j/2), peer)
			e.SegmentsSent += 100
			e.BytesSent += 60_000
			e.BytesReceived += 10_000
			e.Opened += 7
			e.Closed += 7
			e.Retransmits[kernel.RetransmitFast]++
			h.observe(&e.RTT, rttBounds, took(5)...)
		}
	}
}
