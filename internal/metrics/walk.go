package metrics

import (
	"time"

	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/internal/protocol"
)

// Positions in sample.counts of edges.
const (
	edgeSegments = iota
	edgeBytesSent
	edgeBytesReceived
	edgeOpened
	edgeClosed
	edgeResetsSent
	edgeResetsReceived
	edgeRetransmits
	edgeFailures  = edgeRetransmits + len(kernel.Edge{}.Retransmits)
	numEdgeCounts = edgeFailures + len(kernel.Edge{}.ConnectFailures)
)

// Positions in sample.counts of classes, active exchanges.
const (
	classReceived, classSent  = 0, 1
	activeCount, activeOldest = 0, 1
)

// put takes one record of the kernel side to its series.
type put func(s *series, o *owner, counts []uint64, h kernel.Histogram)

// walk calls put with every counter of a snapshot whose id has an owner. counts
// is valid during the call only. Records of peers whose names are on their way wait, unless this is the last
// time that they are there.
func (e *Exporter) walk(snap *kernel.Snapshot, who func(kernel.WorkloadID) *owner, put put, last bool) {
	for i := range snap.Exchanges {
		if r := &snap.Exchanges[i]; who(r.Workload) != nil {
			o := who(r.Workload)
			if r.Role != kernel.RoleClient {
				put(e.of(r.Protocol).served.get(newExchangeKey(o.group, r), e.previous), o, nil, r.Duration)
				continue
			}
			k := newExchangeKey(o.group, r)
			if !e.nameEnd(&k.end, last) {
				continue
			}
			counts, h := e.sinceBase(keyOfExchange(r), nil, r.Duration)
			put(e.of(r.Protocol).made.get(k, e.previous), o, counts, h)
		}
	}
	for i := range snap.Queue {
		if r := &snap.Queue[i]; who(r.Workload) != nil {
			o := who(r.Workload)
			put(e.of(r.Protocol).queue.get(queueKey{o.group, r.Protocol.Shown()}, e.previous), o, nil, r.Delay)
		}
	}
	for i := range snap.Edges {
		if r := &snap.Edges[i]; who(r.Workload) != nil {
			o := who(r.Workload)
			k := newEdgeKey(o.group, r)
			if !e.nameEnd(&k.end, last) {
				continue
			}
			s := e.edges.get(k, e.previous)
			s.role = r.Role
			counts, h := e.sinceBase(keyOfEdge(r), e.edgeCounts(r), r.RTT)
			put(s, o, counts, h)
		}
	}
	for i := range snap.Coverage {
		if r := &snap.Coverage[i]; who(r.Workload) != nil {
			o := who(r.Workload)
			e.scratch[0] = r.Connections
			put(e.coverage.get(coverageKey{o.group, r.Class, r.Reason}, e.previous), o, e.scratch[:1], kernel.Histogram{})
			e.scratch[classReceived], e.scratch[classSent] = r.BytesReceived, r.BytesSent
			put(e.classes.get(classKey{o.group, r.Class}, e.previous), o, e.scratch[:2], kernel.Histogram{})
		}
	}
}

func (e *Exporter) edgeCounts(r *kernel.Edge) []uint64 {
	c := e.scratch[:numEdgeCounts]
	c[edgeSegments] = r.SegmentsSent
	c[edgeBytesSent] = r.BytesSent
	c[edgeBytesReceived] = r.BytesReceived
	c[edgeOpened] = r.Opened
	c[edgeClosed] = r.Closed
	c[edgeResetsSent] = r.ResetsSent
	c[edgeResetsReceived] = r.ResetsReceived
	copy(c[edgeRetransmits:], r.Retransmits[:])
	copy(c[edgeFailures:], r.ConnectFailures[:])
	return c
}

// updateActive sets the gauges of open exchanges. They are 0, not absent, where
// HTTP, or what it carries, was spoken before.
func (e *Exporter) updateActive(snap *kernel.Snapshot) {
	zero := [2]uint64{}
	at := func(id kernel.WorkloadID, role kernel.Role) *series {
		o := e.shown(id)
		if o == nil {
			return nil
		}
		s := e.active.get(roleKey{o.group, role}, e.previous)
		s.add(e.scrape, zero[:], kernel.Histogram{})
		return s
	}
	for i := range snap.Exchanges {
		if p := snap.Exchanges[i].Protocol; p.Family != protocol.HTTP && p.Carrier == nil {
			continue
		}
		role := kernel.RoleServer
		if snap.Exchanges[i].Role == kernel.RoleClient {
			role = kernel.RoleClient
		}
		at(snap.Exchanges[i].Workload, role)
	}
	for _, a := range snap.Active {
		if s := at(a.Workload, a.Role); s != nil {
			s.now.counts[activeCount] += uint64(max(a.Count, 0)) //nolint:gosec // not negative
			oldest := uint64(max(a.Oldest, 0))                   //nolint:gosec // not negative
			s.now.counts[activeOldest] = max(s.now.counts[activeOldest], oldest)
		}
	}
}

// listener is the state of all sockets that listen at one address for workloads
// with equal labels.
type listener struct {
	series
	queue, limit uint64
	raw, before  uint64 // drops of the sockets there are now, and at the last scrape
	lost         uint64 // drops of sockets that were closed
	seen         time.Time
}

// drops counts those of closed sockets too.
func (l *listener) drops() uint64 { return l.raw + l.lost }

// updateListeners sums up listeners. A sum that fell tells that a socket was closed (one
// of several with SO_REUSEPORT); its drops stay counted.
func (e *Exporter) updateListeners(snap *kernel.Snapshot) {
	for i := range snap.Listeners {
		r := &snap.Listeners[i]
		o := e.shown(r.Workload)
		if o == nil {
			continue
		}
		k := listenerKey{o.group, unmap(r.Address)}
		l, ok := e.listeners[k]
		if !ok {
			l = &listener{series: series{group: o.group, labels: k.labels(), created: e.previous}}
			e.listeners[k] = l
		}
		if l.scrape != e.scrape {
			l.scrape, l.seen, l.before = e.scrape, snap.Time, l.raw
			l.queue, l.limit, l.raw = 0, 0, 0
		}
		l.queue += uint64(r.Queue)
		l.limit += uint64(r.QueueMax)
		l.raw += r.Drops
	}
	for k, l := range e.listeners {
		switch {
		case l.scrape == e.scrape:
			if l.raw < l.before {
				l.lost += l.before - l.raw
			}
		case snap.Time.Sub(l.seen) >= e.grace:
			delete(e.listeners, k)
		}
	}
}
