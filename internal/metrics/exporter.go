package metrics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/internal/protocol"
	"github.com/fathomhq/fathom/internal/workload"
)

// Exporter turns snapshots into expositions. Its methods may be called
// concurrently; scrapes are served one after the other.
//
// Rules for what is shown:
//   - Records whose workloads have equal labels are added up.
//   - When an id is forgotten, its last values stay in the sums of its labels, so
//     that the counters of a restarted unit go on.
//   - A workload is gone when it has no connection, counts nothing, and the
//     resolver finds no process. After the grace period its id is forgotten; if
//     no other id has its labels, its series go, and what was kept with them.
//   - Ids that found no room in the workload table share the workload "overflow".
//   - Records of an id that the snapshot does not describe wait for the next one, and those of a pod whose name
//     is on its way for that.
//   - Edges that have counted nothing for the grace period make room for others; what they counted stays in the sums.
//   - When an address becomes another peer's, what was counted for it stays with the old one.
type Exporter struct {
	source   Source
	resolver Resolver
	peers    Peers
	node     string
	chosen   []string
	extra    prometheus.Gatherer
	log      *slog.Logger
	grace    time.Duration
	build    labelSet
	started  time.Time
	rtt      *layout
	families []family
	buffers  buffers

	turn     chan struct{} // holds one token; whoever took it may use what follows
	scrape   uint64
	previous time.Time // of the last snapshot
	owners   map[kernel.WorkloadID]*owner
	groups   map[workload.Labels]*group
	overflow *owner
	tables
	listeners map[listenerKey]*listener
	endpoints map[netip.AddrPort]*endpoint
	bases     map[recordKey]*base
	idle      map[kernel.EdgeID]*idlePeer
	maxPeers  int
	viewed    bool   // somebody views
	moves     []Move // since the last view
	scratch   [numEdgeCounts]uint64
}

// tables are the series that belong to workloads.
type tables struct {
	exchanges []*exchanges // by protocol.Family.Index
	active    *table[roleKey]
	edges     *table[edgeKey]
	coverage  *table[coverageKey]
	classes   *table[classKey]
}

// New returns an exporter of a source. It fails if the source's histogram bounds
// do not hold the classic ones of the options.
func New(source Source, resolver Resolver, o Options) (*Exporter, error) {
	o = o.withDefaults()
	exchanges, err := newExchanges(source.Bounds(), o.Buckets)
	if err != nil {
		return nil, err
	}
	rttLayout, err := newLayout(source.RTTBounds(), nil)
	if err != nil {
		return nil, fmt.Errorf("round-trip times: %w", err)
	}
	e := &Exporter{
		source: source, resolver: resolver, peers: o.Peers, node: o.Node, chosen: o.Chosen, extra: o.Extra, log: o.Logger, grace: o.Grace,
		build:    newLabels("version", o.Version, "revision", o.Revision, "goversion", runtime.Version()),
		started:  o.Started,
		rtt:      rttLayout,
		turn:     make(chan struct{}, 1),
		previous: o.Started,
		owners:   make(map[kernel.WorkloadID]*owner),
		groups:   make(map[workload.Labels]*group),
		tables: tables{
			exchanges: exchanges, active: newTable[roleKey](),
			edges: newTable[edgeKey](), coverage: newTable[coverageKey](), classes: newTable[classKey](),
		},
		listeners: make(map[listenerKey]*listener),
		endpoints: make(map[netip.AddrPort]*endpoint),
		bases:     make(map[recordKey]*base),
		idle:      make(map[kernel.EdgeID]*idlePeer),
		maxPeers:  o.MaxPeersPerWorkload,
	}
	e.overflow = &owner{group: e.groupOf(workload.Labels{Workload: overflowValue, Kind: overflowValue})}
	e.owners[0] = e.overflow
	e.families = e.allFamilies()
	return e, nil
}

// write takes a snapshot and writes it. It writes nothing if there is none.
func (e *Exporter) write(ctx context.Context, enc encoder) error {
	if err := e.at(ctx, peerWait, func(snap *kernel.Snapshot) {
		for i := range e.families {
			enc.begin(&e.families[i].Desc)
			e.families[i].write(snap, enc)
		}
	}); err != nil {
		return err
	}
	return enc.end()
}

// at brings all series up to a snapshot of this moment and calls use, in its turn. wait is how long the names of new peers may take.
func (e *Exporter) at(ctx context.Context, wait time.Duration, use func(*kernel.Snapshot)) error {
	select {
	case e.turn <- struct{}{}:
		defer func() { <-e.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	snap, err := e.source.Snapshot()
	if err != nil {
		return fmt.Errorf("read the kernel's counters: %w", err)
	}
	if err := e.check(snap); err != nil {
		return err
	}
	e.update(snap, wait)
	use(snap)
	e.releaseSnapshot()
	return nil
}

// check refuses a snapshot that would give wrong numbers.
func (e *Exporter) check(snap *kernel.Snapshot) error {
	if snap == nil {
		return errors.New("read the kernel's counters: no snapshot")
	}
	for i := range snap.Exchanges {
		x := e.of(snap.Exchanges[i].Protocol)
		if x == nil {
			return errors.New("snapshot: exchanges of no protocol of the list")
		}
		if n := len(snap.Exchanges[i].Duration.Buckets); n != x.layout.buckets {
			return fmt.Errorf("snapshot: request durations have %d buckets, not %d", n, x.layout.buckets)
		}
	}
	for i := range snap.Queue {
		x := e.of(snap.Queue[i].Protocol)
		if x == nil {
			return errors.New("snapshot: queue times of no protocol of the list")
		}
		if n := len(snap.Queue[i].Delay.Buckets); n != x.layout.buckets {
			return fmt.Errorf("snapshot: queue times have %d buckets, not %d", n, x.layout.buckets)
		}
	}
	for i := range snap.Edges {
		if n := len(snap.Edges[i].RTT.Buckets); n != e.rtt.buckets {
			return fmt.Errorf("snapshot: round-trip times have %d buckets, not %d", n, e.rtt.buckets)
		}
	}
	return nil
}

// of returns the series of a protocol's family; nil if there is none.
func (t *tables) of(p *protocol.Protocol) *exchanges {
	if p == nil {
		return nil
	}
	if i := p.Family.Index(); i >= 0 && i < len(t.exchanges) {
		return t.exchanges[i]
	}
	return nil
}

// update brings all series up to a snapshot.
func (e *Exporter) update(snap *kernel.Snapshot, wait time.Duration) {
	e.scrape++
	e.identify(snap)
	e.namePeers(snap, wait)
	e.walk(snap, e.shown, func(s *series, o *owner, counts []uint64, h kernel.Histogram) {
		for _, n := range counts {
			o.activity += n
		}
		o.activity += h.Count()
		s.add(e.scrape, counts, h)
	}, false)
	e.unbase(func(_ recordKey, b *base) bool { return b.scrape != e.scrape })
	e.updateActive(snap)
	e.updateListeners(snap)
	for _, x := range e.exchanges {
		x.served.close(e.scrape)
		x.made.close(e.scrape)
		x.queue.close(e.scrape)
	}
	e.active.close(e.scrape)
	e.edges.close(e.scrape)
	e.coverage.close(e.scrape)
	e.classes.close(e.scrape)
	e.forgetPeers(snap)
	e.expire(snap)
	e.previous = snap.Time
}

func (e *Exporter) fold(s *series, _ *owner, counts []uint64, h kernel.Histogram) {
	s.fold(e.scrape, counts, h)
}

// dropGroup removes a group and all of its series.
func (e *Exporter) dropGroup(g *group) {
	delete(e.groups, g.key)
	for _, x := range e.exchanges {
		x.served.drop(g)
		x.made.drop(g)
		x.queue.drop(g)
	}
	e.active.drop(g)
	e.edges.drop(g)
	e.coverage.drop(g)
	e.classes.drop(g)
	for k := range e.listeners {
		if k.group == g {
			delete(e.listeners, k)
		}
	}
}

// moveGroup gives all that one group kept to another, and removes it.
func (e *Exporter) moveGroup(from, to *group) {
	e.noteMove(from, to)
	delete(e.groups, from.key)
	for _, x := range e.exchanges {
		x.served.move(from, to, e.scrape)
		x.made.move(from, to, e.scrape)
		x.queue.move(from, to, e.scrape)
	}
	e.active.move(from, to, e.scrape)
	e.edges.move(from, to, e.scrape)
	e.coverage.move(from, to, e.scrape)
	e.classes.move(from, to, e.scrape)
	for k, l := range e.listeners {
		if k.group == from {
			delete(e.listeners, k)
			l.group, k.group = to, to
			e.listeners[k] = l
		}
	}
}

// trim bounds what a group carries.
func (e *Exporter) trim(g *group) {
	for _, x := range e.exchanges {
		x.served.trim(g, e.scrape)
		x.made.trim(g, e.scrape)
	}
	e.edges.trim(g, e.scrape)
}

func (e *Exporter) releaseSnapshot() {
	for _, x := range e.exchanges {
		x.served.release()
		x.made.release()
		x.queue.release()
	}
	e.edges.release()
}
