package metrics

import (
	"context"
	"errors"
	"net/netip"
	"strconv"
	"testing"

	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/internal/peer"
	"github.com/fathomhq/fathom/internal/protocol"
	"github.com/fathomhq/fathom/internal/workload"
)

// viewed are the numbers of a view by what a scrape calls them.
func viewed(t *testing.T, e *Exporter) (all map[string]float64, moved []Move) {
	t.Helper()
	all = make(map[string]float64)
	put := func(name string, s Series, n uint64, labels ...string) {
		l := s.Workload
		key := name
		for _, p := range append([][2]string{{"namespace", l.Namespace}, {"workload", l.Workload}, {"workload_kind", l.Kind}, {"pod", l.Pod}, {"container", l.Container}}, pairs(labels)...) {
			if p[1] != "" {
				key += " " + p[0] + "=" + p[1]
			}
		}
		if _, ok := all[key]; ok {
			t.Errorf("%s is there twice", key)
		}
		all[key] = float64(n)
	}
	ends := func(p Peer) []string {
		l := p.Labels()
		return []string{"peer", l.Peer, "peer_namespace", l.Namespace, "peer_workload", l.Workload, "peer_service", l.Service}
	}
	tls := func(r Request) string {
		if r.TLS {
			return "true"
		}
		return ""
	}
	if err := e.View(t.Context(), func(v *View) {
		moved = v.Moved
		var native [NativeSlots]uint64
		for r, s := range v.Served() {
			put(requestsName, s, s.Histogram.Count(), "method", r.Operation, "status", r.Status, "tls", tls(r))
			sum := uint64(0)
			if !v.Native(s.Histogram, &native) {
				t.Error("no native buckets")
			}
			for _, n := range native {
				sum += n
			}
			if sum != s.Histogram.Count() {
				t.Errorf("%d in native buckets, not %d", sum, s.Histogram.Count())
			}
		}
		for r, s := range v.Made() {
			put("http_client_request_duration_seconds", s, s.Histogram.Count(), append(ends(r.Peer), "method", r.Operation, "status", r.Status, "tls", tls(r))...)
		}
		for _, s := range v.Queue() {
			put("http_request_queue_seconds", s, s.Histogram.Count())
		}
		for role, s := range v.Active() {
			put("http_requests_active", s, s.Counts[ActiveCount], "role", role.String())
		}
		for c, s := range v.Connections() {
			labels := append([]string{"role", c.Role.String()}, ends(c.Peer)...)
			for i, name := range map[int]string{
				EdgeSegmentsSent: "tcp_segments_sent_total", EdgeBytesSent: "tcp_bytes_sent_total", EdgeBytesReceived: "tcp_bytes_received_total",
				EdgeOpened: "tcp_connections_opened_total", EdgeClosed: "tcp_connections_closed_total",
			} {
				put(name, s, s.Counts[i], labels...)
			}
			for k := range len(kernel.Edge{}.Retransmits) {
				if n := s.Counts[EdgeRetransmits+k]; n > 0 {
					put("tcp_retransmits_total", s, n, append(labels, "kind", kernel.RetransmitKind(k).String())...)
				}
			}
			put("tcp_rtt_seconds", s, s.Histogram.Count(), labels...)
		}
		for c, s := range v.Coverage() {
			put("fathom_connections_total", s, s.Counts[0], "class", c.Class, "reason", c.Reason)
		}
		for c, s := range v.Bytes() {
			put("fathom_bytes_total", s, s.Counts[BytesSent], "class", c.Class, "direction", "sent")
		}
		for a, s := range v.Listeners() {
			put("tcp_listen_drops_total", s, s.Counts[ListenerDrops], "address", a.String())
			put("tcp_listen_queue", s, s.Counts[ListenerQueue], "address", a.String())
		}
	}); err != nil {
		t.Fatal(err)
	}
	return all, moved
}

func pairs(labels []string) (p [][2]string) {
	for i := 0; i < len(labels); i += 2 {
		p = append(p, [2]string{labels[i], labels[i+1]})
	}
	return p
}

// A view has what a scrape has.
func TestView(t *testing.T) {
	h := newHost(t)
	a, b := h.begin("nginx"), h.begin("redis")
	h.serve(a, 200, 7)
	h.serve(a, 503, 2)
	h.serve(b, 200, 3)
	h.snapshot.Exchanges = append(h.snapshot.Exchanges,
		kernel.ExchangeSeries{Workload: a, Role: kernel.RoleClient, Protocol: protocol.HTTP1, Operation: "GET", Status: kernel.StatusAborted, TLS: true, Peer: netip.MustParseAddrPort("10.0.0.9:80"), Duration: durations(ms)},
		kernel.ExchangeSeries{Workload: b, Role: kernel.RoleServer, Protocol: protocol.HTTP1, Overflow: true, Status: kernel.StatusOther, Duration: durations(ms, ms)})
	h.snapshot.Active = []kernel.ActiveExchanges{{Workload: a, Role: kernel.RoleServer, Count: 4}}
	h.snapshot.Listeners = []kernel.Listener{{Workload: b, Address: netip.MustParseAddrPort("0.0.0.0:6379"), Queue: 2, QueueMax: 5, Drops: 3}}
	h.scrape(minute)
	h.end(b)
	c := h.begin("redis") // restarted
	h.serve(c, 200, 1)
	all, moved := viewed(t, h.e)
	g := h.scrape(0)
	if len(all) < 30 || len(moved) != 0 {
		t.Fatalf("%d numbers, moved %v", len(all), moved)
	}
	for key, n := range all {
		if got := g.value(key); got != n {
			t.Errorf("%s is %g, a scrape says %g", key, n, got)
		}
	}
	if n := all[requestsKey("redis", 200)]; n != 4 {
		t.Errorf("%g requests of redis, want 4", n)
	}
	for status, want := range map[string]bool{"200": false, "404": false, "500": true, "599": true, "aborted": true, "other": false, "overflow": false, "5": false} {
		if got := (Request{Protocol: protocol.HTTP1, Status: status}).Failed(); got != want {
			t.Errorf("status %s failed: %v", status, got)
		}
	}
	h.err = errBroken
	if err := h.e.View(t.Context(), func(*View) { t.Error("called") }); !errors.Is(err, errBroken) {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	h.e.turn <- struct{}{}
	if err := h.e.View(ctx, func(*View) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v while it is another's turn", err)
	}
}

// Labels that change between two views are told, in Kubernetes' names too.
func TestViewMoves(t *testing.T) {
	h := newPodHost(t)
	id := h.begin("app")
	h.name(id, byContainer, workload.Provisional)
	h.serve(id, 200, 3)
	h.peers[netip.MustParseAddrPort("10.0.0.1:0")] = peer.Peer{Namespace: "shop", Workload: "db", Service: "db"}
	viewed(t, h.e)
	h.name(id, web, workload.Final)
	h.scrape(minute)
	all, moved := viewed(t, h.e)
	if len(moved) != 1 || moved[0] != (Move{byContainer, web}) {
		t.Errorf("moved %v", moved)
	}
	key := "tcp_connections_opened_total namespace=shop workload=web workload_kind=Deployment pod=web-1 container=app role=server peer_namespace=shop peer_workload=db peer_service=db"
	if all[key] != 3 {
		t.Errorf("%s is %g; %v", key, all[key], all)
	}
	if _, moved = viewed(t, h.e); len(moved) != 0 {
		t.Errorf("told again: %v", moved)
	}
	if err := h.e.View(t.Context(), func(v *View) {
		for _, s := range v.Served() {
			if got := v.Chosen(s.Workload); len(got) != 1 || got["label_team"] != "blue" {
				t.Errorf("chosen labels %v", got)
			}
		}
	}); err != nil {
		t.Error(err)
	}
	// Nobody looks any more.
	for i := range 2 * maxMoves {
		h.e.noteMove(&group{key: workload.Labels{Workload: strconv.Itoa(i)}}, &group{key: web})
	}
	if n := len(h.e.moves); n != maxMoves {
		t.Errorf("%d moves are kept", n)
	}
}

// A view does not wait for names; the next scrape does.
func TestViewDoesNotWait(t *testing.T) {
	h := newPodHost(t)
	asked := 0
	h.e.peers = counting{h.peers, &asked}
	id := h.begin("app")
	h.name(id, web, workload.Final)
	h.serve(id, 200, 1)
	viewed(t, h.e)
	if asked != 1 {
		t.Errorf("asked %d times by a view, want 1", asked)
	}
	h.scrape(0)
	if asked < 3 {
		t.Errorf("asked %d times after a scrape: it did not wait", asked)
	}
}

type counting struct {
	fakePeers
	asked *int
}

func (c counting) Resolve(a netip.AddrPort) peer.Answer {
	*c.asked++
	return c.fakePeers.Resolve(a)
}

// Every reason has its sentence.
func TestWhy(t *testing.T) {
	for _, r := range reasons {
		got := ""
		switch r.metric {
		case "fathom_lost_total":
			got = WhyLost(map[string]string{"unreadable_*": "unreadable_io_uring", "map_*": "map_ebusy"}[r.reason])
			if got == "" {
				got = WhyLost(r.reason)
			}
		case "fathom_lost_bytes_total":
			got = WhyLostBytes(r.reason)
		case "fathom_connections_total":
			if got = WhyConnection(r.reason); r.reason == "(empty)" {
				got = "none"
			}
		}
		if got == "" {
			t.Errorf("%s %s: nothing", r.metric, r.reason)
		}
	}
	if got := WhyConnection("compat32"); got != "The first bytes were in memory that could not be read: `compat32` (32-bit program)." {
		t.Error(got)
	}
	if WhyConnection("") != "" || WhyLost("luck") != "" {
		t.Error("an answer to no question")
	}
}
