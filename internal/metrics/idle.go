package metrics

import (
	"cmp"
	"slices"
	"time"

	"github.com/fathomhq/fathom/internal/kernel"
)

// maxPeersForgotten bounds how many peers are forgotten at one scrape.
const maxPeersForgotten = 256

// idlePeer is how long an edge has counted nothing.
type idlePeer struct {
	counted uint64 // all of its counts
	since   time.Time
	scrape  uint64
}

// forgetPeers makes room where edges fill up: those that have counted nothing for the grace period go, what they
// have counted stays. In a cluster the peers of a workload that lives on are replaced again and again.
func (e *Exporter) forgetPeers(snap *kernel.Snapshot) {
	perWorkload := make(map[kernel.WorkloadID]int)
	for i := range snap.Edges {
		e.noteActivity(&snap.Edges[i], snap.Time)
		perWorkload[snap.Edges[i].Workload]++
	}
	full := halfFull(snap.Tables)
	var idle []kernel.EdgeID
	for id, p := range e.idle {
		if p.scrape != e.scrape {
			delete(e.idle, id)
			continue
		}
		crowded := full || e.maxPeers > 0 && perWorkload[id.Workload] > e.maxPeers/2
		if crowded && e.shown(id.Workload) != nil && snap.Time.Sub(p.since) >= e.grace {
			idle = append(idle, id)
		}
	}
	if len(idle) == 0 {
		return
	}
	slices.SortFunc(idle, func(a, b kernel.EdgeID) int {
		return cmp.Or(e.idle[a].since.Compare(e.idle[b].since), a.Peer.Compare(b.Peer))
	})
	idle = idle[:min(len(idle), maxPeersForgotten)]
	for _, id := range idle {
		e.idle[id].since = snap.Time // those that stay, since they are connected, wait again
	}
	released, err := e.source.ForgetPeers(idle)
	if err != nil {
		e.log.Warn("forget peers that are idle", "error", err)
	}
	e.dropPeers(snap, released)
}

func (e *Exporter) noteActivity(r *kernel.Edge, now time.Time) {
	if r.Overflow || r.Workload == 0 {
		return
	}
	counted := r.RTT.Count()
	for _, n := range e.edgeCounts(r) {
		counted += n
	}
	p, ok := e.idle[edgeID(r)]
	if !ok {
		p = &idlePeer{}
		e.idle[edgeID(r)] = p
	}
	if !ok || p.counted != counted {
		p.counted, p.since = counted, now
	}
	p.scrape = e.scrape
}

// dropPeers keeps what released edges have counted.
func (e *Exporter) dropPeers(snap *kernel.Snapshot, released []kernel.EdgeID) {
	if len(released) == 0 {
		return
	}
	gone := make(map[kernel.EdgeID]bool, len(released))
	for _, id := range released {
		gone[id] = true
		delete(e.idle, id)
	}
	e.foldPeers(snap, func(id kernel.EdgeID, n *end) bool {
		return gone[id] && e.nameEnd(n, true)
	}, func(k recordKey, _ []uint64, _ kernel.Histogram) { delete(e.bases, k) })
	// A workload that is forgotten at this scrape must not keep them again.
	snap.Edges = slices.DeleteFunc(snap.Edges, func(r kernel.Edge) bool { return !r.Overflow && gone[edgeID(&r)] })
	snap.Exchanges = slices.DeleteFunc(snap.Exchanges, func(r kernel.ExchangeSeries) bool {
		return !r.Overflow && r.Role == kernel.RoleClient && gone[kernel.EdgeID{Workload: r.Workload, Role: r.Role, Peer: r.Peer}]
	})
}

func halfFull(tables []kernel.Table) bool {
	for _, t := range tables {
		if t.Name == "edges" {
			return t.Limit > 0 && t.Used > t.Limit/2
		}
	}
	return false
}
