package prometheus

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"os/exec"
	"testing"
	"time"

	"github.com/fathomhq/fathom/internal/history"
	"github.com/fathomhq/fathom/internal/top"
	"github.com/fathomhq/fathom/test/process"
)

// self is the workload of this test's program on a plain host.
const self = "prometheus.test"

// ask returns what the agent answers.
func ask[T any](t *testing.T, url string) (body T) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", url, resp.Status, err)
	}
	return body
}

// TestAPI compares what the agent keeps for people with what the client counted, and with what Prometheus calculates of
// the same requests.
func TestAPI(t *testing.T) {
	agent := startAgent(t)
	p := startPrometheus(t, "native", agent, "--enable-feature=native-histograms")
	truth := drive(t)
	all := truth.fast + truth.slow

	// Until a sample has them all.
	var row history.Workload
	api := "http://" + agent
	for end := time.Now().Add(process.Patience); ; time.Sleep(200 * time.Millisecond) {
		for _, w := range ask[history.Workloads](t, api+history.WorkloadsPath+"?window=15m").Workloads {
			if w.Workload == self {
				row = w
			}
		}
		if row.Served.Count >= uint64(all) {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d requests, the client made %d", row.Served.Count, all)
		}
	}
	if row.Served.Count != uint64(all) {
		t.Errorf("%d requests, the client made %d", row.Served.Count, all)
	}
	if want := float64(truth.slow) / float64(all); math.Abs(float64(row.Served.ErrorRatio)-want) > 1e-5 {
		t.Errorf("error ratio %v, want %g", row.Served.ErrorRatio, want)
	}
	d := ask[history.WorkloadDetails](t, api+history.WorkloadPath+"?id="+row.ID)
	for _, s := range d.Statuses {
		if want := map[string]int{fmt.Sprint(statusFast): truth.fast, fmt.Sprint(statusSlow): truth.slow}[s.Status]; s.Count != uint64(want) {
			t.Errorf("%d requests with status %s, the client made %d", s.Count, s.Status, want)
		}
	}
	var hot uint64
	for _, step := range d.Heatmap.Counts {
		for _, n := range step {
			hot += n
		}
	}
	if hot != uint64(all) {
		t.Errorf("%d requests in the heat map, the client made %d", hot, all)
	}

	// This program asks the agent and Prometheus all the time: only what it served stands still.
	var server history.Peer
	for _, peer := range d.Peers {
		if peer.Role == "server" {
			server = peer
		}
	}
	ofServer := fmt.Sprintf("{workload=%q, role=\"server\"}", self)

	// Both have the same: wait for the scrape.
	mine := fmt.Sprintf("{workload=%q}", self)
	p.becomes(t, "count", "sum(histogram_count(http_request_duration_seconds"+mine+"))", float64(all))
	for what, c := range map[string]struct {
		got    history.Number
		query  string
		within float64 // as a factor
	}{
		// Prometheus 2 interpolates between the bounds of a bucket, Prometheus 3 between their logarithms, as the API does.
		"p50":         {row.Served.Latency.P50, "histogram_quantile(0.5, sum(http_request_duration_seconds" + mine + "))", math.Exp2(1.0 / 8)},
		"p90":         {row.Served.Latency.P90, "histogram_quantile(0.9, sum(http_request_duration_seconds" + mine + "))", math.Exp2(1.0 / 8)},
		"p99":         {row.Served.Latency.P99, "histogram_quantile(0.99, sum(http_request_duration_seconds" + mine + "))", math.Exp2(1.0 / 8)},
		"mean":        {row.Served.Latency.Mean, "sum(histogram_sum(http_request_duration_seconds" + mine + ")) / sum(histogram_count(http_request_duration_seconds" + mine + "))", 1.001},
		"queue ratio": {row.QueueRatio, "sum(histogram_sum(http_request_queue_seconds" + mine + ")) / sum(histogram_sum(http_request_duration_seconds" + mine + "))", 1.001},
		"RTT p50":     {server.RTT.P50, "histogram_quantile(0.5, sum by (le) (tcp_rtt_seconds_bucket" + ofServer + "))", 1.001},
		"RTT p99":     {server.RTT.P99, "histogram_quantile(0.99, sum by (le) (tcp_rtt_seconds_bucket" + ofServer + "))", 1.001},
		"segments":    {history.Number(server.SegmentsSent), "sum(tcp_segments_sent_total" + ofServer + ")", 1},
		"opened":      {history.Number(server.Opened), "sum(tcp_connections_opened_total" + ofServer + ")", 1},
	} {
		want := p.query(t, c.query)
		if r := float64(c.got) / want; !(r <= c.within && r >= 1/c.within) {
			t.Errorf("%s: %v, Prometheus says %g", what, c.got, want)
		}
	}

	if p.query(t, "fathom_history_bytes") == 0 || p.query(t, "fathom_history_workloads") == 0 || p.query(t, "sum(fathom_history_not_shown_total)") != 0 {
		t.Error("the metrics of the history are wrong")
	}
	report := once(t, agent)
	for _, r := range report.Workloads {
		if r.Workload.Workload == self && (r.Served.Count != uint64(all) || r.ID != row.ID) {
			t.Errorf("fathom top says %d requests, the client made %d", r.Served.Count, all)
		}
	}
	coverage := ask[history.CoverageReport](t, api+history.CoveragePath)
	for _, l := range coverage.Lost {
		if l.Why == "" {
			t.Errorf("nothing says what %s means", l.Reason)
		}
	}
	a := ask[history.AgentReport](t, api+history.AgentPath)
	if a.AttachMode == "" || a.Kernel == "" || !a.CPURatio.Exists() || a.ResidentBytes < 1<<20 || a.SeriesLimit == 0 || len(coverage.Tables) == 0 {
		t.Errorf("%+v", a)
	}
	t.Logf("agent: %.2f %% of a core, %.0f MB resident", 100*float64(a.CPURatio), float64(a.ResidentBytes)/(1<<20))
}

// once returns what `fathom top --once --json` prints.
func once(t *testing.T, agent string) (r top.Report) {
	t.Helper()
	out, err := exec.Command(process.Fathom, "top", "--once", "--json", "--window=15m", "--address="+agent).Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	return r
}
