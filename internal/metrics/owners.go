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

// owner is one id of the kernel side. Its group is chosen when its labels are known, which in Kubernetes may be
// after the first requests, and stays until the id is forgotten: changing it would take what it has
// counted from one set of labels and make that fall. Provisional labels are the exception: they belong to one
// container, so that all of their series move at once.
type owner struct {
	group     *group // nil: not shown (yet)
	labels    workload.Labels
	state     workload.State
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
			o = &owner{state: workload.Pending}
			e.owners[id] = o
		}
		if o.state == workload.Pending || o.state == workload.Provisional {
			if o.labels, o.state = e.resolver.Resolve(w); o.state == workload.Final || o.state == workload.Provisional {
				e.assign(o)
			}
		}
		o.before, o.activity = o.activity, 0
	}
}

// assign gives an owner the group of its labels. When the last owner leaves provisional labels, what was kept
// with them goes along.
func (e *Exporter) assign(o *owner) {
	old, now := o.group, e.groupOf(o.labels)
	if old == now {
		return
	}
	o.group = now
	now.ids++
	if old == nil {
		return
	}
	if old.ids--; old.ids == 0 {
		e.moveGroup(old, now)
	}
}

// shown returns the owner of an id whose records are shown.
func (e *Exporter) shown(id kernel.WorkloadID) *owner {
	if o := e.owners[id]; o != nil && o.group != nil {
		return o
	}
	return nil
}

func (e *Exporter) groupOf(l workload.Labels) *group {
	g, ok := e.groups[l]
	if !ok {
		g = &group{key: l, labels: e.workloadLabels(l)}
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
		o, ok := e.owners[id]
		if !ok || id == 0 {
			continue
		}
		if o.state == workload.Pending {
			e.assign(o)             // nobody will tell any more
			o.goneSince = snap.Time // its series are shown for a grace period, too
		}
		if o.group == nil {
			delete(e.owners, id)
			continue
		}
		set[id] = o
	}
	e.walk(snap, func(id kernel.WorkloadID) *owner { return set[id] }, e.fold, true)
	for id, o := range set {
		e.forget(id, o.goneSince)
		e.trim(o.group)
	}
	e.unbase(func(k recordKey, _ *base) bool { return slices.Contains(released, k.workload) })
}

// forget ends the use of an id that was last seen at a time.
func (e *Exporter) forget(id kernel.WorkloadID, seen time.Time) {
	g := e.owners[id].group
	delete(e.owners, id)
	if g == nil {
		return
	}
	if g.ids--; seen.After(g.lastSeen) {
		g.lastSeen = seen
	}
}
