package metrics

import (
	"cmp"
	"slices"
	"time"

	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/internal/workload"
)

const (
	// maxChecks bounds how many workloads are looked for in the file system per
	// scrape: some 20 us each.
	maxChecks = 128
	// checksPerGrace is how often an idle workload is looked for.
	checksPerGrace = 4
)

// group is all ids with equal labels: a unit before and after its restart.
type group struct {
	key      workload.Labels
	labels   labelSet
	ids      int       // ids that have it now
	lastSeen time.Time // when the last id without successor was found gone
}

// owner is one id of the kernel side. Its group is chosen at first sight and
// stays until the id is forgotten: changing it would take what it has
// counted from one set of labels and make that fall.
type owner struct {
	group     *group
	activity  uint64 // grows with anything that the id counts
	before    uint64 // activity at the scrape before
	nextCheck time.Time
	goneSince time.Time
}

// identify gives the ids of a snapshot their groups.
func (e *Exporter) identify(snap *kernel.Snapshot) {
	for id := range e.owners {
		if _, ok := snap.Workloads[id]; !ok && id != 0 {
			e.forget(id, snap.Time) // never happens unless the kernel side evicts by itself
		}
	}
	for id, w := range snap.Workloads {
		if id == 0 {
			continue
		}
		o, ok := e.owners[id]
		if !ok {
			o = &owner{group: e.groupOf(e.resolver.Resolve(w))}
			o.group.ids++
			e.owners[id] = o
		}
		o.before, o.activity = o.activity, 0
	}
}

func (e *Exporter) groupOf(l workload.Labels) *group {
	g, ok := e.groups[l]
	if !ok {
		g = &group{key: l, labels: workloadLabels(l)}
		e.groups[l] = g
	}
	return g
}

// expire forgets workloads that have been gone for the grace period, and removes
// groups without any.
func (e *Exporter) expire(snap *kernel.Snapshot) {
	urgent := crowded(snap.Tables)
	due := e.candidates(snap, urgent)
	gone := make(map[kernel.WorkloadID]bool, len(due))
	for _, id := range e.resolver.Gone(due) {
		gone[id] = true
	}
	var ids []kernel.WorkloadID
	for _, w := range due {
		id, o := w.ID, e.owners[w.ID]
		if !gone[id] {
			o.goneSince = time.Time{}
			continue
		}
		if o.goneSince.IsZero() {
			o.goneSince = snap.Time
			o.nextCheck = snap.Time.Add(e.grace)
		}
		if urgent || snap.Time.Sub(o.goneSince) >= e.grace {
			ids = append(ids, id)
		}
	}
	e.release(snap, ids)
	for _, g := range e.groups {
		if g.ids == 0 && g != e.overflow.group && snap.Time.Sub(g.lastSeen) >= e.grace {
			e.dropGroup(g)
		}
	}
}

// crowded tells whether the table of workloads is so full that ids which are
// gone must not wait for the grace period; their series do, as a carry.
func crowded(tables []kernel.Table) bool {
	for _, t := range tables {
		if t.Name == "workloads" {
			return t.Limit > 0 && t.Used > t.Limit/4*3
		}
	}
	return false
}

// candidates returns the workloads that may be gone and are due for a check: no
// connection, and nothing counted since the last scrape.
func (e *Exporter) candidates(snap *kernel.Snapshot, urgent bool) []kernel.Workload {
	var due []kernel.Workload
	for id, o := range e.owners {
		w := snap.Workloads[id]
		w.ID = id
		switch {
		case id == 0:
		case w.OpenConnections > 0 || o.activity != o.before:
			o.goneSince = time.Time{}
			o.nextCheck = snap.Time.Add(e.grace / checksPerGrace)
		case urgent || !snap.Time.Before(o.nextCheck):
			due = append(due, w)
		}
	}
	slices.SortFunc(due, func(a, b kernel.Workload) int {
		return cmp.Or(e.owners[a.ID].nextCheck.Compare(e.owners[b.ID].nextCheck), cmp.Compare(a.ID, b.ID))
	})
	due = due[:min(len(due), maxChecks)]
	for _, w := range due {
		o := e.owners[w.ID]
		o.nextCheck = snap.Time.Add(e.grace / checksPerGrace)
	}
	return due
}

// release forgets ids and folds what they had counted.
func (e *Exporter) release(snap *kernel.Snapshot, ids []kernel.WorkloadID) {
	if len(ids) == 0 {
		return
	}
	released, err := e.source.Forget(ids)
	if err != nil {
		e.log.Warn("forget workloads that are gone", "error", err)
	}
	if len(released) == 0 {
		return
	}
	set := make(map[kernel.WorkloadID]*owner, len(released))
	for _, id := range released {
		if o, ok := e.owners[id]; ok && id != 0 {
			set[id] = o
		}
	}
	e.walk(snap, func(id kernel.WorkloadID) *owner { return set[id] }, fold)
	for id, o := range set {
		e.forget(id, o.goneSince)
		e.trim(o.group)
	}
}

// forget ends the use of an id that was last seen at a time.
func (e *Exporter) forget(id kernel.WorkloadID, seen time.Time) {
	g := e.owners[id].group
	delete(e.owners, id)
	if g.ids--; seen.After(g.lastSeen) {
		g.lastSeen = seen
	}
}
