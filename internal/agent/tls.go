package agent

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/internal/tlslib"
	"github.com/fathomhq/fathom/internal/tlswatch"
)

// firstLook is how long the agent waits, until it says that it is ready, for the TLS libraries of the processes that run.
const firstLook = 5 * time.Second

// tlsReader finds the TLS libraries of processes, and shows what it found. It is nil if TLS is not read.
type tlsReader struct {
	*tlswatch.Watch
	lag    prometheus.Histogram
	waited chan struct{} // closed behind wait
}

// newTLSReader returns nil if TLS is not read.
func newTLSReader(k *kernel.Kernel, o Options) *tlsReader {
	if !o.Config.TLS {
		return nil
	}
	return newReader(probes{k}, tlswatch.Options{Logger: o.Logger})
}

func newReader(p tlswatch.Probes, o tlswatch.Options) *tlsReader {
	r := &tlsReader{waited: make(chan struct{}), lag: prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "fathom_tls_lag_seconds",
		Help:    "From a process's first TLS connection until its libraries were probed.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
	})}
	o.Lag = func(d time.Duration) { r.lag.Observe(d.Seconds()) }
	r.Watch = tlswatch.New(p, o)
	return r
}

var (
	tlsFilesDesc = prometheus.NewDesc("fathom_tls_files",
		"TLS libraries in files that are probed.", []string{"kind", "version"}, nil)
	tlsProcessesDesc = prometheus.NewDesc("fathom_tls_processes",
		"Processes that speak TLS, or could: those that are read (reason empty), and why the others are not.", []string{"reason"}, nil)
	tlsFailuresDesc = prometheus.NewDesc("fathom_tls_attach_failures_total",
		"Steps on the way to a probe that failed.", []string{"step", "reason"}, nil)
	tlsInspectedDesc = prometheus.NewDesc("fathom_tls_inspected_files_total",
		"Files that were searched for a TLS library.", nil, nil)
	tlsWaitingDesc = prometheus.NewDesc("fathom_tls_waiting_processes",
		"Processes that are being looked at, or wait for it.", nil, nil)
)

// Describe implements [prometheus.Collector].
func (r *tlsReader) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{tlsFilesDesc, tlsProcessesDesc, tlsFailuresDesc, tlsInspectedDesc, tlsWaitingDesc} {
		descs <- d
	}
	r.lag.Describe(descs)
}

// Collect implements [prometheus.Collector].
func (r *tlsReader) Collect(out chan<- prometheus.Metric) {
	s := r.Snapshot()
	gauge, counter := prometheus.GaugeValue, prometheus.CounterValue
	for l, n := range s.Files {
		out <- prometheus.MustNewConstMetric(tlsFilesDesc, gauge, float64(n), l.Kind.String(), l.Version)
	}
	for o, n := range s.Processes {
		reason := o.String()
		if o == tlswatch.Read {
			reason = ""
		}
		out <- prometheus.MustNewConstMetric(tlsProcessesDesc, gauge, float64(n), reason)
	}
	for f, n := range s.Faults {
		out <- prometheus.MustNewConstMetric(tlsFailuresDesc, counter, float64(n), f.Step, f.Reason)
	}
	out <- prometheus.MustNewConstMetric(tlsInspectedDesc, counter, float64(s.Inspected))
	out <- prometheus.MustNewConstMetric(tlsWaitingDesc, gauge, float64(s.Waiting))
	r.lag.Collect(out)
}

var errFirstLook = errors.New("the TLS libraries of the processes that run are being looked for")

// wait returns when the processes that ran when the agent started have been looked at, or that takes too long. It is called once.
func (r *tlsReader) wait(ctx context.Context) {
	if r == nil {
		return
	}
	select {
	case <-r.Looked():
	case <-time.After(firstLook):
	case <-ctx.Done():
	}
	close(r.waited)
}

// ready returns nil behind wait.
func (r *tlsReader) ready() error {
	if r == nil {
		return nil
	}
	select {
	case <-r.waited:
		return nil
	default:
		return errFirstLook
	}
}

// probes are the kernel's, as the watch wants them.
type probes struct{ k *kernel.Kernel }

// Asked is part of [tlswatch.Probes].
func (p probes) Asked(ctx context.Context) (uint32, error) { return p.k.Asked(ctx) }

// Attach is part of [tlswatch.Probes].
func (p probes) Attach(path string, library tlslib.Library) (io.Closer, error) {
	return p.k.AttachTLS(path, library)
}

// Tell is part of [tlswatch.Probes].
func (p probes) Tell(pid uint32, about tlswatch.Process) error {
	return p.k.TellTLS(pid, kernel.TLSProcess{Opaque: uint32(about.Opaque), AttachedAt: about.AttachedAt, Goroutines: about.Goroutines, Libraries: about.Libraries})
}

// Forget is part of [tlswatch.Probes].
func (p probes) Forget(pid uint32) error { return p.k.ForgetTLS(pid) }
