// Package web is the agent's HTTP endpoint: its listeners, its pages and how
// they end.
package web

import (
	"fmt"
	"html"
	"io"
	"net/http"
	"strings"

	toolkit "github.com/prometheus/exporter-toolkit/web"
)

// Pages is what the endpoint shows.
type Pages struct {
	Version string
	Metrics http.Handler // answers /metrics
	API     http.Handler // answers what is below /api/; may be nil
	Ready   func() error // nil if the agent measures; otherwise its text is shown on /readyz
}

// Queries are example PromQL queries, with what they show.
var Queries = []struct{ Shows, Query string }{
	{
		"99th percentile of the time that a request takes, by workload",
		"histogram_quantile(0.99, sum by (namespace, workload, le) (rate(http_request_duration_seconds_bucket[5m])))",
	},
	{
		"Share of requests that failed, by workload",
		`sum by (namespace, workload) (rate(http_request_duration_seconds_count{status=~"5..|aborted"}[5m]))` +
			` / sum by (namespace, workload) (rate(http_request_duration_seconds_count[5m]))`,
	},
	{
		"Share of TCP segments sent again, by workload",
		"sum by (namespace, workload) (rate(tcp_retransmits_total[5m])) / sum by (namespace, workload) (rate(tcp_segments_sent_total[5m]))",
	},
}

// Handler returns the pages: /, /metrics, /healthz, /readyz and what is below /api/.
func (p Pages) Handler() (http.Handler, error) {
	landing, err := toolkit.NewLandingPage(toolkit.LandingConfig{
		HeaderColor: "#14506e",
		Name:        "Fathom",
		Description: "HTTP latency and TCP health of every workload on this node, counted in the kernel.",
		Version:     html.EscapeString(p.Version),
		Links: []toolkit.LandingLinks{
			{Address: "/metrics", Text: "Metrics", Description: "for Prometheus; native histograms if it asks for them"},
			{Address: "/readyz", Text: "Ready", Description: "whether the agent is attached and measures"},
			{Address: "/healthz", Text: "Alive", Description: "whether the process answers"},
		},
		ExtraHTML: queriesHTML(),
		ExtraCSS:  "pre { white-space: pre-wrap; background: #f3f3f3; padding: 0.5em; }",
		Profiling: "false",
	})
	if err != nil {
		return nil, fmt.Errorf("make the landing page: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", landing)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, nil) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { answer(w, p.Ready()) })
	mux.Handle("GET /metrics", p.Metrics)
	if p.API != nil {
		mux.Handle("GET /api/", p.API)
	}
	return mux, nil
}

func answer(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = fmt.Fprintln(w, err)
		return
	}
	_, _ = io.WriteString(w, "ok\n")
}

func queriesHTML() string {
	var b strings.Builder
	b.WriteString("<h3>Queries to start with</h3>\n")
	for _, q := range Queries {
		fmt.Fprintf(&b, "<p>%s</p>\n<pre>%s</pre>\n", html.EscapeString(q.Shows), html.EscapeString(q.Query))
	}
	return b.String()
}
