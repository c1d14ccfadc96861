package metrics

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"

	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/internal/protocol"
)

// benchSource has n HTTP series of n/50 workloads, and as many edges as given. All scrapes share
// one snapshot, so that its making is not measured.
type benchSource struct {
	fakeSource
	once *kernel.Snapshot
}

func (b *benchSource) Snapshot() (*kernel.Snapshot, error) {
	b.once.Time = b.once.Time.Add(15 * time.Second)
	return b.once, nil
}

// benchBuckets are the agent's default.
var benchBuckets = []time.Duration{
	1 * ms, 2500 * time.Microsecond, 5 * ms, 10 * ms, 25 * ms, 50 * ms, 75 * ms, 100 * ms, 250 * ms, 500 * ms, 750 * ms,
	time.Second, 2500 * ms, 5 * time.Second, 7500 * ms, 10 * time.Second,
}

func newBenchSource(series, edges int) *benchSource {
	random := rand.New(rand.NewPCG(3, 4))
	bounds := union(benchBuckets, NativeBounds())
	b := &benchSource{fakeSource{bounds: bounds}, &kernel.Snapshot{Time: start, Workloads: map[kernel.WorkloadID]kernel.Workload{}}}
	workload := func(i int) kernel.WorkloadID {
		id := kernel.WorkloadID(i/50 + 1)
		b.once.Workloads[id] = kernel.Workload{ID: id, Command: fmt.Sprintf("service-%d.service", id), OpenConnections: 1}
		return id
	}
	for i := range series {
		seen := make([]time.Duration, 200)
		for j := range seen {
			seen[j] = time.Duration((2 + random.ExpFloat64()) * 1e6)
		}
		b.once.Exchanges = append(b.once.Exchanges, kernel.ExchangeSeries{
			Workload: workload(i), Role: kernel.RoleServer, Protocol: protocol.HTTP1, Operation: "GET", Status: uint16(200 + i%50), Duration: histogramOf(bounds, seen...),
		})
	}
	for i := range edges {
		b.once.Edges = append(b.once.Edges, kernel.Edge{
			Workload: workload(i), Role: kernel.Role(1 + i%2), SegmentsSent: 1000, RTT: roundTrips(ms),
			Peer: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), uint16(i%2*8080)),
		})
	}
	return b
}

func benchExporter(b *testing.B, series, edges int) *Exporter {
	e, err := New(newBenchSource(series, edges), &fakeResolver{}, Options{Buckets: benchBuckets})
	if err != nil {
		b.Fatal(err)
	}
	return e
}

// serveBench measures whole scrapes but the snapshot.
func serveBench(b *testing.B, h http.Handler, accept, encoding string) {
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	r.Header.Set("Accept", accept)
	r.Header.Set("Accept-Encoding", encoding)
	w := &discard{header: http.Header{}}
	h.ServeHTTP(w, r)
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		w.n = 0
		h.ServeHTTP(w, r)
	}
	b.ReportMetric(float64(w.n), "body-bytes")
}

type discard struct {
	header http.Header
	n      int
}

func (d *discard) Header() http.Header { return d.header }
func (d *discard) WriteHeader(int)     {}
func (d *discard) Write(p []byte) (int, error) {
	d.n += len(p)
	return len(p), nil
}

func BenchmarkScrape(b *testing.B) {
	for _, n := range []struct{ series, edges int }{{1000, 0}, {5000, 0}, {4000, 1000}} {
		for _, f := range []struct{ name, accept, encoding string }{
			{"text", acceptText, ""}, {"text-gzip", acceptText, "gzip"}, {"proto", acceptProto, ""}, {"proto-gzip", acceptProto, "gzip"},
		} {
			b.Run(fmt.Sprintf("http=%d/edges=%d/%s", n.series, n.edges, f.name), func(b *testing.B) {
				serveBench(b, benchExporter(b, n.series, n.edges), f.accept, f.encoding)
			})
		}
	}
}

// BenchmarkUpdate measures what precedes the encoding.
func BenchmarkUpdate(b *testing.B) {
	e := benchExporter(b, 5000, 0)
	b.ReportAllocs()
	for b.Loop() {
		if err := e.write(context.Background(), nothing{}); err != nil {
			b.Fatal(err)
		}
	}
}

type nothing struct{}

func (nothing) begin(*Desc)                                   {}
func (nothing) number(labels, labelSet, number, time.Time)    {}
func (nothing) histogram(labels, *sample, *layout, time.Time) {}
func (nothing) end() error                                    { return nil }

// BenchmarkRegistry is the usual way, for comparison: the same series as constant
// metrics, through client_golang's registry and handler. The metrics are made
// beforehand, so it measures less than BenchmarkScrape does.
func BenchmarkRegistry(b *testing.B) {
	families, err := benchExporter(b, 5000, 0).Gather()
	if err != nil {
		b.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	c := constant{}
	for _, f := range families {
		if f.GetName() == requestsName {
			var names []string
			for _, l := range f.Metric[0].Label {
				names = append(names, l.GetName())
			}
			c.desc = prometheus.NewDesc(f.GetName(), f.GetHelp(), names, nil)
			c.metrics = f.Metric
		}
	}
	registry.MustRegister(c)
	for _, f := range []struct{ name, accept string }{{"text", acceptText}, {"proto", acceptProto}} {
		b.Run(f.name, func(b *testing.B) {
			serveBench(b, promhttp.HandlerFor(registry, promhttp.HandlerOpts{}), f.accept, "")
		})
	}
}

type constant struct {
	desc    *prometheus.Desc
	metrics []*dto.Metric
}

type constantMetric struct {
	desc *prometheus.Desc
	dto  *dto.Metric
}

func (c constant) Describe(ch chan<- *prometheus.Desc) { ch <- c.desc }

func (c constant) Collect(ch chan<- prometheus.Metric) {
	for _, m := range c.metrics {
		ch <- constantMetric{c.desc, m}
	}
}

func (m constantMetric) Desc() *prometheus.Desc { return m.desc }

func (m constantMetric) Write(out *dto.Metric) error {
	out.Label, out.Histogram = m.dto.Label, m.dto.Histogram
	return nil
}
