package agent

import (
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fathomhq/fathom/internal/history"
	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/internal/metrics"
)

// newHistory returns an empty history of what the exporter shows. The cluster may be nil.
func newHistory(k *kernel.Kernel, in *cluster, exporter *metrics.Exporter, o Options) *history.History {
	node, _ := os.Hostname() // without one it has no name
	if in != nil {
		node = in.node
	}
	return history.New(exporter, history.Options{
		Node: node, Version: o.Version, Revision: o.Commit, TLS: o.Config.TLS, Started: time.Now(), Taps: k.Taps, Logger: o.Logger,
	})
}

// historyCollector shows how full the history is.
type historyCollector struct{ *history.History }

var (
	historyBytesDesc = prometheus.NewDesc("fathom_history_bytes",
		"Memory of the samples that the page and fathom top show.", nil, nil)
	historyWorkloadsDesc = prometheus.NewDesc("fathom_history_workloads",
		"Workloads in these samples.", nil, nil)
	historyNotShownDesc = prometheus.NewDesc("fathom_history_not_shown_total",
		"Workloads, or series of others, that a sample had no room for, once per sample. The metrics have them.", []string{"what"}, nil)
)

// Describe implements [prometheus.Collector].
func (historyCollector) Describe(descs chan<- *prometheus.Desc) {
	descs <- historyBytesDesc
	descs <- historyWorkloadsDesc
	descs <- historyNotShownDesc
}

// Collect implements [prometheus.Collector].
func (c historyCollector) Collect(out chan<- prometheus.Metric) {
	s := c.Stats()
	out <- prometheus.MustNewConstMetric(historyBytesDesc, prometheus.GaugeValue, float64(s.Bytes))
	out <- prometheus.MustNewConstMetric(historyWorkloadsDesc, prometheus.GaugeValue, float64(s.Workloads))
	out <- prometheus.MustNewConstMetric(historyNotShownDesc, prometheus.CounterValue, float64(s.NotShownTotal), "workload")
	out <- prometheus.MustNewConstMetric(historyNotShownDesc, prometheus.CounterValue, float64(s.SeriesNotShownTotal), "series")
}
