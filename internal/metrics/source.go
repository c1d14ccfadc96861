// Package metrics shows what the kernel side counted to Prometheus.
//
// One [Exporter] answers all scrapes. Each scrape takes one [kernel.Snapshot],
// adds up what has equal labels, and writes the text or the protobuf format
// directly: a registry of client_golang and the encoders of
// prometheus/common take more than twice the time and several times the memory
// at 5,000 series (BenchmarkRegistry beside BenchmarkScrape).
//
// Counters never fall while their labels live. See [Exporter] for the rules.
package metrics

import (
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/internal/workload"
)

// Source is where the numbers come from: a [kernel.Kernel].
type Source interface {
	Snapshot() (*kernel.Snapshot, error)
	Bounds() []time.Duration
	RTTBounds() []time.Duration
	Taps() []kernel.Tap
	Forget(ids []kernel.WorkloadID) ([]kernel.WorkloadID, error)
	ForgetPeers(ids []kernel.EdgeID) ([]kernel.EdgeID, error)
}

// Resolver names workloads: a [workload.Resolver].
type Resolver interface {
	// Resolve returns the labels of a workload and what they are worth. It is called at each scrape until
	// they are final.
	Resolve(w kernel.Workload) (workload.Labels, workload.State)
	// Gone returns those without any process.
	Gone(ws []kernel.Workload) []kernel.WorkloadID
}

var (
	_ Source   = (*kernel.Kernel)(nil)
	_ Resolver = (*workload.Resolver)(nil)
)

// DefaultGrace is how long the series of a workload stay after it has gone: five
// scrapes at the common interval of one minute.
const DefaultGrace = 5 * time.Minute

// Options configure [New].
type Options struct {
	// Peers names the other ends of connections; nil: by their addresses.
	Peers Peers
	// Node is the value of the label node of all workloads; empty: there is no such label.
	Node string
	// Chosen are the names of the labels whose values are in [workload.Labels.Chosen].
	Chosen []string
	// MaxPeersPerWorkload is kernel.Options.MaxPeersPerWorkload.
	MaxPeersPerWorkload int
	// Buckets are the classic bounds of the HTTP histograms, and of other protocols that have none of their own or whose own
	// the source lacks: the same as kernel.Options.Buckets.
	Buckets []time.Duration
	// Grace is how long series stay after their workload has gone (default
	// [DefaultGrace]).
	Grace time.Duration
	// Started is when counting began (default: now). It is the created
	// timestamp of what the first snapshot holds.
	Started time.Time
	// Version and Revision are shown in fathom_build_info.
	Version, Revision string
	// Extra is shown too, after Fathom's own: see [SelfRegistry]. May be nil.
	Extra prometheus.Gatherer
	// Logger receives what is wrong but does not fail a scrape (default: discarded).
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.Grace <= 0 {
		o.Grace = DefaultGrace
	}
	if o.Started.IsZero() {
		o.Started = time.Now()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}
