// Package history keeps the last 15 minutes of what the metrics show, in bounded memory, for people: the agent's page
// and `fathom top`. It serves them as JSON.
//
// Every five seconds a [History] takes a [metrics.View], so that names and numbers are those of /metrics, and keeps what has
// been added since the last one: a frame. A frame has bytes for what counted something only, buckets
// included; three of the older ones become one. Quantiles and rates are computed when somebody asks.
package history

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/internal/metrics"
	"github.com/fathomhq/fathom/internal/workload"
)

const (
	// Interval is the time between samples.
	Interval = 5 * time.Second
	// Span is how far the history reaches back.
	Span = 15 * time.Minute

	// together is how many old frames become one.
	together = 3
	// fine is how many frames stay as they are: those of the last three minutes, and what the next group lacks.
	fine = int(fineSpan/Interval) + together
	// fineSpan is the longest window with steps of one sample.
	fineSpan = 3 * time.Minute
)

// The limits. With 200 workloads that serve 100 requests/s each, with four statuses, three peers and a client's requests, the
// samples of 15 minutes take some 3 MB, and what is known of the series 1 MB (TestMemory prints both).
const (
	// limitBytes bounds the frames. Beyond, the oldest leave.
	limitBytes = 3400 << 10
	// limitWorkloads is as --max-workloads is by default; what is known of each takes some 600 bytes.
	limitWorkloads = 1000
	// limitSeries bounds the series of all workloads together, some 300 bytes each.
	limitSeries = 8192
)

// Viewer shows the metrics: a [metrics.Exporter].
type Viewer interface {
	View(ctx context.Context, see func(*metrics.View)) error
}

var _ Viewer = (*metrics.Exporter)(nil)

// Options configure [New].
type Options struct {
	// Node is the node's name in Kubernetes, elsewhere the host's.
	Node string
	// Version and Revision are those of fathom_build_info.
	Version, Revision string
	// TLS tells whether the agent reads TLS.
	TLS bool
	// Started is when counting began.
	Started time.Time
	// Taps returns how the taps are attached.
	Taps func() []kernel.Tap
	// Logger receives what is wrong (default: discarded).
	Logger *slog.Logger

	cost                                    func() cost // what the process takes; default: of this process
	limitBytes, limitWorkloads, limitSeries int
}

// History keeps what the metrics showed. Its methods may be called concurrently.
type History struct {
	view    Viewer
	options Options
	log     *slog.Logger
	stats   stats

	// mu guards what follows. A sample takes it before its turn among the scrapes, so that who reads the history does not
	// hold up a scrape.
	mu         sync.Mutex
	frames     []frame // oldest first
	bytes      int     // of their data
	sample     uint64  // number of the last one; the first is 1
	tracks     map[workload.Labels]*track
	byRef      []*track // nil: the reference is free
	byID       map[string]*track
	series     int // of all tracks
	shortened  bool
	notShown   int
	names      hostNames
	before     totals // at the start of the oldest frame
	rtt        []float64
	tables     []kernel.Table
	buffer     []byte
	scratch    [widest]uint64
	cumulative [widest]uint64
	sums       sums
}

// stats are the numbers that are metrics, too.
type stats struct {
	bytes, workloads, notShown, seriesNotShown atomic.Int64
}

// New returns an empty history of what a viewer shows.
func New(view Viewer, o Options) *History {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.cost == nil {
		o.cost = ownCost
	}
	if o.limitBytes == 0 {
		o.limitBytes, o.limitWorkloads, o.limitSeries = limitBytes, limitWorkloads, limitSeries
	}
	return &History{
		view: view, options: o, log: o.Logger,
		tracks: make(map[workload.Labels]*track), byID: make(map[string]*track),
		before: totals{cost: o.cost()},
	}
}

// Run takes samples until ctx ends.
func (h *History) Run(ctx context.Context) {
	ticker := time.NewTicker(Interval)
	defer ticker.Stop()
	failed := false
	for {
		err := h.Sample(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil && !failed {
			h.log.Error("sample for the history failed, trying again", "error", err, "interval", Interval)
		}
		failed = err != nil
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Sample adds what has been counted since the last sample. If that fails, the next one adds it.
func (h *History) Sample(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	var err error
	if viewErr := h.view.View(ctx, func(v *metrics.View) { err = h.take(v) }); viewErr != nil {
		return viewErr
	}
	if err != nil {
		return err
	}
	h.compact()
	h.purge()
	h.publish()
	return nil
}

// errNoNative means that quantiles cannot be told.
var errNoNative = errors.New("the kernel side has no native buckets")

// compact makes old frames larger, and lets those go that are too old or find no room.
func (h *History) compact() {
	if len(h.frames) == 2 && h.frames[0].seconds() < Interval.Seconds()/2 {
		h.replace(0, 2, merge(h.frames, &h.sums)) // the agent has just begun: a point of its own would be mostly chance
	}
	for i := 0; len(h.frames)-i > fine; i++ {
		f := h.frames[i]
		if f.first != f.last || f.first%together != 0 {
			continue
		}
		n := 1
		for n < together && h.frames[i+n].first/together == f.first/together {
			n++
		}
		if n > 1 {
			h.replace(i, n, merge(h.frames[i:i+n], &h.sums))
			h.sums = sums{} // it grows with the largest workload
		}
	}
	oldest := h.frames[len(h.frames)-1].end.Add(-Span)
	for len(h.frames) > 1 && (!h.frames[0].end.After(oldest) || h.bytes > h.options.limitBytes) {
		h.shortened = h.frames[0].end.After(oldest)
		h.before = h.frames[0].host
		h.bytes -= len(h.frames[0].data)
		h.frames = slices.Delete(h.frames, 0, 1)
	}
}

// replace puts one frame in the place of n.
func (h *History) replace(i, n int, f frame) {
	for _, old := range h.frames[i : i+n] {
		h.bytes -= len(old.data)
	}
	h.bytes += len(f.data)
	h.frames = slices.Replace(h.frames, i, i+n, f)
}

// purge forgets workloads and series that neither the metrics nor a frame have.
func (h *History) purge() {
	oldest := h.frames[0].first
	for l, t := range h.tracks {
		for _, s := range t.lists() {
			h.series -= s.purge(oldest, h.sample)
		}
		if t.seen == h.sample || t.held >= oldest {
			continue
		}
		for _, s := range t.lists() {
			h.series -= s.size()
		}
		delete(h.tracks, l)
		delete(h.byID, t.id)
		h.byRef[t.ref] = nil
	}
}

func (h *History) publish() {
	h.stats.bytes.Store(int64(h.bytes))
	h.stats.workloads.Store(int64(len(h.tracks)))
}

// room describes the history.
func (h *History) room() Room {
	r := Room{
		LimitSeconds: Span.Seconds(), Shortened: h.shortened,
		Bytes: h.bytes, LimitBytes: h.options.limitBytes,
		Workloads: len(h.tracks), LimitWorkloads: h.options.limitWorkloads, NotShown: h.notShown,
		NotShownTotal:       uint64(h.stats.notShown.Load()),       //nolint:gosec // only grows
		SeriesNotShownTotal: uint64(h.stats.seriesNotShown.Load()), //nolint:gosec // only grows
	}
	if n := len(h.frames); n > 0 {
		r.Seconds = round(h.frames[n-1].end.Sub(h.frames[0].start).Seconds())
	}
	return r
}

// Stats are the numbers of the history that are metrics. It waits for nobody.
type Stats struct {
	Bytes, Workloads, NotShownTotal, SeriesNotShownTotal int64
}

// Stats returns how full the history is.
func (h *History) Stats() Stats {
	return Stats{h.stats.bytes.Load(), h.stats.workloads.Load(), h.stats.notShown.Load(), h.stats.seriesNotShown.Load()}
}
