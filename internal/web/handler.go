// Package web is the agent's HTTP endpoint: its listeners, its pages and how
// they end.
package web

import (
	"fmt"
	"io"
	"net/http"

	"github.com/fathomhq/fathom/internal/page"
)

// Pages is what the endpoint shows.
type Pages struct {
	Version string
	Metrics http.Handler // answers /metrics
	API     http.Handler // answers what is below /api/; may be nil
	Ready   func() error // nil if the agent measures; otherwise its text is shown on /readyz
}

// Queries are example PromQL queries, with what they show.
var Queries = []page.Query{
	{
		Shows: "99th percentile of the time that a request takes, by workload",
		Query: "histogram_quantile(0.99, sum by (namespace, workload, le) (rate(http_request_duration_seconds_bucket[5m])))",
	},
	{
		Shows: "Share of requests that failed, by workload",
		Query: `sum by (namespace, workload) (rate(http_request_duration_seconds_count{status=~"5..|aborted"}[5m]))` +
			` / sum by (namespace, workload) (rate(http_request_duration_seconds_count[5m]))`,
	},
	{
		Shows: "Who is overloaded: the share of this time that requests wait before they are read",
		Query: "sum by (namespace, workload) (rate(http_request_queue_seconds_sum[5m]))" +
			" / sum by (namespace, workload) (rate(http_request_duration_seconds_sum[5m]))",
	},
	{
		Shows: "Share of TCP segments sent again, by workload",
		Query: "sum by (namespace, workload) (rate(tcp_retransmits_total[5m])) / sum by (namespace, workload) (rate(tcp_segments_sent_total[5m]))",
	},
}

// Handler returns the pages: /, /metrics, /healthz, /readyz and what is below /api/.
func (p Pages) Handler() (http.Handler, error) {
	mux := http.NewServeMux()
	if err := page.Register(mux, page.Options{Version: p.Version, Queries: Queries}); err != nil {
		return nil, fmt.Errorf("make the page: %w", err)
	}
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
