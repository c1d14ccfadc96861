package metrics

import (
	"context"
	"iter"
	"maps"
	"net/netip"

	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/internal/protocol"
	"github.com/fathomhq/fathom/internal/workload"
)

// View is what a scrape would show now: the same series with the same numbers, for those who want no exposition.
// It is valid during the call of [Exporter.View] only, and so is all that it leads to, but strings and
// labels. Series come in no order.
type View struct {
	// Snapshot has what belongs to no workload: Time, Lost, LostBytes, Tables, Programs.
	Snapshot *kernel.Snapshot
	// Moved are the workloads that got other labels since the last view, in order: all numbers of From now are part of To's.
	Moved []Move
	e     *Exporter
}

// Move is a change of labels.
type Move struct{ From, To workload.Labels }

// maxMoves bounds the moves that are kept for somebody who does not look any more.
const maxMoves = 1024

// View calls see with what a scrape would show. It takes its turn with the scrapes, and holds them up for
// as long as see takes. Unlike a scrape it does not wait for the names of new peers: what was counted for them is in the
// next view. An error is that of a scrape.
func (e *Exporter) View(ctx context.Context, see func(*View)) error {
	return e.at(ctx, 0, func(snap *kernel.Snapshot) {
		see(&View{Snapshot: snap, Moved: e.moves, e: e})
		e.viewed, e.moves = true, nil
	})
}

// noteMove keeps a change of labels for the next view.
func (e *Exporter) noteMove(from, to *group) {
	if e.viewed && len(e.moves) < maxMoves {
		e.moves = append(e.moves, Move{from.key, to.key})
	}
}

// Series are the numbers that are kept for one set of labels. Which of them make sense, each kind tells.
type Series struct {
	// Workload points to the same for all series of a workload.
	Workload *workload.Labels
	// Counts are cumulative, but of gauges.
	Counts []uint64
	// Histogram is cumulative.
	Histogram kernel.Histogram
}

func (s *series) shown() Series {
	return Series{&s.group.key, s.now.counts, s.now.histogram()}
}

// each yields the series of a table, with what their keys say.
func each[K seriesKey[K], P any](t *table[K], public func(K) P) iter.Seq2[P, Series] {
	return func(yield func(P, Series) bool) {
		for k, s := range t.byKey {
			if !yield(public(k), s.shown()) {
				return
			}
		}
	}
}

// Request is a kind of request: the labels beside the workload's.
type Request struct {
	// Protocol is the one as which it is shown.
	Protocol *protocol.Protocol
	// Peer is of requests that the workload made.
	Peer Peer
	// Operation is the value of the family's label for it: of HTTP the method.
	Operation, Status string
	TLS               bool
}

// Failed reports whether such requests are errors: of HTTP 5xx, and those that ended without any status.
func (r Request) Failed() bool {
	return r.Status != overflowValue && r.Protocol.Failed(r.Operation, r.Status)
}

// Judged reports whether such requests count in a share of failures: those that client libraries make by themselves do not.
func (r Request) Judged() bool { return !r.Protocol.IsHousekeeping(r.Operation) }

// Waits reports whether such requests last until something happens, so that their time says nothing of who serves them.
func (r Request) Waits() bool { return r.Protocol.IsWait(r.Operation) }

// Peer is the other end of a connection.
type Peer struct{ end end }

// PeerLabels are the values of the labels of a peer: the first outside of Kubernetes, the others there.
type PeerLabels struct{ Peer, Namespace, Workload, Service string }

// Labels returns the labels of a peer.
func (p Peer) Labels() PeerLabels {
	if p.end.named {
		return PeerLabels{Namespace: p.end.peer.Namespace, Workload: p.end.peer.Workload, Service: p.end.peer.Service}
	}
	return PeerLabels{Peer: peerValue(p.end.address, p.end.overflow)}
}

func (k exchangeKey) public() Request {
	return Request{k.protocol, Peer{k.end}, k.operation, k.status, k.tls}
}

// Served are the requests that workloads served: Histogram is http_request_duration_seconds, or that of another family.
func (v *View) Served() iter.Seq2[Request, Series] {
	return eachFamily(v, func(x *exchanges) *table[exchangeKey] { return x.served }, exchangeKey.public)
}

// Made are the requests that workloads made: Histogram is http_client_request_duration_seconds, or that of another family.
func (v *View) Made() iter.Seq2[Request, Series] {
	return eachFamily(v, func(x *exchanges) *table[exchangeKey] { return x.made }, exchangeKey.public)
}

// Queue is the time that requests waited, by protocol: Histogram is http_request_queue_seconds, or that of another family.
func (v *View) Queue() iter.Seq2[*protocol.Protocol, Series] {
	return eachFamily(v, func(x *exchanges) *table[queueKey] { return x.queue }, func(k queueKey) *protocol.Protocol { return k.protocol })
}

// eachFamily yields the series of a table of all families.
func eachFamily[K seriesKey[K], P any](v *View, of func(*exchanges) *table[K], public func(K) P) iter.Seq2[P, Series] {
	return func(yield func(P, Series) bool) {
		for _, x := range v.e.exchanges {
			for k, s := range each(of(x), public) {
				if !yield(k, s) {
					return
				}
			}
		}
	}
}

// The numbers of [View.Active].
const (
	ActiveCount  = activeCount
	ActiveOldest = activeOldest // nanoseconds
)

// Active are the open requests by role: gauges.
func (v *View) Active() iter.Seq2[kernel.Role, Series] {
	return each(v.e.active, func(k roleKey) kernel.Role { return k.role })
}

// Connections are the TCP connections with one peer.
type Connections struct {
	Role kernel.Role
	Peer Peer
}

// The numbers of [View.Connections]. From EdgeRetransmits and EdgeConnectFailures on they are by [kernel.RetransmitKind]
// and [kernel.ConnectFailure].
const (
	EdgeSegmentsSent    = edgeSegments
	EdgeBytesSent       = edgeBytesSent
	EdgeBytesReceived   = edgeBytesReceived
	EdgeOpened          = edgeOpened
	EdgeClosed          = edgeClosed
	EdgeResetsSent      = edgeResetsSent
	EdgeResetsReceived  = edgeResetsReceived
	EdgeRetransmits     = edgeRetransmits
	EdgeConnectFailures = edgeFailures
	EdgeCounts          = numEdgeCounts // how many there are
)

// Connections are TCP's numbers by role and peer: Histogram is tcp_rtt_seconds.
func (v *View) Connections() iter.Seq2[Connections, Series] {
	return each(v.e.edges, func(k edgeKey) Connections { return Connections{k.role, Peer{k.end}} })
}

// Class is a class of connections, and why they are in it.
type Class struct{ Class, Reason string }

// Coverage is fathom_connections_total: one number.
func (v *View) Coverage() iter.Seq2[Class, Series] {
	return each(v.e.coverage, func(k coverageKey) Class { return Class{k.class, k.reason} })
}

// The numbers of [View.Bytes].
const (
	BytesReceived = classReceived
	BytesSent     = classSent
)

// Bytes is fathom_bytes_total. The classes have no reason.
func (v *View) Bytes() iter.Seq2[Class, Series] {
	return each(v.e.classes, func(k classKey) Class { return Class{Class: k.class} })
}

// The numbers of [View.Listeners].
const (
	ListenerQueue = iota // gauge
	ListenerLimit        // gauge
	ListenerDrops
)

// Listeners are listening sockets by address. Those with the limit 0 have just been closed.
func (v *View) Listeners() iter.Seq2[netip.AddrPort, Series] {
	return func(yield func(netip.AddrPort, Series) bool) {
		for k, l := range v.e.listeners {
			counts := []uint64{0, 0, l.drops()}
			if l.scrape == v.e.scrape {
				counts[ListenerQueue], counts[ListenerLimit] = l.queue, l.limit
			}
			if !yield(k.address, Series{Workload: &l.group.key, Counts: counts}) {
				return
			}
		}
	}
}

// NativeSlots is the length of what [View.Native] fills.
const NativeSlots = nativeSlots

// Native sums a histogram of requests into its native buckets: the zero bucket, those that [NativeBounds] end after it,
// and one for all that is longer. It returns false if the kernel side's bounds do not have them.
func (v *View) Native(h kernel.Histogram, slots *[NativeSlots]uint64) bool {
	l := v.e.exchanges[0].layout // the native form is the same for all
	if l.slot == nil {
		return false
	}
	*slots = l.native(h.Buckets)
	return true
}

// RTTBounds returns the bounds of tcp_rtt_seconds, in seconds.
func (v *View) RTTBounds() []float64 {
	bounds := make([]float64, len(v.e.rtt.classic))
	for i, c := range v.e.rtt.classic {
		bounds[i] = c.le
	}
	return bounds
}

// Chosen returns the names and values of the labels that the user chose.
func (v *View) Chosen(l *workload.Labels) map[string]string {
	if len(v.e.chosen) == 0 {
		return nil
	}
	return maps.Collect(v.e.chosenLabels(l))
}
