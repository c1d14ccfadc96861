package metrics

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/internal/protocol"
)

// host is a source whose workloads come, work and go.
type host struct {
	t *testing.T
	fakeSource
	fakeResolver
	e *Exporter
}

func newHost(t *testing.T) *host {
	h := &host{t: t, fakeSource: fakeSource{snapshot: kernel.Snapshot{
		Time: start, Workloads: map[kernel.WorkloadID]kernel.Workload{},
	}}, fakeResolver: fakeResolver{gone: map[kernel.WorkloadID]bool{}}}
	h.e = newExporter(t, &h.fakeSource, &h.fakeResolver)
	return h
}

// begin starts a process of a unit under the lowest free id.
func (h *host) begin(unit string) kernel.WorkloadID {
	id := kernel.WorkloadID(1)
	for ; ; id++ {
		if _, ok := h.snapshot.Workloads[id]; !ok {
			break
		}
	}
	h.snapshot.Workloads[id] = kernel.Workload{ID: id, CgroupID: 100, Command: unit}
	delete(h.gone, id)
	return id
}

func (h *host) end(id kernel.WorkloadID) { h.gone[id] = true }

var peerTest = netip.MustParseAddrPort("10.0.0.1:0")

// serve counts requests, on one connection each.
func (h *host) serve(id kernel.WorkloadID, status uint16, n int) {
	s := &h.snapshot
	for range n {
		request := addTo(&s.Exchanges, func(r kernel.ExchangeSeries) bool { return r.Workload == id && r.Status == status },
			kernel.ExchangeSeries{Workload: id, Role: kernel.RoleServer, Protocol: protocol.HTTP1, Operation: "GET", Status: status, Duration: durations()})
		observe(&request.Duration)
		queue := addTo(&s.Queue, func(r kernel.QueueSeries) bool { return r.Workload == id },
			kernel.QueueSeries{Workload: id, Protocol: protocol.HTTP1, Delay: durations()})
		observe(&queue.Delay)
		edge := addTo(&s.Edges, func(r kernel.Edge) bool { return r.Workload == id },
			kernel.Edge{Workload: id, Role: kernel.RoleServer, Peer: peerTest, RTT: roundTrips()})
		edge.Opened++
		edge.Retransmits[kernel.RetransmitFast] += 2
		coverage := addTo(&s.Coverage, func(r kernel.Coverage) bool { return r.Workload == id },
			kernel.Coverage{Workload: id, Class: "http1"})
		coverage.Connections++
		coverage.BytesSent += 10
	}
}

// scrape lets time pass and scrapes.
func (h *host) scrape(after time.Duration) gathered {
	h.t.Helper()
	h.snapshot.Time = h.snapshot.Time.Add(after)
	return gather(h.t, h.e)
}

func requestsKey(unit string, status int) string {
	return fmt.Sprintf("%s workload=%s workload_kind=unit method=GET status=%d", requestsName, unit, status)
}

// expect compares what unit's counters of all kinds say with one number.
func (h *host) expect(g gathered, when, unit string, want float64) {
	h.t.Helper()
	who := " workload=" + unit + " workload_kind=unit"
	for key, factor := range map[string]float64{
		requestsKey(unit, 200):                                                 1,
		"http_request_queue_seconds" + who:                                     1,
		"tcp_connections_opened_total" + who + " role=server peer=10.0.0.1":    1,
		"tcp_retransmits_total" + who + " role=server peer=10.0.0.1 kind=fast": 2,
		"fathom_connections_total" + who + " class=http1":                      1,
		"fathom_bytes_total" + who + " class=http1 direction=sent":             10,
	} {
		want := want * factor
		if want < 0 {
			want = -1
		}
		if got := g.value(key); got != want {
			h.t.Errorf("%s: %s is %g, want %g", when, key, got, want)
		}
	}
}

const minute = time.Minute

func TestRestartGoesOn(t *testing.T) {
	h := newHost(t)
	a := h.begin("nginx")
	h.serve(a, 200, 7)
	h.expect(h.scrape(minute), "first", "nginx", 7)

	h.end(a)
	b := h.begin("nginx")
	h.serve(b, 200, 2)
	h.expect(h.scrape(minute), "restarted", "nginx", 9)
	for range 15 {
		h.serve(b, 200, 1)
		h.scrape(minute)
	}
	if len(h.forgot) != 1 || h.forgot[0] != a {
		t.Fatalf("forgot %v, want %v", h.forgot, a)
	}
	h.expect(h.scrape(minute), "forgotten", "nginx", 24)

	// The id goes to somebody else, who starts at zero.
	c := h.begin("redis")
	if c != a {
		t.Fatalf("id %d was not used again", a)
	}
	h.serve(c, 200, 1)
	g := h.scrape(minute)
	h.expect(g, "id used again", "redis", 1)
	h.expect(g, "id used again", "nginx", 24)
}

// What only the old id had stays too, while the unit lives.
func TestCarryWithoutRecord(t *testing.T) {
	h := newHost(t)
	a := h.begin("nginx")
	h.serve(a, 500, 3)
	h.scrape(minute)
	h.end(a)
	b := h.begin("nginx")
	for range 20 {
		h.serve(b, 200, 1)
		if got := h.scrape(minute).value(requestsKey("nginx", 500)); got != 3 {
			t.Fatalf("%g requests with status 500, want 3", got)
		}
	}
}

func TestGoneLeaves(t *testing.T) {
	h := newHost(t)
	a := h.begin("nginx")
	idle := h.begin("idle")
	h.serve(a, 200, 7)
	h.serve(idle, 200, 5)
	h.scrape(minute)
	h.end(a)
	for i := range 5 {
		h.expect(h.scrape(minute), fmt.Sprintf("minute %d", i), "nginx", 7)
	}
	if len(h.forgot) != 0 {
		t.Errorf("forgot %v within the grace period", h.forgot)
	}
	for range 3 {
		h.scrape(minute)
	}
	g := h.scrape(minute)
	h.expect(g, "after the grace period", "nginx", -1)
	h.expect(g, "a process without requests", "idle", 5)
	if len(h.e.groups) != 2 || len(h.e.owners) != 2 { // idle and overflow
		t.Errorf("%d groups and %d owners are left", len(h.e.groups), len(h.e.owners))
	}
	// Back after the grace period: zero again, with a created timestamp to tell.
	a = h.begin("nginx")
	h.serve(a, 200, 1)
	before := h.snapshot.Time
	g = h.scrape(minute)
	h.expect(g, "back", "nginx", 1)
	created := g[requestsKey("nginx", 200)].Histogram.GetCreatedTimestamp().AsTime()
	if !created.Equal(before) {
		t.Errorf("created %v, want the scrape before, %v", created, before)
	}
}

// Open connections, traffic and processes each keep a workload.
func TestAliveStays(t *testing.T) {
	h := newHost(t)
	connected, busy := h.begin("connected"), h.begin("busy")
	h.serve(connected, 200, 1)
	h.end(connected)
	h.end(busy) // so says the resolver
	w := h.snapshot.Workloads[connected]
	w.OpenConnections = 1
	h.snapshot.Workloads[connected] = w
	for range 20 {
		h.serve(busy, 200, 1)
		h.scrape(minute)
	}
	g := h.scrape(minute)
	h.expect(g, "connected", "connected", 1)
	h.expect(g, "busy", "busy", 20)
	if len(h.forgot) != 0 {
		t.Errorf("forgot %v", h.forgot)
	}
}

// An id that the kernel side keeps must not be counted twice.
func TestForgetRefused(t *testing.T) {
	h := newHost(t)
	a, b := h.begin("nginx"), h.begin("nginx")
	h.refuse = map[kernel.WorkloadID]bool{a: true}
	h.serve(a, 200, 3)
	h.serve(b, 200, 4)
	h.scrape(minute)
	h.end(a)
	h.end(b)
	for range 15 {
		h.expect(h.scrape(minute), "refused", "nginx", 7)
	}
	if len(h.forgot) != 1 {
		t.Errorf("forgot %v, want %v", h.forgot, b)
	}
	h.refuse = nil
	for range 3 {
		h.scrape(minute)
	}
	h.expect(h.scrape(minute), "released", "nginx", -1)
}

// A crowded workload table does not wait, and loses nothing.
func TestCrowded(t *testing.T) {
	h := newHost(t)
	h.snapshot.Tables = []kernel.Table{{Name: "workloads", Used: 800, Limit: 1000}}
	a := h.begin("curl")
	h.serve(a, 200, 2)
	h.scrape(minute)
	h.end(a)
	h.expect(h.scrape(minute), "forgotten", "curl", 2)
	if len(h.forgot) != 1 {
		t.Fatalf("forgot %v at once", h.forgot)
	}
	h.expect(h.scrape(minute), "carried", "curl", 2)
	b := h.begin("curl")
	h.serve(b, 200, 1)
	h.expect(h.scrape(minute), "back", "curl", 3)
	h.end(b)
	for range 7 {
		h.scrape(minute)
	}
	h.expect(h.scrape(minute), "gone", "curl", -1)
}

// A name that always lives does not collect the peers of all times.
func TestCarryIsBounded(t *testing.T) {
	h := newHost(t)
	h.snapshot.Tables = []kernel.Table{{Name: "workloads", Used: 800, Limit: 1000}}
	h.serve(h.begin("sshd"), 200, 1)
	for i := range 1000 {
		id := h.begin("sshd")
		h.snapshot.Edges = append(h.snapshot.Edges, kernel.Edge{
			Workload: id, Role: kernel.RoleServer, Opened: 1, RTT: roundTrips(),
			Peer: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 0),
		})
		h.end(id)
		if i%50 == 0 {
			h.scrape(time.Second)
			h.scrape(time.Second)
		}
	}
	for range 20 {
		h.scrape(time.Second)
	}
	if n := len(h.e.edges.byKey); n > maxCarried+maxChecks {
		t.Errorf("%d edges are kept", n)
	}
	h.expect(h.scrape(minute), "still lives", "sshd", 1)
}

// One of several sockets at an address is closed; its drops stay counted.
func TestListenerDrops(t *testing.T) {
	h := newHost(t)
	id := h.begin("nginx")
	const key = "tcp_listen_drops_total workload=nginx workload_kind=unit address=0.0.0.0:80"
	listen := func(drops ...uint64) {
		h.snapshot.Listeners = nil
		for _, n := range drops {
			h.snapshot.Listeners = append(h.snapshot.Listeners, kernel.Listener{
				Workload: id, Address: netip.MustParseAddrPort("0.0.0.0:80"), Queue: 1, QueueMax: 10, Drops: n,
			})
		}
	}
	for i, step := range []struct {
		drops       []uint64
		want, queue float64
	}{
		{[]uint64{5, 3}, 8, 2},
		{[]uint64{6, 3}, 9, 2},
		{[]uint64{3}, 9, 1},
		{[]uint64{4}, 10, 1},
		{nil, 10, -1},
		{[]uint64{4, 1}, 11, 2},
	} {
		listen(step.drops...)
		g := h.scrape(minute)
		if got := g.value(key); got != step.want {
			t.Errorf("step %d: %g drops, want %g", i, got, step.want)
		}
		if got := g.value("tcp_listen_queue workload=nginx workload_kind=unit address=0.0.0.0:80"); got != step.queue {
			t.Errorf("step %d: queue %g, want %g", i, got, step.queue)
		}
	}
	listen()
	for range 6 {
		h.scrape(minute)
	}
	if got := h.scrape(minute).value(key); got != -1 {
		t.Errorf("%g drops of a listener that is gone", got)
	}
}

// addTo returns the first record that fits, or a new one.
func addTo[R any](list *[]R, fits func(R) bool, zero R) *R {
	for i := range *list {
		if fits((*list)[i]) {
			return &(*list)[i]
		}
	}
	*list = append(*list, zero)
	return &(*list)[len(*list)-1]
}

// observe adds one millisecond.
func observe(h *kernel.Histogram) {
	for i, n := range durations(ms).Buckets {
		h.Buckets[i] += n
	}
	h.Sum += ms
}
