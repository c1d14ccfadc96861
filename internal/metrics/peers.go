package metrics

import (
	"net/netip"
	"slices"
	"time"

	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/internal/peer"
	"github.com/fathomhq/fathom/internal/protocol"
)

// Peers names the other ends of connections: a [peer.Resolver].
type Peers interface {
	// Resolve returns who has an address now. It is called for each address at each scrape, and does not block.
	Resolve(address netip.AddrPort) peer.Answer
}

// endpoint is what is known of an address that workloads talk to.
type endpoint struct {
	peer    peer.Peer
	before  peer.Peer // whose it was until this scrape, if changed
	changed bool
	shown   bool // something is counted for peer
	awaited bool // a scrape has waited for the answer
	scrape  uint64
}

// recordKey names a record of the kernel side that has a peer. Records of edges have no protocol.
type recordKey struct {
	workload  kernel.WorkloadID
	role      kernel.Role
	peer      netip.AddrPort
	protocol  *protocol.Protocol
	operation string
	status    uint16
	tls       bool
}

func keyOfEdge(r *kernel.Edge) recordKey {
	return recordKey{workload: r.Workload, role: r.Role, peer: r.Peer}
}

func keyOfExchange(r *kernel.ExchangeSeries) recordKey {
	return recordKey{r.Workload, r.Role, r.Peer, r.Protocol, r.Operation, r.Status, r.TLS}
}

// base is what a record had counted when its address became another peer's.
type base struct {
	sample
	scrape uint64 // the last one with the record
}

const (
	// peerWait is how long a scrape waits for the names of addresses that it is the first to ask for. A directory takes a
	// round trip, some 1 ms; without the wait a new peer would show one scrape interval late.
	peerWait  = 250 * time.Millisecond
	peerAgain = 2 * time.Millisecond
)

// namePeers asks who has the addresses of a snapshot. What was counted for those that changed hands stays
// with whoever had them. It waits for the first answers for a time.
func (e *Exporter) namePeers(snap *kernel.Snapshot, wait time.Duration) {
	if e.peers == nil {
		return
	}
	var asked []netip.AddrPort
	for i := range snap.Edges {
		asked = e.namePeer(asked, snap.Edges[i].Peer)
	}
	for i := range snap.Exchanges {
		if snap.Exchanges[i].Role == kernel.RoleClient {
			asked = e.namePeer(asked, snap.Exchanges[i].Peer)
		}
	}
	for began := time.Now(); len(asked) > 0 && time.Since(began) < wait; time.Sleep(peerAgain) {
		asked = slices.DeleteFunc(asked, func(a netip.AddrPort) bool {
			p := e.endpoints[a]
			p.awaited = true
			return e.resolve(a, p)
		})
	}
	changed := false
	for address, p := range e.endpoints {
		changed = changed || p.changed
		if p.scrape != e.scrape {
			delete(e.endpoints, address)
		}
	}
	if !changed {
		return
	}
	e.settle(snap)
	for _, p := range e.endpoints {
		p.changed = false
	}
}

// namePeer asks who has an address, once per scrape, and adds it to those of which nothing is known yet.
func (e *Exporter) namePeer(asked []netip.AddrPort, address netip.AddrPort) []netip.AddrPort {
	address = unmap(address)
	if !address.IsValid() {
		return asked
	}
	p, ok := e.endpoints[address]
	if !ok {
		p = &endpoint{}
		e.endpoints[address] = p
	}
	if p.scrape != e.scrape {
		p.scrape = e.scrape
		if !e.resolve(address, p) && !p.awaited {
			asked = append(asked, address)
		}
	}
	return asked
}

// resolve tells whether anything is known of the address. What is known serves on while nobody answers.
func (e *Exporter) resolve(address netip.AddrPort, p *endpoint) bool {
	now := e.peers.Resolve(address)
	if now.State == peer.Pending || now.State == peer.Unavailable && p.shown {
		return p.shown
	}
	p.before, p.changed = p.peer, p.shown && p.peer != now.Peer
	p.peer, p.shown = now.Peer, true
	return true
}

// settle closes the accounts of those who lost an address.
func (e *Exporter) settle(snap *kernel.Snapshot) {
	e.foldPeers(snap, func(_ kernel.EdgeID, n *end) bool {
		p := e.endpoints[n.address]
		if p == nil || !p.changed {
			return false
		}
		*n = end{named: true, peer: p.before}
		return true
	}, e.setBase)
}

// foldPeers keeps what the picked records have, as they will not count for the same labels any more, and then calls
// then with each. pick names the other end.
func (e *Exporter) foldPeers(snap *kernel.Snapshot, pick func(kernel.EdgeID, *end) bool, then func(recordKey, []uint64, kernel.Histogram)) {
	touched := map[*group]bool{}
	for i := range snap.Edges {
		r := &snap.Edges[i]
		o := e.shown(r.Workload)
		if o == nil || r.Overflow {
			continue
		}
		if k := newEdgeKey(o.group, r); pick(edgeID(r), &k.end) {
			s := e.edges.get(k, e.previous)
			s.role = r.Role
			counts, h := e.sinceBase(keyOfEdge(r), e.edgeCounts(r), r.RTT)
			s.fold(e.scrape, counts, h)
			then(keyOfEdge(r), e.edgeCounts(r), r.RTT)
			touched[o.group] = true
		}
	}
	for i := range snap.Exchanges {
		r := &snap.Exchanges[i]
		o := e.shown(r.Workload)
		if o == nil || r.Overflow || r.Role != kernel.RoleClient {
			continue
		}
		if k := newExchangeKey(o.group, r); pick(kernel.EdgeID{Workload: r.Workload, Role: r.Role, Peer: r.Peer}, &k.end) {
			counts, h := e.sinceBase(keyOfExchange(r), nil, r.Duration)
			e.of(r.Protocol).made.get(k, e.previous).fold(e.scrape, counts, h)
			then(keyOfExchange(r), nil, r.Duration)
			touched[o.group] = true
		}
	}
	for g := range touched {
		e.trim(g)
	}
}

func edgeID(r *kernel.Edge) kernel.EdgeID {
	return kernel.EdgeID{Workload: r.Workload, Role: r.Role, Peer: r.Peer}
}

// nameEnd replaces an address by who has it. It returns false if that is not known yet; the last time, that
// is as good as any other answer.
func (e *Exporter) nameEnd(n *end, last bool) bool {
	if e.peers == nil {
		return true
	}
	p := e.endpoints[n.address]
	switch {
	case n.overflow:
		*n = end{named: true, peer: peer.Peer{Workload: overflowValue}}
	case p != nil && p.shown:
		*n = end{named: true, peer: p.peer}
	case n.address.IsValid() && !last:
		return false
	default:
		*n = end{named: true, peer: peer.Peer{Workload: unknownValue}}
	}
	return true
}

func (e *Exporter) setBase(k recordKey, counts []uint64, h kernel.Histogram) {
	b := &base{scrape: e.scrape}
	b.add(slices.Clone(counts), kernel.Histogram{Buckets: slices.Clone(h.Buckets), Sum: h.Sum})
	e.bases[k] = b
}

// sinceBase returns what a record has counted since its address became the present peer's.
func (e *Exporter) sinceBase(k recordKey, counts []uint64, h kernel.Histogram) ([]uint64, kernel.Histogram) {
	b := e.bases[k]
	if b == nil {
		return counts, h
	}
	b.scrape = e.scrape
	was := b.histogram()
	if !less(counts, b.counts) && !less(h.Buckets, was.Buckets) {
		for i := range counts {
			counts[i] -= b.counts[i]
		}
		since := kernel.Histogram{Buckets: slices.Clone(h.Buckets), Sum: h.Sum - was.Sum}
		for i := range since.Buckets {
			since.Buckets[i] -= was.Buckets[i]
		}
		return counts, since
	}
	delete(e.bases, k) // the kernel side began anew
	return counts, h
}

// less tells whether any number of a is below that of b.
func less(a, b []uint64) bool {
	for i := range min(len(a), len(b)) {
		if a[i] < b[i] {
			return true
		}
	}
	return len(a) != len(b)
}

// unbase forgets the bases of records that are gone.
func (e *Exporter) unbase(gone func(recordKey, *base) bool) {
	for k, b := range e.bases {
		if gone(k, b) {
			delete(e.bases, k)
		}
	}
}
