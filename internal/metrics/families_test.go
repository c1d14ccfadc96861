package metrics

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/internal/protocol"
)

// snapshotOf has the same durations in HTTP and in Redis.
func snapshotOf(bounds, seen []time.Duration) kernel.Snapshot {
	like := kernel.ExchangeSeries{Workload: 1, Role: kernel.RoleServer, Operation: "GET", Duration: histogramOf(bounds, seen...)}
	web, cache := like, like
	web.Protocol, web.Status = protocol.HTTP1, 200
	cache.Protocol = protocol.Redis
	return kernel.Snapshot{
		Time:      start.Add(time.Minute),
		Workloads: map[kernel.WorkloadID]kernel.Workload{1: {ID: 1, Command: "a", OpenConnections: 1}},
		Exchanges: []kernel.ExchangeSeries{web, cache},
	}
}

const (
	webKey   = "http_request_duration_seconds workload=a workload_kind=unit method=GET status=200"
	cacheKey = "db_server_operation_duration_seconds workload=a workload_kind=unit db_system=redis operation=GET status=ok"
)

// All families share the kernel side's buckets; each has its own bounds, and every count is exact.
func TestFamiliesAreExact(t *testing.T) {
	web := kernel.DefaultBuckets()
	bounds := union(union(web, protocol.Databases.Bounds), NativeBounds())
	random := rand.New(rand.NewPCG(3, 9))
	var seen []time.Duration
	for range 5000 {
		seen = append(seen, time.Duration(random.ExpFloat64()*float64(300*time.Microsecond)))
	}
	for _, b := range bounds {
		seen = append(seen, b-1, b, b+1)
	}
	e, err := New(&fakeSource{snapshot: snapshotOf(bounds, seen), bounds: bounds}, &fakeResolver{}, Options{Buckets: web, Started: start})
	if err != nil {
		t.Fatal(err)
	}
	g := gather(t, e)
	for key, classic := range map[string][]time.Duration{webKey: web, cacheKey: protocol.Databases.Bounds} {
		if g[key] == nil {
			t.Fatalf("no %s", key)
		}
		h := g[key].Histogram
		if len(h.Bucket) != len(classic) || h.GetSampleCount() != uint64(len(seen)) {
			t.Fatalf("%s: %d buckets, count %d of %d", key, len(h.Bucket), h.GetSampleCount(), len(seen))
		}
		for i, b := range h.Bucket {
			want := uint64(0)
			for _, d := range seen {
				if d <= classic[i] {
					want++
				}
			}
			if b.GetUpperBound() != classic[i].Seconds() || b.GetCumulativeCount() != want {
				t.Errorf("%s: le %g is %d, want le %s to be %d", key, b.GetUpperBound(), b.GetCumulativeCount(), classic[i], want)
			}
		}
		if n := nativeTotal(h); n != uint64(len(seen)) {
			t.Errorf("%s: %d in native buckets", key, n)
		}
	}
}

func nativeTotal(h *dto.Histogram) uint64 {
	n := h.GetZeroCount()
	for _, c := range nativeCounts(h) {
		n += uint64(c)
	}
	return n
}

// Where the user's bounds take the room, a family has them too.
func TestFamilyWithoutRoom(t *testing.T) {
	bounds := union(classicTest, NativeBounds())
	e, err := New(&fakeSource{snapshot: snapshotOf(bounds, []time.Duration{ms}), bounds: bounds}, &fakeResolver{}, Options{Buckets: classicTest, Started: start})
	if err != nil {
		t.Fatal(err)
	}
	h := gather(t, e)[cacheKey].GetHistogram()
	var got []time.Duration
	for _, b := range h.Bucket {
		got = append(got, time.Duration(b.GetUpperBound()*float64(time.Second)))
	}
	if !slices.Equal(got, classicTest) {
		t.Errorf("bounds %v", got)
	}
}

// Series of other protocols than HTTP follow their peers as those of HTTP do, and leave HTTP's gauges alone.
func TestOtherProtocolsOfPeers(t *testing.T) {
	h := newHost(t)
	id := h.begin("shop")
	peer := netip.MustParseAddrPort("10.0.0.8:6379")
	h.snapshot.Exchanges = append(h.snapshot.Exchanges, kernel.ExchangeSeries{
		Workload: id, Role: kernel.RoleClient, Protocol: protocol.Redis, Operation: "SET", Peer: peer, Duration: durations(ms),
	})
	h.snapshot.Queue = append(h.snapshot.Queue, kernel.QueueSeries{Workload: id, Protocol: protocol.Redis, Delay: durations(ms, ms)})
	const made = "db_client_operation_duration_seconds workload=shop workload_kind=unit db_system=redis peer=10.0.0.8:6379 operation=SET status=ok"
	for range 2 {
		g := h.scrape(minute)
		if g.value(made) != 1 || g.value("db_server_operation_queue_seconds workload=shop workload_kind=unit db_system=redis") != 2 {
			t.Errorf("%g made", g.value(made))
		}
		if n := g.value("http_requests_active workload=shop workload_kind=unit role=client"); n != -1 {
			t.Errorf("%g open HTTP requests of a workload that speaks none", n)
		}
	}
	h.end(id)
	again := h.begin("shop") // what it counted stays
	h.snapshot.Exchanges = append(h.snapshot.Exchanges, kernel.ExchangeSeries{
		Workload: again, Role: kernel.RoleClient, Protocol: protocol.Redis, Operation: "SET", Peer: peer, Duration: durations(ms, ms),
	})
	for range 8 {
		if n := h.scrape(minute).value(made); n != 3 {
			t.Errorf("%g made over a restart", n)
		}
	}
}

// HTTP/1 and HTTP/2 are in the same series, each with what its own records count: over restarts, at another peer and in overflows too.
func TestHTTPVersionsAddUp(t *testing.T) {
	h := newHost(t)
	id := h.begin("shop")
	peer := netip.MustParseAddrPort("10.0.0.8:443")
	add := func(id kernel.WorkloadID, n int) {
		for i, p := range []*protocol.Protocol{protocol.HTTP1, protocol.HTTP2} {
			seen := durations(slices.Repeat([]time.Duration{ms}, n+i)...)
			h.snapshot.Exchanges = append(h.snapshot.Exchanges,
				kernel.ExchangeSeries{Workload: id, Role: kernel.RoleServer, Protocol: p, Operation: "GET", Status: 200, Duration: seen},
				kernel.ExchangeSeries{Workload: id, Role: kernel.RoleClient, Protocol: p, Operation: "GET", Status: 200, Peer: peer, Duration: seen},
				kernel.ExchangeSeries{Workload: id, Role: kernel.RoleServer, Protocol: p, Operation: "OTHER", Status: kernel.StatusOther, Overflow: true, Duration: seen},
				kernel.ExchangeSeries{Workload: id, Role: kernel.RoleClient, Protocol: p, Operation: "GET", Status: 200, Overflow: true, Duration: seen})
			h.snapshot.Queue = append(h.snapshot.Queue, kernel.QueueSeries{Workload: id, Protocol: p, Delay: seen})
		}
	}
	keys := []string{
		"http_request_duration_seconds workload=shop workload_kind=unit method=GET status=200",
		"http_request_duration_seconds workload=shop workload_kind=unit method=overflow status=overflow",
		"http_client_request_duration_seconds workload=shop workload_kind=unit peer=10.0.0.8:443 method=GET status=200",
		"http_client_request_duration_seconds workload=shop workload_kind=unit peer=overflow method=GET status=200",
		"http_request_queue_seconds workload=shop workload_kind=unit",
	}
	add(id, 3)
	for range 2 {
		g := h.scrape(minute)
		for _, key := range keys {
			if n := g.value(key); n != 7 {
				t.Errorf("%s is %g, want 3 and 4", key, n)
			}
		}
	}
	h.end(id)
	add(h.begin("shop"), 1)
	g := h.scrape(minute)
	for _, key := range keys {
		if n := g.value(key); n != 10 {
			t.Errorf("%s is %g over a restart, want 7 and 3", key, n)
		}
	}
}

// Calls of a family without operations have no label for one; who exceeds the limit of peers keeps the status.
func TestCalls(t *testing.T) {
	h := newHost(t)
	id := h.begin("shop")
	for status, overflow := range map[uint16]bool{0: false, 13: true, kernel.StatusOther: true, kernel.StatusUnknown: false} {
		x := kernel.ExchangeSeries{Workload: id, Role: kernel.RoleClient, Protocol: protocol.GRPC, Status: status, Overflow: overflow, Duration: durations(ms)}
		if !overflow {
			x.Peer = netip.MustParseAddrPort("10.0.0.8:50051")
		}
		h.snapshot.Exchanges = append(h.snapshot.Exchanges, x)
	}
	g := h.scrape(minute)
	for _, labels := range []string{
		"peer=10.0.0.8:50051 grpc_status=OK", "peer=overflow grpc_status=INTERNAL", "peer=overflow grpc_status=overflow",
		"peer=10.0.0.8:50051 grpc_status=unknown",
	} {
		if n := g.value("rpc_client_duration_seconds workload=shop workload_kind=unit rpc_system=grpc " + labels); n != 1 {
			t.Errorf("%s: %g", labels, n)
		}
	}
}
