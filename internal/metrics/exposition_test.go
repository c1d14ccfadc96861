package metrics

import (
	"bytes"
	"context"
	"flag"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/internal/protocol"
	"github.com/fathomhq/fathom/internal/workload"
)

var update = flag.Bool("update", false, "write the golden files")

const golden = "testdata/exposition.txt"

const ms = time.Millisecond

// labelledResolver gives each workload of the golden exposition another kind.
type labelledResolver map[kernel.WorkloadID]workload.Labels

func (r labelledResolver) Resolve(w kernel.Workload) (workload.Labels, workload.State) {
	return r[w.ID], workload.Final
}
func (labelledResolver) Gone([]kernel.Workload) (gone []kernel.WorkloadID) { return nil }

var goldenResolver = labelledResolver{
	1: {Workload: "nginx.service", Kind: workload.KindUnit},
	2: {Workload: "curl", Kind: workload.KindProcess},
	3: {Workload: "3f1b6c0d9e8a", Kind: workload.KindContainer, Container: "3f1b6c0d9e8a"},
	4: {Workload: `a"b\c` + "\uFFFD", Kind: workload.KindProcess},
	5: {Workload: "nginx.service", Kind: workload.KindUnit}, // restarted: as 1
	6: {Namespace: "shop", Workload: "cart", Kind: "Deployment", Pod: "cart-7d9c-x2v", Container: "app"},
}

// goldenSnapshot has every metric, and every special label value.
func goldenSnapshot() kernel.Snapshot {
	s := kernel.Snapshot{Time: start.Add(time.Minute), Workloads: map[kernel.WorkloadID]kernel.Workload{}}
	for id := range goldenResolver {
		s.Workloads[id] = kernel.Workload{ID: id, OpenConnections: 1}
	}
	backend, v6 := netip.MustParseAddrPort("10.0.0.7:8080"), netip.MustParseAddrPort("[2001:db8::1]:443")
	mapped := netip.MustParseAddrPort("[::ffff:10.0.0.9]:0")
	s.Exchanges = []kernel.ExchangeSeries{
		{Workload: 1, Role: kernel.RoleServer, Protocol: protocol.HTTP1, Operation: "GET", Status: 200, Duration: durations(time.Microsecond, 3*ms, 4*ms, 30*ms)},
		{Workload: 5, Role: kernel.RoleServer, Protocol: protocol.HTTP1, Operation: "GET", Status: 200, Duration: durations(5*ms, 300*time.Second)},
		{Workload: 5, Role: kernel.RoleServer, Protocol: protocol.HTTP1, Operation: "GET", Status: 200, TLS: true, Duration: durations(6 * ms)},
		{Workload: 1, Role: kernel.RoleServer, Protocol: protocol.HTTP1, Operation: "POST", Status: kernel.StatusAborted, Duration: durations(2 * time.Second)},
		{Workload: 1, Role: kernel.RoleServer, Protocol: protocol.HTTP1, Operation: "OTHER", Status: kernel.StatusOther, Duration: durations(time.Second)},
		{Workload: 1, Role: kernel.RoleServer, Protocol: protocol.HTTP1, Overflow: true, Duration: durations(ms)},
		{Workload: 0, Role: kernel.RoleServer, Protocol: protocol.HTTP1, Operation: "OTHER", Status: kernel.StatusOther, Overflow: true, Duration: durations()},
		{Workload: 2, Role: kernel.RoleClient, Protocol: protocol.HTTP1, Operation: "GET", Status: 200, Peer: backend, Duration: durations(8 * ms)},
		{Workload: 2, Role: kernel.RoleClient, Protocol: protocol.HTTP1, Operation: "GET", Status: 503, Peer: v6, Duration: durations(9 * ms)},
		{Workload: 2, Role: kernel.RoleClient, Protocol: protocol.HTTP1, Operation: "GET", Status: 200, Duration: durations(10 * ms)},
		{Workload: 2, Role: kernel.RoleClient, Protocol: protocol.HTTP1, Operation: "GET", Status: 200, Overflow: true, Duration: durations(11 * ms)},
		{Workload: 2, Role: kernel.RoleClient, Protocol: protocol.HTTP1, Operation: "OTHER", Status: kernel.StatusOther, Overflow: true, Duration: durations(12 * ms)},
		{Workload: 6, Role: kernel.RoleServer, Protocol: protocol.HTTP1, Operation: "GET", Status: 404, Duration: durations(15 * ms)},
	}
	cache := netip.MustParseAddrPort("10.0.0.8:6379")
	s.Exchanges = append(s.Exchanges,
		kernel.ExchangeSeries{Workload: 2, Role: kernel.RoleClient, Protocol: protocol.Redis, Operation: "GET", Status: 0, Peer: cache, Duration: durations(40*time.Microsecond, 60*time.Microsecond, 3*ms)},
		kernel.ExchangeSeries{Workload: 2, Role: kernel.RoleClient, Protocol: protocol.Redis, Operation: "INCR", Status: redisStatus("WRONGTYPE"), TLS: true, Peer: cache, Duration: durations(ms)},
		kernel.ExchangeSeries{Workload: 2, Role: kernel.RoleClient, Protocol: protocol.Redis, Operation: "BLPOP", Status: kernel.StatusAborted, Peer: cache, Duration: durations(30 * time.Second)},
		kernel.ExchangeSeries{Workload: 3, Role: kernel.RoleServer, Protocol: protocol.Redis, Operation: "GET", Status: 0, Duration: durations(20 * time.Microsecond)},
		kernel.ExchangeSeries{Workload: 3, Role: kernel.RoleServer, Protocol: protocol.Redis, Operation: "OTHER", Status: 1, Duration: durations(20 * time.Microsecond)},
		kernel.ExchangeSeries{Workload: 0, Role: kernel.RoleServer, Protocol: protocol.Redis, Operation: "OTHER", Status: kernel.StatusOther, Overflow: true, Duration: durations(ms)})
	grpc := netip.MustParseAddrPort("10.0.0.9:50051")
	s.Exchanges = append(s.Exchanges,
		// In the same series as those of HTTP/1, but what nobody could tell.
		kernel.ExchangeSeries{Workload: 1, Role: kernel.RoleServer, Protocol: protocol.HTTP2, Operation: "GET", Status: 200, Duration: durations(2*ms, 7*ms)},
		kernel.ExchangeSeries{Workload: 1, Role: kernel.RoleServer, Protocol: protocol.HTTP2, Operation: "UNKNOWN", Status: kernel.StatusUnknown, Duration: durations(8 * ms)},
		kernel.ExchangeSeries{Workload: 2, Role: kernel.RoleClient, Protocol: protocol.HTTP2, Operation: "GET", Status: 200, Peer: backend, Duration: durations(9 * ms)},
		kernel.ExchangeSeries{Workload: 1, Role: kernel.RoleServer, Protocol: protocol.HTTP2, Overflow: true, Duration: durations(ms)},
		kernel.ExchangeSeries{Workload: 0, Role: kernel.RoleServer, Protocol: protocol.HTTP2, Operation: "OTHER", Status: kernel.StatusOther, Overflow: true, Duration: durations(4 * ms)},
		kernel.ExchangeSeries{Workload: 6, Role: kernel.RoleServer, Protocol: protocol.GRPC, Status: 0, Duration: durations(5*ms, 6*ms)},
		kernel.ExchangeSeries{Workload: 6, Role: kernel.RoleServer, Protocol: protocol.GRPC, Status: 14, TLS: true, Duration: durations(ms)},
		kernel.ExchangeSeries{Workload: 6, Role: kernel.RoleServer, Protocol: protocol.GRPC, Status: kernel.StatusUnknown, Duration: durations(ms)},
		kernel.ExchangeSeries{Workload: 6, Role: kernel.RoleServer, Protocol: protocol.GRPC, Status: kernel.StatusOther, Overflow: true, Duration: durations(ms)},
		kernel.ExchangeSeries{Workload: 2, Role: kernel.RoleClient, Protocol: protocol.GRPC, Status: 4, Peer: grpc, Duration: durations(time.Second)},
		kernel.ExchangeSeries{Workload: 2, Role: kernel.RoleClient, Protocol: protocol.GRPC, Status: kernel.StatusAborted, Peer: grpc, Duration: durations(2 * time.Second)},
		kernel.ExchangeSeries{Workload: 2, Role: kernel.RoleClient, Protocol: protocol.GRPC, Status: 0, Overflow: true, Duration: durations(3 * ms)},
		kernel.ExchangeSeries{Workload: 0, Role: kernel.RoleServer, Protocol: protocol.GRPC, Status: kernel.StatusOther, Overflow: true, Duration: durations(ms)})
	s.Queue = []kernel.QueueSeries{{Workload: 3, Protocol: protocol.Redis, Delay: durations(10 * time.Microsecond)}, {Workload: 1, Protocol: protocol.HTTP1, Delay: durations(20*time.Microsecond, ms)}}
	s.Queue = append(s.Queue,
		kernel.QueueSeries{Workload: 1, Protocol: protocol.HTTP2, Delay: durations(30*time.Microsecond, 2*ms)},
		kernel.QueueSeries{Workload: 6, Protocol: protocol.GRPC, Delay: durations(40 * time.Microsecond)})
	s.Active = []kernel.ActiveExchanges{
		{Workload: 1, Role: kernel.RoleServer, Count: 2, Oldest: 1500 * ms},
		{Workload: 5, Role: kernel.RoleServer, Count: 1, Oldest: 250 * ms},
	}
	s.Edges = []kernel.Edge{
		{
			Workload: 2, Role: kernel.RoleClient, Peer: backend, SegmentsSent: 100, BytesSent: 5000, BytesReceived: 70000,
			Retransmits: [5]uint64{1, 2, 3, 4, 0}, Opened: 7, Closed: 6, ConnectFailures: [6]uint64{1, 2, 3, 4, 5, 6},
			ResetsSent: 1, ResetsReceived: 2, RTT: roundTrips(20*time.Microsecond, 300*time.Microsecond, time.Second),
		},
		{
			Workload: 1, Role: kernel.RoleServer, Peer: mapped, SegmentsSent: 10, BytesSent: 20, BytesReceived: 30,
			Retransmits: [5]uint64{0, 0, 0, 0, 2}, Opened: 1, RTT: roundTrips(),
		},
		{Workload: 1, Role: kernel.RoleServer, Overflow: true, BytesSent: 1, RTT: roundTrips()},
		{Workload: 0, Role: kernel.RoleUnknown, Overflow: true, BytesSent: 2, RTT: roundTrips()},
	}
	s.Coverage = []kernel.Coverage{
		{Workload: 1, Class: "http1", Connections: 5, BytesReceived: 500, BytesSent: 9000},
		{Workload: 1, Class: "http1", Reason: "joined", Connections: 1, BytesReceived: 50, BytesSent: 900},
		{Workload: 1, Class: "http2", Connections: 2, BytesReceived: 60, BytesSent: 70},
		{Workload: 3, Class: "redis", Connections: 4, BytesReceived: 700, BytesSent: 800},
		{Workload: 3, Class: "tls", Connections: 2, BytesReceived: 11, BytesSent: 22},
		{Workload: 4, Class: "idle", Connections: 1},
	}
	s.Listeners = []kernel.Listener{
		{Workload: 1, Address: netip.MustParseAddrPort("0.0.0.0:80"), Queue: 3, QueueMax: 511, Drops: 4},
		{Workload: 5, Address: netip.MustParseAddrPort("0.0.0.0:80"), QueueMax: 511},
		{Workload: 1, Address: netip.MustParseAddrPort("[::]:443"), QueueMax: 511},
	}
	s.Lost = []kernel.Lost{{Reason: "gap", Count: 0}, {Reason: "connections_full", Count: 3}}
	s.LostBytes = []kernel.LostBytes{
		{Direction: "read", Reason: "untapped", Bytes: 17}, {Direction: "write", Reason: "untapped"},
		{Direction: "read", Reason: "late"}, {Direction: "write", Reason: "late", Bytes: 4},
	}
	s.Tables = []kernel.Table{
		{Name: "http_series", Used: 9, Limit: 4096, Overflowed: 2, MemoryBytes: 7602176},
		{Name: "connections", Used: 12, Limit: 32768, MemoryBytes: 12582912},
	}
	s.Programs = []kernel.Program{
		{Name: "data_read", Runs: 120000, Time: 96 * ms, Missed: 2},
		{Name: "data_written", Runs: 110000, Time: 88 * ms, Missed: 1},
	}
	return s
}

// redisStatus returns the number of a status.
func redisStatus(name string) uint16 {
	for n := range uint16(1 << 8) {
		if protocol.Redis.Status(n) == name {
			return n
		}
	}
	return kernel.StatusOther
}

func goldenText(t *testing.T) []byte {
	t.Helper()
	e := newExporter(t, &fakeSource{snapshot: goldenSnapshot()}, goldenResolver)
	var text bytes.Buffer
	if err := e.write(context.Background(), newTextEncoder(&text)); err != nil {
		t.Fatal(err)
	}
	// The version of Go is not part of the promise.
	lines := strings.SplitAfter(text.String(), "\n")
	for i, l := range lines {
		if before, after, ok := strings.Cut(l, `goversion="go`); ok {
			_, after, _ = strings.Cut(after, `"`)
			lines[i] = before + `goversion="go1.x"` + after
		}
	}
	return []byte(strings.Join(lines, ""))
}

// The names, labels and form of the exposition are a promise.
func TestGolden(t *testing.T) {
	got := goldenText(t)
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got), "\n")); diff != "" {
		t.Errorf("differs from %s; if that is meant, run go test ./internal/metrics -update:\n%s", golden, diff)
	}
	if !bytes.Equal(got, goldenText(t)) {
		t.Error("the order is not the same each time")
	}
}

func TestPromtoolAcceptsGolden(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("FATHOM_REQUIRE_TOOLS") == "1" {
			t.Fatal("promtool is not installed (Debian package prometheus)")
		}
		t.Skip("promtool is not installed; FATHOM_REQUIRE_TOOLS=1 makes this an error")
	}
	text, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(promtool, "check", "metrics")
	cmd.Stdin = bytes.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}

func TestLint(t *testing.T) {
	e := newExporter(t, &fakeSource{snapshot: goldenSnapshot()}, goldenResolver)
	families, err := e.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// Both formats say the same, and no more than is described.
func TestFormatsAgree(t *testing.T) {
	e := newExporter(t, &fakeSource{snapshot: goldenSnapshot()}, goldenResolver)
	binary, err := e.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := e.write(context.Background(), newTextEncoder(&text)); err != nil {
		t.Fatal(err)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	parsed, err := parser.TextToMetricFamilies(&text)
	if err != nil {
		t.Fatal(err)
	}
	descs := Families()
	if len(binary) != len(parsed) || len(binary) != len(descs) {
		t.Fatalf("%d families in protobuf, %d in text, %d described", len(binary), len(parsed), len(descs))
	}
	for i, f := range binary {
		d := descs[i]
		if f.GetName() != d.Name || f.GetHelp() != d.Help || !strings.EqualFold(f.GetType().String(), string(d.Type)) {
			t.Errorf("%s %s %q is described as %+v", f.GetName(), f.GetType(), f.GetHelp(), d)
		}
		for _, m := range f.Metric {
			if names := labelNames(m); !slices.Equal(names, d.Labels) {
				t.Errorf("%s has the labels %v, described are %v", d.Name, names, d.Labels)
			}
		}
		if diff := cmp.Diff(plain(parsed[d.Name]), plain(f)); diff != "" {
			t.Errorf("%s, text and protobuf:\n%s", d.Name, diff)
		}
	}
	if !slices.IsSortedFunc(descs, func(a, b Desc) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("families are not in the order of their names")
	}
}

func labelNames(m *dto.Metric) (names []string) {
	for _, l := range m.Label {
		names = append(names, l.GetName())
	}
	return names
}

// plain is what both formats can say of a family.
func plain(f *dto.MetricFamily) (lines []string) {
	lines = append(lines, f.GetHelp(), f.GetType().String())
	for _, m := range f.Metric {
		var text bytes.Buffer
		if h := m.Histogram; h != nil {
			m = &dto.Metric{Label: m.Label, Histogram: &dto.Histogram{SampleCount: h.SampleCount, SampleSum: h.SampleSum, Bucket: h.Bucket}}
		}
		one := &dto.MetricFamily{Name: f.Name, Type: f.Type, Metric: []*dto.Metric{m}}
		if _, err := expfmt.MetricFamilyToText(&text, one); err != nil {
			return []string{err.Error()}
		}
		lines = append(lines, strings.Split(text.String(), "\n")...)
	}
	return lines
}
