package metrics

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/fathomhq/fathom/internal/kernel"
)

func (e *Exporter) ownFamilies() []family {
	return []family{
		{Desc{
			"fathom_bpf_run_seconds_total", Counter, "seconds", []string{"program"},
			"CPU time that Fathom's programs took in the kernel, estimated from a random sample of about one in 1,000 of their runs.",
		}, e.writeRunTime},
		{Desc{
			"fathom_bpf_runs_total", Counter, "", []string{"program"},
			"Runs of Fathom's programs in the kernel, estimated likewise. Those that found nothing to do (another protocol, a client's arrivals) are left out.",
		}, e.writeRuns},
		{Desc{
			"fathom_build_info", Gauge, "", []string{"version", "revision", "goversion"},
			"Always 1; the labels tell what the agent was built from.",
		}, func(_ *kernel.Snapshot, enc encoder) {
			enc.number(labels{own: e.build}, labelSet{}, whole(1), time.Time{})
		}},
		{Desc{
			"fathom_bytes_total", Counter, "bytes", ofWorkload("class", "direction"),
			"Bytes that TCP connections carried, by what Fathom recognised on them.",
		}, e.writeClassBytes},
		{Desc{
			"fathom_connections_total", Counter, "", ofWorkload("class", "reason"),
			"TCP connections by what Fathom recognised on them. Each is in one class; those of protocols that are read are in the metrics of requests, too.",
		}, counts(e.coverage, 0)},
		{Desc{
			"fathom_lost_bytes_total", Counter, "bytes", []string{"direction", "reason"},
			"Bytes that TCP carried and that Fathom did not see, could not read, or could not attribute. All 0: every byte is accounted for.",
		}, e.writeLostBytes},
		{Desc{
			"fathom_lost_total", Counter, "", []string{"reason"},
			"Events that are missing from the other metrics. All 0: the numbers are exact.",
		}, e.writeLost},
		{Desc{
			"fathom_map_memory_bytes", Gauge, "bytes", []string{"map"},
			"Memory that a table takes in the kernel. It is not part of the agent's resident memory.",
		}, e.perTable(func(t *kernel.Table) uint64 { return t.MemoryBytes })},
		{Desc{
			"fathom_overflow_total", Counter, "", []string{"map"},
			"Times that something found no room in a table: it went to series with the value \"overflow\", is counted in fathom_lost_total, or is not shown (coverage, listeners, http2_connections).",
		}, e.perTable(func(t *kernel.Table) uint64 { return t.Overflowed })},
		{Desc{
			"fathom_series", Gauge, "", []string{"map"},
			"Entries of a table in the kernel that are in use.",
		}, e.perTable(func(t *kernel.Table) uint64 { return uint64(max(t.Used, 0)) })}, //nolint:gosec // not negative
		{Desc{
			"fathom_series_limit", Gauge, "", []string{"map"},
			"Entries that a table in the kernel has room for. See the --max-... flags.",
		}, e.perTable(func(t *kernel.Table) uint64 { return uint64(max(t.Limit, 0)) })}, //nolint:gosec // not negative
		{Desc{
			"fathom_tap_info", Gauge, "", []string{"tap", "mode"},
			"Always 1; the labels tell how each tap is attached to the kernel. With mode \"none\" it is not, and what it would see is missing.",
		}, e.writeTaps},
	}
}

// sums adds up values with equal labels and writes them in order.
type sums map[string]number

func (s sums) write(e *Exporter, enc encoder, labelsOf func(string) labelSet) {
	for _, k := range slices.Sorted(maps.Keys(s)) {
		enc.number(labels{own: labelsOf(k)}, labelSet{}, s[k], e.started)
	}
}

func (s sums) add(k string, n number) {
	s[k] = number{s[k].whole + n.whole, s[k].fraction + n.fraction}
}

// label returns a function that makes a label of a value.
func label(name string) func(string) labelSet {
	return func(v string) labelSet { return newLabels(name, v) }
}

func (e *Exporter) writeRunTime(snap *kernel.Snapshot, enc encoder) {
	s := sums{}
	for _, p := range snap.Programs {
		s.add(p.Name, seconds(p.Time))
	}
	s.write(e, enc, label("program"))
}

func (e *Exporter) writeRuns(snap *kernel.Snapshot, enc encoder) {
	s := sums{}
	for _, p := range snap.Programs {
		s.add(p.Name, whole(p.Runs))
	}
	s.write(e, enc, label("program"))
}

// writeLost adds the runs that the kernel skipped to the other losses.
func (e *Exporter) writeLost(snap *kernel.Snapshot, enc encoder) {
	s := sums{"missed_run": {}}
	for _, l := range snap.Lost {
		s.add(l.Reason, whole(l.Count))
	}
	for _, p := range snap.Programs {
		s.add("missed_run", whole(p.Missed))
	}
	s.write(e, enc, label("reason"))
}

// writeLostBytes names directions as fathom_bytes_total does, so that one divides by the other.
func (e *Exporter) writeLostBytes(snap *kernel.Snapshot, enc encoder) {
	byDirection := map[string]sums{"received": {}, "sent": {}}
	for _, l := range snap.LostBytes {
		direction := "received"
		if l.Direction == "write" {
			direction = "sent"
		}
		byDirection[direction].add(l.Reason, whole(l.Bytes))
	}
	for _, direction := range []string{"received", "sent"} {
		byDirection[direction].write(e, enc, func(reason string) labelSet {
			return newLabels("direction", direction, "reason", reason)
		})
	}
}

func (e *Exporter) perTable(value func(*kernel.Table) uint64) func(*kernel.Snapshot, encoder) {
	return func(snap *kernel.Snapshot, enc encoder) {
		s := sums{}
		for i := range snap.Tables {
			s.add(snap.Tables[i].Name, whole(value(&snap.Tables[i])))
		}
		s.write(e, enc, label("map"))
	}
}

func (e *Exporter) writeTaps(_ *kernel.Snapshot, enc encoder) {
	taps := slices.Clone(e.source.Taps())
	slices.SortFunc(taps, compareTaps)
	taps = slices.CompactFunc(taps, func(a, b kernel.Tap) bool { return compareTaps(a, b) == 0 })
	for _, t := range taps {
		enc.number(labels{own: newLabels("tap", t.Name, "mode", t.Mode)}, labelSet{}, whole(1), time.Time{})
	}
}

func (e *Exporter) writeClassBytes(_ *kernel.Snapshot, enc encoder) {
	received, sent := newLabels("direction", "received"), newLabels("direction", "sent")
	for _, s := range e.classes.sorted() {
		enc.number(s.allLabels(), received, whole(s.now.counts[classReceived]), s.created)
		enc.number(s.allLabels(), sent, whole(s.now.counts[classSent]), s.created)
	}
}

func compareTaps(a, b kernel.Tap) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Mode, b.Mode))
}
