package directory

import "github.com/prometheus/client_golang/prometheus"

// rejection is why an agent was refused.
type rejection int

const (
	badHandshake     rejection = iota // no TLS, or a certificate of another authority
	noCredentials                     // neither certificate nor token
	badToken                          // not an agent's
	uncheckedToken                    // the API server did not answer
	notSynced                         // the directory does not know the cluster yet
	tooManyStreams                    // more than Options.MaxStreams
	tooManyAddresses                  // more than an agent may ask for
	badRequest                        // none that an agent would send
	numRejects
)

var rejections = [numRejects]string{
	"tls", "no_credentials", "token", "token_unchecked", "not_synced", "streams", "addresses", "request",
}

func (r rejection) String() string { return rejections[r] }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("fathom_directory_"+name, help, labels, nil)
}

var (
	descAddresses     = desc("addresses", "Addresses of pods, nodes and services, and those that agents asked for.")
	descAnswers       = desc("answers_total", "Answers sent to agents, changes included.")
	descChanges       = desc("changes_total", "Addresses that became another's while agents followed them.")
	descFollowed      = desc("addresses_followed", "Addresses with ports that at least one agent follows.")
	descGone          = desc("pods_gone", "Pods that ended or were deleted and still have their addresses.")
	descPods          = desc("pods", "Pods that are known, those gone included.")
	descRejects       = desc("rejects_total", "Agents that were refused, or whose stream was ended, by reason.", "reason")
	descServices      = desc("services", "Services that are known.")
	descStreams       = desc("streams", "Agents that are connected.")
	descStreamsLimit  = desc("streams_limit", "Agents that may be connected.")
	descSubscriptions = desc("subscriptions", "Addresses that agents follow, each agent's counted.")
)

// Describe implements [prometheus.Collector].
func (s *Server) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descAddresses, descAnswers, descChanges, descFollowed, descGone, descPods, descRejects, descServices, descStreams,
		descStreamsLimit, descSubscriptions,
	} {
		ch <- d
	}
}

// Collect implements [prometheus.Collector].
func (s *Server) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	stats := s.index.Stats()
	gauge(descAddresses, float64(stats.Addresses))
	gauge(descFollowed, float64(stats.Subscribed))
	gauge(descGone, float64(stats.Gone))
	gauge(descPods, float64(stats.Pods))
	gauge(descServices, float64(stats.Services))
	gauge(descStreams, float64(s.streams.Load()))
	gauge(descStreamsLimit, float64(s.maxStreams))
	gauge(descSubscriptions, float64(s.subscriptions.Load()))
	counter(descAnswers, s.answers.Load())
	counter(descChanges, stats.Changes)
	for r := range numRejects {
		counter(descRejects, s.rejects[r].Load(), r.String())
	}
}
