package agent

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fathomhq/fathom/internal/metrics"
)

// selfRegistry returns the metrics of the agent's own process, and of its watch and its directory if there is a cluster.
func selfRegistry(in *cluster) *prometheus.Registry {
	r := metrics.SelfRegistry()
	if in != nil {
		r.MustRegister(clusterCollector{in})
	}
	return r
}

// clusterCollector shows how an agent gets on with Kubernetes.
type clusterCollector struct{ *cluster }

func clusterDesc(name, help string) *prometheus.Desc { return prometheus.NewDesc(name, help, nil, nil) }

var (
	podsDesc        = clusterDesc("fathom_kubernetes_pods", "Pods of this node that are known.")
	syncedDesc      = clusterDesc("fathom_kubernetes_synced", "1 if the pods of this node were read from the API server, 0 until then.")
	heardDesc       = clusterDesc("fathom_kubernetes_last_heard_timestamp_seconds", "When the API server last sent something; it does so every minute. 0: never.")
	failuresDesc    = clusterDesc("fathom_kubernetes_failures_total", "Requests to the API server that failed. Names stay what they were meanwhile.")
	unusableDesc    = clusterDesc("fathom_kubernetes_unusable_total", "Objects from the API server that were left out, as they were no pods or had no UID.")
	connectedDesc   = clusterDesc("fathom_peers_directory_connected", "1 while a directory answers, 0 otherwise: peers that are new then are unknown.")
	connectionsDesc = clusterDesc("fathom_peers_directory_connections_total", "Times that the agent connected to a directory.")
	addressesDesc   = clusterDesc("fathom_peers_addresses", "Addresses of peers that the agent follows.")
	answersDesc     = clusterDesc("fathom_peers_answers_total", "Answers of the directory.")
	changesDesc     = clusterDesc("fathom_peers_changes_total", "Addresses that became another peer's.")
)

// Describe is part of [prometheus.Collector].
func (c clusterCollector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect is part of [prometheus.Collector].
func (c clusterCollector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64) { ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v) }
	counter := func(d *prometheus.Desc, v uint64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v))
	}
	s := c.pods.Status()
	gauge(podsDesc, float64(len(c.pods.All())))
	gauge(syncedDesc, truth(s.Synced))
	heard := 0.0
	if !s.Heard.IsZero() {
		heard = float64(s.Heard.UnixMilli()) / 1e3
	}
	gauge(heardDesc, heard)
	counter(failuresDesc, s.Failures)
	counter(unusableDesc, s.Unusable)
	if !c.directory {
		return
	}
	p := c.peers.Stats()
	gauge(connectedDesc, truth(p.Connected))
	counter(connectionsDesc, p.Connections)
	gauge(addressesDesc, float64(p.Addresses))
	counter(answersDesc, p.Answers)
	counter(changesDesc, p.Changes)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
