package history

import (
	"cmp"
	"slices"

	"github.com/fathomhq/fathom/internal/metrics"
	"github.com/fathomhq/fathom/internal/protocol"
)

// spokenIn is one role of a workload in a protocol other than HTTP.
type spokenIn struct {
	protocol *protocol.Protocol
	client   bool
}

// spokenBy finds what a workload counted in other protocols than HTTP.
func spokenBy(t *track, counted *sums) (found []spokenIn) {
	add := func(k kind, list []entry[metrics.Request], client bool) {
		for _, i := range counted.kinds[k].used {
			s := spokenIn{list[i].key.Protocol, client}
			if s.protocol != protocol.HTTP1 && !slices.Contains(found, s) {
				found = append(found, s)
			}
		}
	}
	add(ofServed, t.served.list, false)
	add(ofMade, t.made.list, true)
	return found
}

// requests adds up those of one role and protocol.
func (s spokenIn) requests(t *track, counted *sums) requests {
	if s.client {
		return madeBy(t, counted, s.protocol)
	}
	return servedBy(t, counted, s.protocol)
}

// public describes them.
func (s spokenIn) public(w *window, t *track, counted *sums) Spoken {
	r := s.requests(t, counted)
	out := Spoken{Protocol: s.protocol.Name, Title: s.protocol.Title, Role: "client", Amount: r.amount(w), QueueRatio: None()}
	if !s.client {
		out.Role, out.QueueRatio = "server", queueRatio(t, counted, s.protocol, r.time)
	}
	return out
}

// spoken describes what a workload counted in other protocols than HTTP, most first.
func (w *window) spoken(t *track, counted *sums) []Spoken {
	out := []Spoken{}
	for _, s := range spokenBy(t, counted) {
		out = append(out, s.public(w, t, counted))
	}
	slices.SortFunc(out, compareSpoken)
	return out
}

func compareSpoken(a, b Spoken) int {
	return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(b.Role, a.Role))
}

// speaking collects what is over time in one role and protocol.
type speaking struct {
	client Client
	heat   heat
}

// speak fills in one point of each graph of the other protocols.
func (g *detailing) speak(i int, s *step, counted *sums) {
	for _, in := range spokenBy(g.track, counted) {
		if g.speaking[in] == nil {
			g.speaking[in] = &speaking{newClient(g.window), make(heat, len(g.steps))}
		}
		over, r := g.speaking[in], in.requests(g.track, counted)
		over.client.point(i, s, &r)
		over.heat[i].add(r.slots[:])
	}
}

// spokenList describes the other protocols in detail.
func (g *detailing) spokenList(all *sums) []SpokenDetails {
	out := []SpokenDetails{}
	for in, over := range g.speaking {
		d := SpokenDetails{Spoken: in.public(g.window, g.track, all), Details: over.client}
		d.Details.Heatmap = over.heat.public()
		k, list := ofServed, g.track.served.list
		if in.client {
			k, list = ofMade, g.track.made.list
			d.Details.Peers = g.clientPeers(all, in.protocol)
		}
		d.Statuses = g.statusList(all, k, list, func(r metrics.Request) bool { return r.Protocol == in.protocol })
		out = append(out, d)
	}
	slices.SortFunc(out, func(a, b SpokenDetails) int { return compareSpoken(a.Spoken, b.Spoken) })
	return out
}
