package history

import (
	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/internal/metrics"
	"github.com/fathomhq/fathom/internal/protocol"
)

// requests are those of one role and protocol, of one workload and time.
type requests struct {
	slots  slots
	time   uint64 // sum, microseconds; of those in slots
	count  uint64
	judged uint64 // those that could have failed
	failed uint64
	tls    uint64
}

// servedBy adds up the requests of a protocol that a workload served.
func servedBy(t *track, counted *sums, p *protocol.Protocol) (r requests) {
	r.sum(counted, ofServed, t.served.list, p)
	if v := counted.get(ofServedLatency, int(p.Number())); v != nil {
		r.slots.add(v)
	}
	return r
}

// madeBy adds up the requests of a protocol that a workload made.
func madeBy(t *track, counted *sums, p *protocol.Protocol) (r requests) {
	r.sum(counted, ofMade, t.made.list, p)
	for _, i := range counted.kinds[ofMadeLatency].used {
		if t.asked.list[i].key.protocol == p {
			r.slots.add(counted.kinds[ofMadeLatency].at[i])
		}
	}
	return r
}

// sum adds up all but the distribution.
func (r *requests) sum(counted *sums, k kind, list []entry[metrics.Request], p *protocol.Protocol) {
	for _, i := range counted.kinds[k].used {
		if key := list[i].key; key.Protocol == p {
			r.add(counted.kinds[k].at[i], key)
		}
	}
}

func (r *requests) add(v []uint64, key metrics.Request) {
	if !key.Waits() {
		r.time += v[timeOf]
	}
	r.count += v[countOf]
	if key.Judged() {
		r.judged += v[countOf]
	}
	if key.Failed() {
		r.failed += v[countOf]
	}
	if key.TLS {
		r.tls += v[countOf]
	}
}

// tlsRatio is the share of all requests, in all protocols, that were encrypted.
func tlsRatio(t *track, counted *sums) Number {
	var r requests
	for _, k := range []kind{ofServed, ofMade} {
		list := t.served.list
		if k == ofMade {
			list = t.made.list
		}
		for _, i := range counted.kinds[k].used {
			r.add(counted.kinds[k].at[i], list[i].key)
		}
	}
	return ratio(float64(r.tls), float64(r.count))
}

func (r *requests) errorRatio() Number { return ratio(float64(r.failed), float64(r.judged)) }

// amount describes them.
func (r *requests) amount(w *window) Amount {
	return Amount{
		Count: r.count, PerSecond: ratio(float64(r.count), w.seconds), ErrorRatio: r.errorRatio(), Latency: r.slots.latency(r.time),
	}
}

// public describes those of HTTP; role is a position of ofActive.
func (r *requests) public(w *window, t *track, role int) Requests {
	p := Requests{Amount: r.amount(w), OldestSeconds: None()}
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

// isOpaque tells whether connections of a class cannot be read. On those that are idle there is nothing to read, or not yet.
func isOpaque(class string) bool { return !isReadable(class) && class != protocol.Idle }

// isReadable tells whether metrics are made of what is on connections of a class.
func isReadable(class string) bool { return protocol.ClassNamed(class).Protocol != nil }
