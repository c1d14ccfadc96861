package history

import (
	"maps"
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

// HTTP/2 is shown with HTTP/1, gRPC apart from both.
func TestHTTP2AndGRPC(t *testing.T) {
	h := newHost(t, nil)
	shop := h.begin(1, unit("shop"))
	serve := func(p *protocol.Protocol, operation string, status uint16, took ...time.Duration) {
		h.http(shop, kernel.ExchangeSeries{Role: kernel.RoleServer, Protocol: p, Operation: operation, Status: status}, took...)
	}
	wait := func(p *protocol.Protocol, took time.Duration) {
		r := record(&h.snapshot.Queue, kernel.QueueSeries{Workload: shop, Protocol: p}, func(r kernel.QueueSeries) bool { return r.Protocol == p })
		h.observe(&r.Delay, h.bounds, took)
	}
	const ms = time.Millisecond
	for range 3 {
		serve(protocol.HTTP1, "GET", 200, 10*ms)
		serve(protocol.HTTP2, "GET", 200, 10*ms, 10*ms)
		serve(protocol.HTTP2, "GET", 500, 10*ms)
		serve(protocol.HTTP2, "UNKNOWN", kernel.StatusUnknown, 10*ms) // no failure that anybody knows of
		wait(protocol.HTTP1, 5*ms)
		wait(protocol.HTTP2, 5*ms)
		serve(protocol.GRPC, "", 0, 2*ms, 2*ms)
		serve(protocol.GRPC, "", 5, 2*ms)  // NOT_FOUND: the caller's
		serve(protocol.GRPC, "", 14, 2*ms) // UNAVAILABLE
		serve(protocol.GRPC, "", kernel.StatusUnknown, 2*ms)
		wait(protocol.GRPC, 4*ms)
		h.cover(shop, "http2", "", 1, 100, 200)
		h.next(Interval)
	}
	row := h.row("shop", time.Minute)
	if s := row.Served; s.Count != 15 || s.ErrorRatio != 0.2 || s.Latency.Mean < 0.0099 || s.Latency.Mean > 0.0101 || row.QueueRatio != 0.2 || row.OpaqueRatio != 0 {
		t.Errorf("HTTP: %+v, %g of the time waiting, opaque %g", s, row.QueueRatio, row.OpaqueRatio)
	}
	if len(row.Protocols) != 1 {
		t.Fatalf("%+v", row.Protocols)
	}
	if p := row.Protocols[0]; p.Protocol != "grpc" || p.Title != "gRPC" || p.Role != "server" || p.Count != 15 || p.ErrorRatio != 0.2 || p.QueueRatio != 0.4 {
		t.Errorf("%+v", p)
	}
	d := h.details(h.byID[row.ID], time.Minute)
	failed := map[string]bool{}
	for _, s := range d.Protocols[0].Statuses {
		if s.Method != "" {
			t.Errorf("an operation of gRPC: %q", s.Method)
		}
		failed[s.Status] = s.Failed
	}
	want := map[string]bool{"OK": false, "NOT_FOUND": false, "UNAVAILABLE": true, "unknown": false}
	if !maps.Equal(failed, want) {
		t.Errorf("statuses: %v", failed)
	}
	if len(d.Statuses) != 3 || d.Statuses[0].Count != 9 {
		t.Errorf("statuses of HTTP: %+v", d.Statuses)
	}
}
