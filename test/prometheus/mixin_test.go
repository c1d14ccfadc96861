package prometheus

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fathomhq/fathom/test/process"
)

// What tools/prometheus pins, built by `make bin/prometheus`: the Prometheus of today. Debian's is some years older.
const (
	newPrometheus = root + "/bin/prometheus"
	newPromtool   = root + "/bin/promtool"
)

// targets are what the servers scrape: an agent, one with small tables, and one that is down.
type targets struct{ agent, small, down string }

// server is a Prometheus with the mixin's rules.
type server struct {
	prometheus
	program, promtool string
	// native, classic: the forms of histograms that it stores.
	native, classic bool
	// kubernetes: labels are those that agents give in Kubernetes.
	kubernetes bool
	// choices are what is chosen in dashboards, one after the other.
	choices []choice
	// questions are asked of it.
	questions []question
}

// TestMixin asks every query of every dashboard and rule of real Prometheus servers that scrape an agent beside the
// demonstration and some trouble; and those of the documents, which are about Kubernetes and mostly for classic histograms.
func TestMixin(t *testing.T) {
	started := time.Now()
	of := targets{startAgent(t), startAgent(t, "--max-series=4", "--max-series-per-workload=2"), process.FreeAddress(t)}
	process.Start(t, process.Fathom, "demo", "--no-agent")
	makeTrouble(t)

	host := []choice{{".*", ".*", "shop-frontend"}, {".*", "shop-payments|shop-cart", "shop-payments"}, {".*", ".*", "prometheus.test"}}
	pods := []choice{{".*", ".*", "frontend"}, {"shop", "payments|cart|frontend|checkout", "payments"}, {"shop", ".*", "checkout"}}
	dashboards, rules, documents := dashboardQuestions(t), ruleQuestions(t), documentQuestions(t)
	mixin := slices.Concat(dashboards, rules)
	servers := []*server{
		{program: "prometheus", promtool: "promtool", classic: true, choices: host, questions: mixin},
		{program: newPrometheus, promtool: newPromtool, native: true, kubernetes: true, choices: pods, questions: mixin},
		{program: newPrometheus, promtool: newPromtool, native: true, classic: true, kubernetes: true, choices: pods, questions: slices.Concat(mixin, documents)},
	}
	for _, s := range servers {
		s.start(t, of)
	}
	n := 0
	for _, s := range servers {
		s.ask(t)
		s.checkAlerts(t)
		n += len(s.questions)
	}
	if !t.Failed() {
		t.Logf("%d queries of dashboards, %d of rules, %d of documents, asked %d times of %d servers: all with data, after %.0f s",
			len(dashboards), len(rules), len(documents), n, len(servers), time.Since(started).Seconds())
	}
}

// start starts the server with the mixin's rules, an objective of a workload, and what was recorded a week ago.
func (s *server) start(t *testing.T, of targets) {
	t.Helper()
	dir := t.TempDir()
	who, objective, node := `workload="shop-%s",workload_kind="process"`, "{workload: shop-payments}", ""
	agent := fmt.Sprintf("scrape_native_histograms: %v, always_scrape_classic_histograms: %v, ", s.native, s.classic)
	if !s.native {
		agent = "" // the only form that there is, and an old Prometheus knows no such settings
	}
	s.name = agent + "a host's labels"
	if s.kubernetes {
		who, objective, node = `namespace="shop",workload="%s",workload_kind="Deployment"`, "{namespace: shop, workload: payments}", "node: node-1"
		s.name = agent + "Kubernetes' labels"
		agent += kubernetesLabels
	}
	backfill(t, s.promtool, dir, fmt.Sprintf(who, "payments"), fmt.Sprintf(who, "shipping"))
	own := fmt.Sprintf("groups: [{name: own, rules: [{record: http_requests_objective, expr: vector(0.5), labels: %s}]}]", objective)
	files := []string{filepath.Join(dir, "own.yml")}
	if err := os.WriteFile(files[0], []byte(own), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range ruleFiles {
		file, err := filepath.Abs(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	// Of the agent with small tables only these: the other counts the same traffic.
	const format = `
global: {scrape_interval: 970ms, evaluation_interval: 1s} # not in step with the traffic, which comes in bursts
rule_files: [%s]
scrape_configs:
- {job_name: fathom, static_configs: [{targets: [%q], labels: {%s}}], %s}
- job_name: fathom-small
  static_configs: [{targets: [%q, %q]}]
  metric_relabel_configs: [{source_labels: [__name__], regex: "fathom_(overflow|series).*", action: keep}]
`
	s.prometheus = servePrometheus(t, s.name, s.program, dir, fmt.Appendf(nil, format, strings.Join(files, ", "), of.agent, node, agent, of.small, of.down))
}

// kubernetesLabels makes of a host's labels those that an agent gives in Kubernetes (docs/metrics.md): the demonstration's
// services become deployments in the namespace shop, and this test the deployment checkout.
const kubernetesLabels = `metric_relabel_configs: [
    {source_labels: [peer], regex: "(.+)", target_label: peer_workload},
    {source_labels: [workload, peer], regex: "shop-frontend;127.+:.+", target_label: peer_workload, replacement: payments},
    {source_labels: [workload, peer], regex: "shop-frontend;127[.]0[.]0[.]2:.+", target_label: peer_workload, replacement: shipping},
    {source_labels: [workload, peer], regex: "shop-frontend;198.+:.+", target_label: peer_workload, replacement: cart},
    {source_labels: [workload, peer], regex: "shop-load;.+", target_label: peer_workload, replacement: frontend},
    {source_labels: [workload, peer], regex: "shop-(cart|payments|shipping);[^:]+", target_label: peer_workload, replacement: frontend},
    {source_labels: [workload, peer], regex: "shop-frontend;[^:]+", target_label: peer_workload, replacement: load},
    {source_labels: [workload, peer_workload], regex: "shop-.+;.+", target_label: peer_namespace, replacement: shop},
    {source_labels: [workload, peer, peer_workload], regex: "shop-.+;.+:.+;(.+)", target_label: peer_service},
    {source_labels: [workload], regex: "shop-.+|prometheus.test", target_label: namespace, replacement: shop},
    {source_labels: [workload], regex: "prometheus.test", target_label: workload, replacement: shop-checkout},
    {source_labels: [workload], regex: "shop-(.+)", target_label: pod, replacement: "$1-5d9c7b6f4-x2x7k"},
    {source_labels: [workload], regex: "shop-.+", target_label: container, replacement: main},
    {source_labels: [workload], regex: "shop-.+", target_label: workload_kind, replacement: Deployment},
    {source_labels: [workload], regex: "shop-(.+)", target_label: workload},
    {regex: peer, action: labeldrop},
  ]`

// backfill stores what the rules recorded a week ago, when payments and calls of shipping were answered at once.
func backfill(t *testing.T, promtool, dir, payments, shipping string) {
	t.Helper()
	var b bytes.Buffer
	middle := time.Now().Add(-7 * 24 * time.Hour)
	for _, metric := range []struct{ name, labels, value string }{
		{"workload:http_request_duration_seconds:quantile_rate5m", payments + `,quantile="0.9"`, "0.055"},
		{"workload:http_requests:rate30m", payments, "16"},
		{"workload:rpc_server_duration_seconds:quantile_rate5m", shipping + `,quantile="0.9"`, "0.006"},
		{"workload:rpc_server_calls:rate30m", shipping, "10"},
	} {
		fmt.Fprintf(&b, "# TYPE %s gauge\n", metric.name)
		for at := middle.Add(-40 * time.Minute); at.Before(middle.Add(10 * time.Minute)); at = at.Add(15 * time.Second) {
			fmt.Fprintf(&b, "%s{%s} %s %d\n", metric.name, metric.labels, metric.value, at.Unix())
		}
	}
	b.WriteString("# EOF\n")
	file := filepath.Join(dir, "lastweek.txt")
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(promtool, "tsdb", "create-blocks-from", "openmetrics", file, filepath.Join(dir, "data")).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// ask asks its questions until each has an answer.
func (s *server) ask(t *testing.T) {
	t.Helper()
	open := s.questions
	wrong := make(map[string]string)
	for end := time.Now().Add(4 * process.Patience); len(open) > 0 && time.Now().Before(end); time.Sleep(time.Second) {
		var left []question
		for _, q := range open {
			if problem := s.problem(t, q); problem != "" {
				wrong[q.where+": "+q.expr] = problem
				left = append(left, q)
			}
		}
		open = left
	}
	for _, q := range open {
		t.Errorf("%s: %s: %s\n%s", s.name, q.where, wrong[q.where+": "+q.expr], q.expr)
	}
}

// problem tells what is wrong with the answers to a question, whichever workload is chosen. At least one has to have a
// number above 0.
func (s *server) problem(t *testing.T, q question) (problem string) {
	t.Helper()
	for _, c := range s.choices {
		if problem = s.judge(t, q, c); problem == "" || !strings.Contains(q.expr, "$") {
			break
		}
	}
	return problem
}

func (s *server) judge(t *testing.T, q question, c choice) string {
	t.Helper()
	values := s.values(t, q.interpolate(c), q.overTime)
	if q.form != "" && (q.form == "native") != s.native {
		if len(values) > 0 {
			return "data of both forms of a histogram, which Grafana would draw over each other"
		}
		return ""
	}
	if len(values) == 0 {
		if q.variable && strings.HasSuffix(q.where, " namespace") && !s.kubernetes {
			return ""
		}
		return "no data"
	}
	highest := math.Inf(-1)
	for _, v := range values {
		if q.unit == "percentunit" && (v < 0 || v > 1.5 && !strings.Contains(q.where, "CPU") || v > 8) {
			return fmt.Sprintf("a share of %g", v)
		}
		if !math.IsNaN(v) {
			highest = max(highest, v)
		}
	}
	if q.alert == "FathomAgentDown" {
		return "" // up is 0
	}
	if highest <= 0 {
		return fmt.Sprintf("%d values, the highest is %g", len(values), highest)
	}
	return ""
}

// values are all numbers of an answer. A native histogram, which only heat maps ask for, counts as 1.
func (s *server) values(t *testing.T, expr string, overTime bool) (all []float64) {
	t.Helper()
	path := "/api/v1/query?query=" + url.QueryEscape(expr)
	if overTime {
		now := time.Now()
		path = fmt.Sprintf("/api/v1/query_range?query=%s&start=%d&end=%d&step=5", url.QueryEscape(expr), now.Add(-30*time.Second).Unix(), now.Unix())
	}
	resp, err := http.Get(s.url + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Error string
		Data  struct {
			Result []struct {
				series
				Histogram  []any
				Histograms []any
			}
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.Error != "" {
		t.Fatalf("%s: %s: %v %s", s.name, expr, err, answer.Error)
	}
	for _, r := range answer.Data.Result {
		for _, v := range r.Values {
			all = append(all, v.value)
		}
		switch {
		case len(r.Histogram)+len(r.Histograms) > 0:
			all = append(all, 1)
		case len(r.Values) == 0:
			all = append(all, r.Value.value)
		}
	}
	return all
}

// checkAlerts looks whether the alerts are about those who deserve it, and in words.
func (s *server) checkAlerts(t *testing.T) {
	t.Helper()
	resp, err := http.Get(s.url + "/api/v1/alerts")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Data struct {
			Alerts []struct{ Labels, Annotations map[string]string }
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	about := make(map[string]map[string]bool)
	for _, a := range answer.Data.Alerts {
		name := a.Labels["alertname"]
		if about[name] == nil {
			about[name] = make(map[string]bool)
		}
		about[name][strings.TrimPrefix(a.Labels["workload"], "shop-")] = true
		for _, key := range []string{"summary", "description"} {
			text := a.Annotations[key]
			for _, bad := range []string{"{{", "error executing", "<no value>", "  ", "@"} {
				if strings.Contains(text, bad) || text == "" {
					t.Errorf("%s: %s: %s: %s", s.name, name, key, text)
				}
			}
		}
		t.Logf("%s: %s", name, a.Annotations["summary"])
	}
	test := "prometheus.test"
	if s.kubernetes {
		test = "checkout"
	}
	for name, guilty := range map[string]string{
		"FathomHighErrorRatio": test, "FathomErrorBudgetBurnFast": test, "FathomErrorBudgetBurnSlow": test, "FathomLatencyRegression": "payments",
		"FathomHighRPCErrorRatio": test, "FathomRPCErrorBudgetBurnFast": test, "FathomRPCErrorBudgetBurnSlow": test, "FathomRPCLatencyRegression": "shipping",
		"FathomRPCQueueing": test,
		"FathomQueueing":    "payments", "FathomRetransmits": "frontend", "FathomConnectFailures": test, "FathomWorkloadOpaque": test,
		"FathomAgentDown": "", "FathomLosingData": "", "FathomTableFull": "",
	} {
		if !about[name][guilty] {
			t.Errorf("%s: %s is about %v, not about %q", s.name, name, slices.Sorted(maps.Keys(about[name])), guilty)
		}
	}
	for name, innocent := range map[string]string{
		"FathomErrorBudgetBurnFast": "payments", // its objective is 50 %
		"FathomRPCQueueing":         "shipping",
		"FathomQueueing":            "cart", "FathomRetransmits": "payments", "FathomLatencyRegression": "cart", "FathomConnectFailures": "frontend",
	} {
		if about[name][innocent] {
			t.Errorf("%s: %s is about %s", s.name, name, innocent)
		}
	}
}
