package history

import (
	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/internal/metrics"
)

// requests are HTTP requests of one role, of one workload and time.
type requests struct {
	slots         slots
	time          uint64 // sum, microseconds
	count, failed uint64
	tls           uint64
}

// servedBy adds up the requests that a workload served.
func servedBy(t *track, counted *sums) (r requests) {
	r.sum(counted, ofServed, t.served.list)
	for _, i := range counted.kinds[ofServedLatency].used {
		r.slots.add(counted.kinds[ofServedLatency].at[i])
	}
	return r
}

// madeBy adds up the requests that a workload made.
func madeBy(t *track, counted *sums) (r requests) {
	r.sum(counted, ofMade, t.made.list)
	for _, i := range counted.kinds[ofMadeLatency].used {
		r.slots.add(counted.kinds[ofMadeLatency].at[i])
	}
	return r
}

// sum adds up all but the distribution.
func (r *requests) sum(counted *sums, k kind, list []entry[metrics.Request]) {
	for _, i := range counted.kinds[k].used {
		r.add(counted.kinds[k].at[i], list[i].key)
	}
}

func (r *requests) add(v []uint64, key metrics.Request) {
	r.time += v[timeOf]
	r.count += v[countOf]
	if key.Failed() {
		r.failed += v[countOf]
	}
	if key.TLS {
		r.tls += v[countOf]
	}
}

func (r *requests) errorRatio() Number { return ratio(float64(r.failed), float64(r.count)) }

// public describes them; role is a position of ofActive.
func (r *requests) public(w *window, t *track, role int) Requests {
	p := Requests{
		Count: r.count, PerSecond: ratio(float64(r.count), w.seconds), ErrorRatio: r.errorRatio(),
		Latency: r.slots.latency(r.time), OldestSeconds: None(),
	}
	if t.seen == w.sample {
		p.Active = t.active[role]
		if t.oldest[role] > 0 {
			p.OldestSeconds = Number(float64(t.oldest[role]) / 1e9)
		}
	}
	return p
}

// connections are TCP's numbers over some connections and time: a vector of ofEdges.
type connections [edgeSlots + maxRTTSlots]uint64

func connectionsOf(counted *sums) (c connections) {
	for _, i := range counted.kinds[ofEdges].used {
		for j, n := range counted.kinds[ofEdges].at[i] {
			c[j] += n
		}
	}
	return c
}

// resent are segments with data that were sent again: tcp_segments_sent_total does not count SYN and SYN-ACK.
func (c *connections) resent() uint64 {
	r := c[metrics.EdgeRetransmits:]
	return r[kernel.RetransmitTimeout] + r[kernel.RetransmitFast] + r[kernel.RetransmitProbe]
}

func (c *connections) retransmitRatio() Number {
	return ratio(float64(c.resent()), float64(c[metrics.EdgeSegmentsSent]))
}

func (c *connections) public(w *window) TCP {
	t := TCP{
		BytesSentPerSecond:     ratio(float64(c[metrics.EdgeBytesSent]), w.seconds),
		BytesReceivedPerSecond: ratio(float64(c[metrics.EdgeBytesReceived]), w.seconds),
		SegmentsSent:           c[metrics.EdgeSegmentsSent],
		Retransmits:            make(map[string]uint64),
		RetransmitRatio:        c.retransmitRatio(),
		ConnectFailures:        make(map[string]uint64),
		ResetsSent:             c[metrics.EdgeResetsSent],
		ResetsReceived:         c[metrics.EdgeResetsReceived],
		Opened:                 c[metrics.EdgeOpened],
		Closed:                 c[metrics.EdgeClosed],
		RTT:                    classicLatency(w.rtt, c[edgeSlots:edgeSlots+len(w.rtt)+1], c[edgeTime]),
	}
	for k := range len(kernel.Edge{}.Retransmits) {
		t.Retransmits[kernel.RetransmitKind(k).String()] = c[metrics.EdgeRetransmits+k] //nolint:gosec // an index of its array
	}
	for f := range len(kernel.Edge{}.ConnectFailures) {
		if n := c[metrics.EdgeConnectFailures+f]; n > 0 {
			t.ConnectFailures[kernel.ConnectFailure(f).String()] = n //nolint:gosec // an index of its array
		}
	}
	return t
}

// opaqueRatio is the share of bytes on connections that cannot be read.
func opaqueRatio(counted *sums, list []entry[metrics.Class]) Number {
	var opaque, all uint64
	for _, i := range counted.kinds[ofBytes].used {
		v := counted.kinds[ofBytes].at[i]
		n := v[metrics.BytesReceived] + v[metrics.BytesSent]
		if all += n; isOpaque(list[i].key.Class) {
			opaque += n
		}
	}
	return ratio(float64(opaque), float64(all))
}

const readable = "http1"

// isOpaque tells whether connections of a class cannot be read. On those that are idle there is nothing to read, or not yet.
func isOpaque(class string) bool { return class != readable && class != "idle" }
