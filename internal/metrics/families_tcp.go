package metrics

import (
	"slices"
	"time"

	"github.com/fathomhq/fathom/internal/kernel"
)

func (e *Exporter) tcpFamilies() []family {
	ofPeer := func(own ...string) []string { return ofWorkload(append([]string{"role", "peer"}, own...)...) }
	return []family{
		{Desc{
			"tcp_bytes_received_total", Counter, "bytes", ofPeer(),
			"Bytes of TCP payload that arrived in order; what the peer sent again counts once.",
		}, counts(e.edges, edgeBytesReceived)},
		{Desc{
			"tcp_bytes_sent_total", Counter, "bytes", ofPeer(),
			"Bytes of TCP payload sent, without retransmissions.",
		}, counts(e.edges, edgeBytesSent)},
		{Desc{
			"tcp_connect_failures_total", Counter, "", ofPeer("reason"),
			"Attempts to connect that failed after the first SYN was sent. Destinations without a route fail earlier and are not seen.",
		}, e.subCounts(edgeFailures, failureLabels(), clientOnly)},
		{Desc{
			"tcp_connections_closed_total", Counter, "", ofPeer(),
			"TCP connections that ended after they had been established.",
		}, counts(e.edges, edgeClosed)},
		{Desc{
			"tcp_connections_opened_total", Counter, "", ofPeer(),
			"TCP connections that were established, from the kernel's view. A server's is counted when its process first uses it, or at its end.",
		}, counts(e.edges, edgeOpened)},
		{Desc{
			"tcp_listen_drops_total", Counter, "", ofWorkload("address"),
			"Connection attempts that a listening socket dropped, mostly because its accept queue was full (sk_drops).",
		}, e.writeListenDrops},
		{Desc{
			"tcp_listen_queue", Gauge, "", ofWorkload("address"),
			"Established connections that wait for accept() at this moment.",
		}, e.writeListeners(func(l *listener) uint64 { return l.queue })},
		{Desc{
			"tcp_listen_queue_limit", Gauge, "", ofWorkload("address"),
			"Connections that may wait for accept(): the backlog of listen(2), at most net.core.somaxconn, summed over the sockets at the address.",
		}, e.writeListeners(func(l *listener) uint64 { return l.limit })},
		{Desc{
			"tcp_resets_total", Counter, "", ofPeer("direction"),
			"TCP segments with RST of the workload's connections.",
		}, e.writeResets},
		{Desc{
			"tcp_retransmits_total", Counter, "", ofPeer("kind"),
			"TCP segments sent again. Divide by tcp_segments_sent_total for the share of the kinds timeout, fast and probe.",
		}, e.subCounts(edgeRetransmits, retransmitLabels(), retransmitApplies)},
		{Desc{
			"tcp_rtt_seconds", Histogram, "seconds", ofPeer(),
			"Round-trip time to the peer as TCP estimates it (smoothed), sampled at every sweep, at a scrape and at the connection's end, and only after new data was acknowledged.",
		}, histograms(e.edges, e.rtt)},
		{Desc{
			"tcp_segments_sent_total", Counter, "", ofPeer(),
			"TCP segments with payload sent, retransmissions included. Sampled while connections live.",
		}, counts(e.edges, edgeSegments)},
	}
}

// subCounts writes consecutive numbers of each edge, told apart by one more label. Those which
// cannot happen at a role are left out while they are 0.
func (e *Exporter) subCounts(first int, extra []labelSet, applies func(kernel.Role, int) bool) func(*kernel.Snapshot, encoder) {
	return func(_ *kernel.Snapshot, enc encoder) {
		for _, s := range e.edges.sorted() {
			for i, label := range extra {
				if n := s.now.counts[first+i]; n > 0 || applies(s.role, i) {
					enc.number(s.allLabels(), label, whole(n), s.created)
				}
			}
		}
	}
}

func clientOnly(r kernel.Role, _ int) bool { return r == kernel.RoleClient }

func retransmitApplies(r kernel.Role, kind int) bool {
	switch kernel.RetransmitKind(kind) { //nolint:gosec // an index of its array
	case kernel.RetransmitSyn:
		return r == kernel.RoleClient
	case kernel.RetransmitSynack:
		return r == kernel.RoleServer
	}
	return true
}

func retransmitLabels() (l []labelSet) {
	for k := range kernel.RetransmitKind(len(kernel.Edge{}.Retransmits)) {
		l = append(l, newLabels("kind", k.String()))
	}
	return l
}

func failureLabels() (l []labelSet) {
	for f := range kernel.ConnectFailure(len(kernel.Edge{}.ConnectFailures)) {
		l = append(l, newLabels("reason", f.String()))
	}
	return l
}

func (e *Exporter) writeResets(_ *kernel.Snapshot, enc encoder) {
	received, sent := newLabels("direction", "received"), newLabels("direction", "sent")
	for _, s := range e.edges.sorted() {
		enc.number(s.allLabels(), received, whole(s.now.counts[edgeResetsReceived]), s.created)
		enc.number(s.allLabels(), sent, whole(s.now.counts[edgeResetsSent]), s.created)
	}
}

// sortedListeners returns the listeners in the order of their labels.
func (e *Exporter) sortedListeners() []*listener {
	list := make([]*listener, 0, len(e.listeners))
	for _, l := range e.listeners {
		list = append(list, l)
	}
	slices.SortFunc(list, func(a, b *listener) int { return compareSeries(&a.series, &b.series) })
	return list
}

func (e *Exporter) writeListenDrops(_ *kernel.Snapshot, enc encoder) {
	for _, l := range e.sortedListeners() {
		enc.number(l.allLabels(), labelSet{}, whole(l.drops()), l.created)
	}
}

// writeListeners writes a gauge of those that listen now.
func (e *Exporter) writeListeners(value func(*listener) uint64) func(*kernel.Snapshot, encoder) {
	return func(_ *kernel.Snapshot, enc encoder) {
		for _, l := range e.sortedListeners() {
			if l.scrape == e.scrape {
				enc.number(l.allLabels(), labelSet{}, whole(value(l)), time.Time{})
			}
		}
	}
}
