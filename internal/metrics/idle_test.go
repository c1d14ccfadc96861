package metrics

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/fathomhq/fathom/internal/kernel"
)

// Edges that count nothing make room where they fill up, and what they counted stays.
func TestIdlePeersMakeRoom(t *testing.T) {
	h := newHost(t)
	e, err := New(&h.fakeSource, &h.fakeResolver, Options{Buckets: classicTest, Started: start, MaxPeersPerWorkload: 4})
	if err != nil {
		t.Fatal(err)
	}
	h.e = e
	id := h.begin("nginx")
	peer := func(i byte) netip.AddrPort { return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 1, i}), 0) }
	edge := func(i byte) *kernel.Edge {
		return addTo(&h.snapshot.Edges, func(r kernel.Edge) bool { return r.Peer == peer(i) },
			kernel.Edge{Workload: id, Role: kernel.RoleServer, Peer: peer(i), RTT: roundTrips()})
	}
	key := func(i int) string {
		return fmt.Sprintf("tcp_connections_opened_total workload=nginx workload_kind=unit role=server peer=10.0.1.%d", i)
	}
	edge(1).Opened = 5
	edge(2).Opened = 7
	for range 20 {
		h.scrape(minute)
	}
	if len(h.peersForgot) != 0 {
		t.Fatalf("forgot %v while there is room", h.peersForgot)
	}
	edge(3).Opened = 1
	edge(4).Opened = 1
	h.connected = map[kernel.EdgeID]bool{edgeID(edge(2)): true}
	for range 20 {
		edge(3).Opened++
		edge(4).Opened++
		h.scrape(minute)
	}
	if len(h.peersForgot) != 1 || h.peersForgot[0].Peer != peer(1) {
		t.Fatalf("forgot %v, want 10.0.1.1", h.peersForgot)
	}
	g := h.scrape(minute)
	if g.value(key(1)) != 5 || g.value(key(2)) != 7 {
		t.Errorf("%g and %g, want 5 and 7", g.value(key(1)), g.value(key(2)))
	}
	edge(1).Opened = 2 // it comes again, as a new record
	if got := h.scrape(minute).value(key(1)); got != 7 {
		t.Errorf("%g, want 7", got)
	}

	// The workload ends: nothing is kept twice.
	h.end(id)
	again := h.begin("nginx")
	h.serve(again, 200, 1)
	h.connected = nil
	for len(h.forgot) == 0 {
		h.serve(again, 200, 1)
		h.scrape(minute)
	}
	g = h.scrape(minute)
	if g.value(key(1)) != 7 || g.value(key(2)) != 7 {
		t.Errorf("after the workload's end %g and %g, want 7 and 7", g.value(key(1)), g.value(key(2)))
	}
}
