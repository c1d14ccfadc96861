package https

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/fathomhq/fathom/test/process"
)

// agent is a running one.
type agent struct {
	*process.Process
	t       *testing.T
	address string
}

// startAgent starts an agent that reads TLS, and returns when it is ready. It is stopped with the test.
func startAgent(t *testing.T) *agent {
	t.Helper()
	address := process.FreeAddress(t)
	return &agent{process.StartAgent(t, address, "--tls", "--settle-after=300ms"), t, address}
}

// labels select series: those that have all of them.
type labels map[string]string

// sum adds up the counters, or the counts of the histograms, of a metric that have the labels.
func (a *agent) sum(metric string, want labels) uint64 {
	a.t.Helper()
	resp, err := http.Get("http://" + a.address + "/metrics")
	if err != nil {
		a.t.Fatal(err)
	}
	defer resp.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(resp.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	var n uint64
	for _, m := range families[metric].GetMetric() {
		if has(m, want) {
			n += uint64(m.GetCounter().GetValue()) + m.GetHistogram().GetSampleCount()
		}
	}
	return n
}

func has(m *dto.Metric, want labels) bool {
	for name, value := range want {
		if !slices.ContainsFunc(m.GetLabel(), func(l *dto.LabelPair) bool { return l.GetName() == name && l.GetValue() == value }) {
			return false
		}
	}
	return true
}

// becomes waits until a sum is what it has to be.
func (a *agent) becomes(metric string, with labels, want uint64) {
	a.t.Helper()
	var got uint64
	for end := time.Now().Add(process.Patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if got = a.sum(metric, with); got == want {
			return
		}
	}
	var names []string
	for _, name := range slices.Sorted(maps.Keys(with)) {
		names = append(names, name+"="+with[name])
	}
	a.t.Errorf("%s{%s} = %d, want %d", metric, strings.Join(names, ", "), got, want)
}

// served checks how many requests a workload answered with 200, all of them in TLS.
func (a *agent) served(workload string, want uint64) {
	a.t.Helper()
	a.becomes("http_request_duration_seconds", labels{"workload": workload, "tls": "true", "status": "200"}, want)
	if n := a.sum("http_request_duration_seconds", labels{"workload": workload, "tls": ""}); n != 0 {
		a.t.Errorf("%d requests to %s were counted without TLS", n, workload)
	}
}

// meets makes connections to a server, with requests that are answered with 204, until a sum is above zero: the first are
// over before the agent has found out about the server.
func (a *agent) meets(s server, metric string, with labels) {
	a.t.Helper()
	for end := time.Now().Add(process.Patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		ask(a.t, s, http.StatusNoContent, 1)
		if a.sum(metric, with) > 0 {
			return
		}
	}
	a.t.Fatalf("nothing of %s after %s", metric, process.Patience)
}

// finds is meets until requests are counted.
func (a *agent) finds(s server, workload string) {
	a.t.Helper()
	a.meets(s, "http_request_duration_seconds", labels{"workload": workload, "tls": "true"})
}
