package history

import (
	"cmp"
	"runtime"
	"slices"
	"time"

	"github.com/fathomhq/fathom/internal/metrics"
	"github.com/fathomhq/fathom/internal/protocol"
)

// cumulative returns the vector that a series has counted in all.
func (e *entry[K]) cumulative(k kind) []uint64 {
	v := make([]uint64, k.cumulativeWidth())
	if e.before != nil {
		readVector(e.before, func(i int, n uint64) { v[i] = n })
	}
	return v
}

// classes describes the connections of a workload by class.
func classes(t *track, counted *sums) []Class {
	byClass := make(map[string]*Class)
	of := func(name string) *Class {
		if byClass[name] == nil {
			c := protocol.ClassNamed(name)
			byClass[name] = &Class{Class: name, Title: c.Title, Readable: c.Protocol != nil, Advice: c.Advice, Reasons: []ClassReason{}}
		}
		return byClass[name]
	}
	for i := range t.bytes.list {
		e := &t.bytes.list[i]
		if e.seen == 0 {
			continue
		}
		c, total := of(e.key.Class), e.cumulative(ofBytes)
		c.BytesReceivedTotal, c.BytesSentTotal = total[metrics.BytesReceived], total[metrics.BytesSent]
		if v := counted.get(ofBytes, i); v != nil {
			c.BytesReceived, c.BytesSent = v[metrics.BytesReceived], v[metrics.BytesSent]
		}
	}
	for i := range t.coverage.list {
		e := &t.coverage.list[i]
		if e.seen == 0 {
			continue
		}
		r := ClassReason{Reason: e.key.Reason, Why: metrics.WhyConnection(e.key.Reason), ConnectionsTotal: e.cumulative(ofCoverage)[0]}
		if v := counted.get(ofCoverage, i); v != nil {
			r.Connections = v[0]
		}
		if c := of(e.key.Class); r.ConnectionsTotal > 0 || r.Connections > 0 {
			c.Reasons = append(c.Reasons, r)
		}
	}
	return sortClasses(byClass)
}

func sortClasses(byClass map[string]*Class) []Class {
	out := []Class{}
	for _, c := range byClass {
		slices.SortFunc(c.Reasons, func(a, b ClassReason) int {
			return cmp.Or(cmp.Compare(b.Connections, a.Connections), cmp.Compare(b.ConnectionsTotal, a.ConnectionsTotal), cmp.Compare(a.Reason, b.Reason))
		})
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b Class) int {
		return cmp.Or(cmp.Compare(b.bytes(), a.bytes()), cmp.Compare(b.totalBytes(), a.totalBytes()), cmp.Compare(a.Class, b.Class))
	})
	return out
}

func (c *Class) bytes() uint64      { return c.BytesReceived + c.BytesSent }
func (c *Class) totalBytes() uint64 { return c.BytesReceivedTotal + c.BytesSentTotal }

// coverage makes the answer of /api/v1/coverage.
func (h *History) coverage(d time.Duration) CoverageReport {
	w := h.window(d, detailSteps)
	out := CoverageReport{Head: w.head(), Workloads: []WorkloadCoverage{}}
	host := make(map[string]*Class)
	for _, t := range h.byRef {
		if t == nil || t.seen != h.sample && t.held < w.frames[0].first {
			continue
		}
		all := w.read(t, func(int, *step, *sums) {})
		c := WorkloadCoverage{Identity: t.identity(), OpaqueRatio: opaqueRatio(all, t.bytes.list), Classes: classes(t, all)}
		out.Workloads = append(out.Workloads, c)
		for i := range c.Classes {
			join(host, &c.Classes[i])
		}
	}
	slices.SortFunc(out.Workloads, func(a, b WorkloadCoverage) int {
		return cmp.Or(cmp.Compare(opaqueBytes(b.Classes), opaqueBytes(a.Classes)), cmp.Compare(a.Namespace, b.Namespace),
			cmp.Compare(a.Workload, b.Workload), cmp.Compare(a.Pod, b.Pod), cmp.Compare(a.ID, b.ID))
	})
	out.Classes = sortClasses(host)
	var all uint64
	for i := range out.Classes {
		all += out.Classes[i].bytes()
	}
	out.OpaqueRatio = ratio(float64(opaqueBytes(out.Classes)), float64(all))
	out.Lost, out.LostBytes, out.Tables = w.lost(), w.lostBytes(), w.tableList()
	return out
}

func opaqueBytes(classes []Class) (n uint64) {
	for i := range classes {
		if isOpaque(classes[i].Class) {
			n += classes[i].bytes()
		}
	}
	return n
}

// join adds the numbers of a class to those of the host.
func join(host map[string]*Class, c *Class) {
	all := host[c.Class]
	if all == nil {
		all = &Class{Class: c.Class, Title: c.Title, Readable: c.Readable, Advice: c.Advice, Reasons: []ClassReason{}}
		host[c.Class] = all
	}
	all.BytesReceived += c.BytesReceived
	all.BytesSent += c.BytesSent
	all.BytesReceivedTotal += c.BytesReceivedTotal
	all.BytesSentTotal += c.BytesSentTotal
	for _, r := range c.Reasons {
		i := slices.IndexFunc(all.Reasons, func(a ClassReason) bool { return a.Reason == r.Reason })
		if i < 0 {
			all.Reasons = append(all.Reasons, r)
			continue
		}
		all.Reasons[i].Connections += r.Connections
		all.Reasons[i].ConnectionsTotal += r.ConnectionsTotal
	}
}

// end are the totals at the end of a window.
func (w *window) end() *totals { return &w.frames[len(w.frames)-1].host }

// delta is what was added to a total in the window.
func delta[V uint64 | time.Duration](before, end []V, i int) V {
	b, e := at(before, i), at(end, i)
	if e < b {
		return e
	}
	return e - b
}

func (w *window) lost() []Lost {
	out := []Lost{}
	for i, reason := range w.names.lost {
		out = append(out, Lost{
			Reason: reason, Why: metrics.WhyLost(reason), Count: delta(w.before.lost, w.end().lost, i), Total: at(w.end().lost, i),
		})
	}
	slices.SortFunc(out, func(a, b Lost) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(b.Total, a.Total), cmp.Compare(a.Reason, b.Reason))
	})
	return out
}

func (w *window) lostBytes() []LostBytes {
	out := []LostBytes{}
	for i, n := range w.names.bytes {
		out = append(out, LostBytes{
			Direction: n.direction, Reason: n.reason, Why: metrics.WhyLostBytes(n.reason),
			Bytes: delta(w.before.bytes, w.end().bytes, i), Total: at(w.end().bytes, i),
		})
	}
	slices.SortFunc(out, func(a, b LostBytes) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(b.Total, a.Total), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Direction, b.Direction))
	})
	return out
}

func (w *window) tableList() []Table {
	out := []Table{}
	for i, name := range w.names.tables {
		t := Table{Name: name, Overflowed: delta(w.before.overflow, w.end().overflow, i), OverflowedTotal: at(w.end().overflow, i)}
		for _, now := range w.tables {
			if now.Name == name {
				t.Used, t.Limit, t.MemoryBytes = now.Used, now.Limit, now.MemoryBytes
			}
		}
		t.Full = t.Overflowed > 0 || t.Limit > 0 && t.Used >= t.Limit
		out = append(out, t)
	}
	return out
}

// agent makes the answer of /api/v1/agent.
func (h *History) agent(d time.Duration) AgentReport {
	w := h.window(d, detailSteps)
	o := &h.options
	out := AgentReport{
		Head: w.head(), Version: o.Version, Revision: o.Revision, GoVersion: runtime.Version(), CPUs: runtime.NumCPU(),
		Taps: []Tap{}, TLS: o.TLS, Started: unixSeconds(o.Started),
		UptimeSeconds: round(w.frames[len(w.frames)-1].end.Sub(o.Started).Seconds()),
		StepSeconds:   w.stepSeconds(), Times: w.times(),
		CPURatios: w.numbers(), BPFRatios: w.numbers(), ResidentBytesAt: w.numbers(), Programs: []Program{},
	}
	out.Kernel, out.Architecture = machine()
	out.AttachMode, out.Taps = h.taps()

	before := &w.before
	for i, s := range w.steps {
		end := &w.frames[s.end-1].host
		out.CPURatios[i] = ratio((end.cost.cpu - before.cost.cpu).Seconds(), s.seconds)
		out.BPFRatios[i] = ratio((end.bpf() - before.bpf()).Seconds(), s.seconds)
		out.ResidentBytesAt[i] = resident(end)
		before = end
	}
	end := w.end()
	out.CPURatio = ratio((end.cost.cpu - w.before.cost.cpu).Seconds(), w.seconds)
	out.BPFRatio = ratio((end.bpf() - w.before.bpf()).Seconds(), w.seconds)
	out.ResidentBytes = resident(end)
	for i, name := range w.names.programs {
		out.Programs = append(out.Programs, Program{
			Name:          name,
			RunsPerSecond: ratio(float64(delta(w.before.runs, end.runs, i)), w.seconds),
			Ratio:         ratio(delta(w.before.runTime, end.runTime, i).Seconds(), w.seconds),
		})
	}
	slices.SortFunc(out.Programs, func(a, b Program) int {
		return cmp.Or(cmp.Compare(b.Ratio, a.Ratio), cmp.Compare(a.Name, b.Name))
	})
	for _, t := range h.tables {
		out.TableBytes += t.MemoryBytes
		if t.Name == "http_series" {
			out.Series, out.SeriesLimit = t.Used, t.Limit
		}
	}
	return out
}

// bpf is the time of all programs.
func (t *totals) bpf() (sum time.Duration) {
	for _, d := range t.runTime {
		sum += d
	}
	return sum
}

func resident(t *totals) Number {
	if t.cost.resident == 0 {
		return None()
	}
	return Number(t.cost.resident)
}

// taps returns the mode that most taps have, and all of them.
func (h *History) taps() (mode string, list []Tap) {
	list = []Tap{}
	if h.options.Taps == nil {
		return "", list
	}
	modes := make(map[string]int)
	for _, t := range h.options.Taps() {
		tap := Tap{Name: t.Name, Mode: t.Mode}
		if t.Err != nil {
			tap.Error = t.Err.Error()
		} else if modes[t.Mode]++; modes[t.Mode] > modes[mode] {
			mode = t.Mode
		}
		list = append(list, tap)
	}
	return mode, list
}
