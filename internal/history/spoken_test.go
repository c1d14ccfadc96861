package history

import (
	"net/netip"
	"testing"
	"time"

	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/internal/protocol"
)

// Requests in other protocols are shown beside those of HTTP, and apart from them.
func TestOtherProtocols(t *testing.T) {
	h := newHost(t, nil)
	shop, cache := h.begin(1, unit("shop")), h.begin(2, unit("cache"))
	peer := netip.MustParseAddrPort("10.0.0.8:6379")
	call := func(operation string, status uint16, took ...time.Duration) {
		h.http(shop, kernel.ExchangeSeries{Role: kernel.RoleClient, Protocol: protocol.Redis, Operation: operation, Status: status, Peer: peer}, took...)
		h.http(cache, kernel.ExchangeSeries{Role: kernel.RoleServer, Protocol: protocol.Redis, Operation: operation, Status: status}, took...)
	}
	const us = time.Microsecond
	for range 3 {
		h.serve(shop, 200, 80*time.Millisecond)
		call("GET", 0, 100*us, 100*us)
		call("SET", 1, 100*us)           // an error
		call("CLIENT", 1, 100*us)        // of the library: no failure
		call("BLPOP", 0, 20*time.Second) // a wait: counted, and not timed
		h.wait(shop, 8*time.Millisecond) // HTTP
		r := record(&h.snapshot.Queue, kernel.QueueSeries{Workload: cache, Protocol: protocol.Redis}, func(r kernel.QueueSeries) bool { return r.Workload == cache })
		h.observe(&r.Delay, h.bounds, 200*us)
		h.cover(cache, "redis", "", 1, 100, 200)
		h.next(Interval)
	}
	row := h.row("shop", time.Minute)
	if row.Served.Count != 3 || row.Client.Count != 0 || row.Served.Latency.P99 < 0.07 || row.QueueRatio < 0.09 || row.QueueRatio > 0.11 {
		t.Errorf("HTTP: %+v", row)
	}
	if len(row.Protocols) != 1 {
		t.Fatalf("%+v", row.Protocols)
	}
	p := row.Protocols[0]
	if p.Protocol != "redis" || p.Title != "Redis" || p.Role != "client" || p.Count != 15 || p.ErrorRatio != 0.25 || p.QueueRatio.Exists() {
		t.Errorf("%+v", p)
	}
	if p.Latency.P99 > 0.0002 || p.Latency.Mean > 0.0002 {
		t.Errorf("waits count as latency: %+v", p.Latency)
	}
	served := h.row("cache", time.Minute)
	if s := served.Protocols[0]; s.Role != "server" || s.Count != 15 || s.QueueRatio < 0.49 || s.QueueRatio > 0.51 || served.OpaqueRatio != 0 {
		t.Errorf("%+v, opaque %g", s, served.OpaqueRatio)
	}

	d := h.details(h.byID[row.ID], time.Minute)
	if len(d.Protocols) != 1 || len(d.Client.Peers) != 0 || len(d.Statuses) != 1 {
		t.Fatalf("%+v", d)
	}
	s := d.Protocols[0]
	if len(s.Details.Peers) != 1 || s.Details.Peers[0].Peer != "10.0.0.8:6379" || s.Details.Peers[0].Count != 15 || len(s.Details.PerSecond) != len(d.Times) {
		t.Errorf("%+v", s.Details)
	}
	if most := s.Statuses[0]; len(s.Statuses) != 4 || most.Method+" "+most.Status != "GET ok" || most.Count != 6 {
		t.Errorf("%+v", s.Statuses)
	}
	if len(s.Details.Heatmap.Bounds) == 0 {
		t.Error("no heat map")
	}
}
