package history

import (
	"cmp"
	"slices"
	"time"

	"github.com/fathomhq/fathom/internal/metrics"
	"github.com/fathomhq/fathom/internal/protocol"
)

// overviewSteps is how many points the sparklines have.
const overviewSteps = 30

// overview makes the answer of /api/v1/workloads.
func (h *History) overview(d time.Duration) Workloads {
	w := h.window(d, overviewSteps)
	out := Workloads{Head: w.head(), StepSeconds: w.stepSeconds(), Times: w.times(), Workloads: []Workload{}}
	for _, t := range h.byRef {
		if t == nil || t.seen != h.sample && t.held < w.frames[0].first {
			continue
		}
		out.Workloads = append(out.Workloads, w.row(t))
	}
	slices.SortFunc(out.Workloads, func(a, b Workload) int {
		return cmp.Or(
			cmp.Compare(b.Served.Count, a.Served.Count), cmp.Compare(b.Client.Count, a.Client.Count),
			cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Workload, b.Workload), cmp.Compare(a.Pod, b.Pod), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// row makes a row of the overview. References of tracks must ascend from call to call.
func (w *window) row(t *track) Workload {
	s := Sparkline{w.numbers(), w.numbers(), w.numbers(), w.numbers()}
	all := w.read(t, func(i int, step *step, counted *sums) {
		served := servedBy(t, counted, protocol.HTTP1)
		made := madeBy(t, counted, protocol.HTTP1)
		s.PerSecond[i], s.ClientPerSecond[i] = ratio(float64(served.count), step.seconds), ratio(float64(made.count), step.seconds)
		s.P99[i], s.ErrorRatio[i] = served.slots.quantile(0.99), served.errorRatio()
	})
	return w.summary(t, all, s)
}

// summary describes a workload by what it counted in a window.
func (w *window) summary(t *track, all *sums, s Sparkline) Workload {
	served := servedBy(t, all, protocol.HTTP1)
	made := madeBy(t, all, protocol.HTTP1)
	tcp := connectionsOf(all)
	return Workload{
		Identity:    t.identity(),
		Gone:        t.seen != w.sample,
		Served:      served.public(w, t, activeServer),
		Client:      made.public(w, t, activeClient),
		QueueRatio:  queueRatio(t, all, protocol.HTTP1, served.time),
		TLSRatio:    tlsRatio(t, all),
		OpaqueRatio: opaqueRatio(all, t.bytes.list),
		TCP:         tcp.public(w),
		WorstLink:   worstLink(t, all),
		Protocols:   w.spoken(t, all),
		Series:      s,
	}
}

// worstLinkResent is how many segments at least were sent again on a link that may be the worst: a few say nothing about it.
const worstLinkResent = 5

// worstLink finds the link on which the largest share of segments was sent again.
func worstLink(t *track, counted *sums) (worst *Link) {
	for _, i := range counted.kinds[ofEdges].used {
		c := connections(counted.kinds[ofEdges].at[i])
		ratio := c.retransmitRatio()
		if c.resent() < worstLinkResent || !ratio.Exists() || worst != nil && ratio <= worst.RetransmitRatio {
			continue
		}
		key := t.edges.list[i].key
		worst = &Link{
			Role: key.Role.String(), End: endOf(key.Peer),
			SegmentsSent: c[metrics.EdgeSegmentsSent], Resent: c.resent(), RetransmitRatio: ratio,
		}
	}
	return worst
}

// queueRatio is the share of the requests' time that they waited. A request that is read in one sample and ends in a later one may
// make it seem to exceed the whole.
func queueRatio(t *track, counted *sums, p *protocol.Protocol, time uint64) Number {
	var queue uint64
	for _, i := range counted.kinds[ofQueue].used {
		if t.queue.list[i].key == p {
			queue += counted.kinds[ofQueue].at[i][timeOf]
		}
	}
	return min(ratio(float64(queue), float64(time)), 1)
}

func (t *track) identity() Identity {
	return Identity{
		ID: t.id, Namespace: t.labels.Namespace, Workload: t.labels.Workload, WorkloadKind: t.labels.Kind,
		Pod: t.labels.Pod, Container: t.labels.Container, Labels: t.chosen,
	}
}
