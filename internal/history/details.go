package history

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/fathomhq/fathom/internal/metrics"
	"github.com/fathomhq/fathom/internal/protocol"
)

// detailSteps is how many points the graphs of one workload have.
const detailSteps = 60

// detailing collects what is over time for one workload.
type detailing struct {
	*window
	*track
	out      *WorkloadDetails
	served   heat
	made     heat
	speaking map[spokenIn]*speaking
	statuses map[int][]Number // by index of a series
	peers    map[int][]Number
}

// details makes the answer of /api/v1/workload.
func (h *History) details(t *track, d time.Duration) WorkloadDetails {
	w := h.window(d, detailSteps)
	out := WorkloadDetails{Head: w.head(), StepSeconds: w.stepSeconds(), Times: w.times()}
	g := &detailing{
		window: w, track: t, out: &out,
		served: make(heat, len(w.steps)), made: make(heat, len(w.steps)),
		statuses: make(map[int][]Number), peers: make(map[int][]Number), speaking: make(map[spokenIn]*speaking),
	}
	for _, s := range []*[]Number{
		&out.Series.PerSecond, &out.Series.ErrorRatio, &out.Series.P50, &out.Series.P90, &out.Series.P99,
		&out.Series.Queue, &out.Series.Service, &out.Series.Active, &out.Series.RetransmitRatio,
	} {
		*s = w.numbers()
	}
	out.Client = newClient(w)
	all := w.read(t, g.step)
	out.Workload = w.summary(t, all, Sparkline{[]Number{}, []Number{}, []Number{}, []Number{}})
	out.Heatmap, out.Client.Heatmap = g.served.public(), g.made.public()
	out.Statuses = g.statusList(all, ofServed, t.served.list, func(r metrics.Request) bool { return r.Protocol == protocol.HTTP1 })
	out.Peers = g.peerList(all)
	out.Client.Peers = g.clientPeers(all, protocol.HTTP1)
	out.Protocols = g.spokenList(all)
	out.Listeners = g.listenerList(all)
	out.Classes = classes(t, all)
	return out
}

// step fills in one point of each graph.
func (g *detailing) step(i int, s *step, counted *sums) {
	served := servedBy(g.track, counted, protocol.HTTP1)
	made := madeBy(g.track, counted, protocol.HTTP1)
	tcp := connectionsOf(counted)
	latency := served.slots.latency(served.time)
	series := &g.out.Series

	series.PerSecond[i], series.ErrorRatio[i] = ratio(float64(served.count), s.seconds), served.errorRatio()
	series.P50[i], series.P90[i], series.P99[i] = latency.P50, latency.P90, latency.P99
	series.RetransmitRatio[i] = tcp.retransmitRatio()
	series.Queue[i] = latency.Mean * queueRatio(g.track, counted, protocol.HTTP1, served.time)
	series.Service[i] = latency.Mean - series.Queue[i]
	if v := counted.get(ofActive, 0); v != nil {
		series.Active[i] = Number(v[activeServer])
	}
	g.out.Client.point(i, s, &made)
	g.speak(i, s, counted)
	g.served[i].add(served.slots[:])
	g.made[i].add(made.slots[:])

	for _, at := range counted.kinds[ofServed].used {
		over(g.statuses, at, g.window, 0)[i] = ratio(float64(counted.kinds[ofServed].at[at][countOf]), s.seconds)
	}
	for _, at := range counted.kinds[ofEdges].used {
		one := connections(counted.kinds[ofEdges].at[at])
		over(g.peers, at, g.window, None())[i] = one.retransmitRatio()
	}
}

// newClient returns one with room for a number per step.
func newClient(w *window) Client {
	return Client{PerSecond: w.numbers(), P50: w.numbers(), P90: w.numbers(), P99: w.numbers(), Peers: []ClientPeer{}}
}

// point fills in one point of each graph.
func (c *Client) point(i int, s *step, r *requests) {
	l := r.slots.latency(r.time)
	c.PerSecond[i], c.P50[i], c.P90[i], c.P99[i] = ratio(float64(r.count), s.seconds), l.P50, l.P90, l.P99
}

// over returns the graph of a series; idle is what it shows where that counted nothing.
func over(graphs map[int][]Number, at int, w *window, idle Number) []Number {
	if graphs[at] == nil {
		graphs[at] = slices.Repeat([]Number{idle}, len(w.steps))
	}
	return graphs[at]
}

// statusList describes requests by method, status and TLS.
func (g *detailing) statusList(all *sums, k kind, list []entry[metrics.Request], which func(metrics.Request) bool) []Status {
	out := []Status{}
	for _, i := range all.kinds[k].used {
		key, v := list[i].key, all.kinds[k].at[i]
		if !which(key) {
			continue
		}
		n := v[countOf]
		s := Status{
			Method: key.Operation, Status: key.Status, Failed: key.Failed(), TLS: key.TLS, Count: n,
			Mean: ratio(float64(v[timeOf])/1e6, float64(n)), PerSecond: []Number{},
		}
		if k == ofServed {
			s.PerSecond = over(g.statuses, i, g.window, 0)
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b Status) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Method, b.Method), cmp.Compare(a.Status, b.Status), compareTruth(a.TLS, b.TLS))
	})
	return out
}

func compareTruth(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// peerList describes connections by role and peer.
func (g *detailing) peerList(all *sums) []Peer {
	out := []Peer{}
	for _, i := range all.kinds[ofEdges].used {
		key, one := g.edges.list[i].key, connections(all.kinds[ofEdges].at[i])
		retransmits := over(g.peers, i, g.window, None())
		out = append(out, Peer{Role: key.Role.String(), End: endOf(key.Peer), TCP: one.public(g.window), RetransmitRatios: retransmits})
	}
	bytes := func(p Peer) Number { return p.BytesReceivedPerSecond + p.BytesSentPerSecond }
	slices.SortFunc(out, func(a, b Peer) int {
		return cmp.Or(cmp.Compare(bytes(b), bytes(a)), cmp.Compare(a.Role, b.Role), compareEnds(a.End, b.End))
	})
	return out
}

// clientPeers describes the requests of a protocol that the workload made by whom it asked.
func (g *detailing) clientPeers(all *sums, p *protocol.Protocol) []ClientPeer {
	byPeer := make(map[metrics.Peer]*requests)
	for _, i := range all.kinds[ofMade].used {
		key := g.track.made.list[i].key
		if key.Protocol != p {
			continue
		}
		if byPeer[key.Peer] == nil {
			byPeer[key.Peer] = &requests{}
			if v := all.get(ofMadeLatency, g.asked.find(asked{p, key.Peer})); v != nil {
				byPeer[key.Peer].slots.add(v)
			}
		}
		byPeer[key.Peer].add(all.kinds[ofMade].at[i], key)
	}
	out := []ClientPeer{}
	for peer, r := range byPeer {
		out = append(out, ClientPeer{
			End: endOf(peer), Amount: r.amount(g.window),
			Statuses: g.statusList(all, ofMade, g.track.made.list, func(r metrics.Request) bool { return r.Protocol == p && r.Peer == peer }),
		})
	}
	slices.SortFunc(out, func(a, b ClientPeer) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), compareEnds(a.End, b.End))
	})
	return out
}

func endOf(p metrics.Peer) End {
	l := p.Labels()
	return End{Peer: l.Peer, PeerNamespace: l.Namespace, PeerWorkload: l.Workload, PeerService: l.Service}
}

func compareEnds(a, b End) int {
	return cmp.Or(cmp.Compare(a.Peer, b.Peer), cmp.Compare(a.PeerNamespace, b.PeerNamespace),
		cmp.Compare(a.PeerWorkload, b.PeerWorkload), cmp.Compare(a.PeerService, b.PeerService))
}

// listenerList describes the sockets that listen, or that dropped something.
func (g *detailing) listenerList(all *sums) []Listener {
	out := []Listener{}
	for i := range g.listeners.list {
		e := &g.listeners.list[i]
		l := Listener{Address: e.key.String()}
		if e.seen == g.sample {
			l.Queue, l.QueueLimit = e.gauges[metrics.ListenerQueue], e.gauges[metrics.ListenerLimit]
		}
		if v := all.get(ofListeners, i); v != nil {
			l.Drops = v[listenerDrops]
		}
		if e.seen != 0 && (l.QueueLimit > 0 || l.Drops > 0) {
			out = append(out, l)
		}
	}
	slices.SortFunc(out, func(a, b Listener) int { return cmp.Compare(a.Address, b.Address) })
	return out
}

// heat counts requests by step and native bucket.
type heat []slots

const (
	rowsPerPower = 4
	slotsPerRow  = perPower / rowsPerPower
)

// public joins native buckets to rows, and leaves out those above and below all requests.
func (h heat) public() Heatmap {
	var rows slots
	for i := range h {
		for s, n := range h[i] {
			rows[rowOf(s)] += n
		}
	}
	lowest := slices.IndexFunc(rows[:], func(n uint64) bool { return n > 0 })
	out := Heatmap{Bounds: []float64{}, Counts: make([][]uint64, len(h))}
	if lowest < 0 {
		for i := range out.Counts {
			out.Counts[i] = []uint64{}
		}
		return out
	}
	highest := len(rows) - 1
	for rows[highest] == 0 {
		highest--
	}
	for r := lowest; r <= highest+1; r++ {
		out.Bounds = append(out.Bounds, lowerBound(r))
	}
	for i := range h {
		out.Counts[i] = make([]uint64, highest-lowest+1)
		for s, n := range h[i] {
			if n > 0 {
				out.Counts[i][rowOf(s)-lowest] += n
			}
		}
	}
	return out
}

// rowOf returns the row of a native bucket. Row 0 is the zero bucket.
func rowOf(slot int) int { return (slot + slotsPerRow - 1) / slotsPerRow }

// lowerBound is that of a row, in seconds.
func lowerBound(row int) float64 {
	if row == 0 {
		return 0
	}
	f := math.Exp2(lowestLog2 + float64(row-1)/rowsPerPower)
	return math.Round(f*1e9) / 1e9
}
