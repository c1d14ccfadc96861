package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// table is rows of columns, right-aligned but for the first.
type table struct {
	w    *strings.Builder
	rows [][]string
}

func newTable(w *strings.Builder, title string, heads ...string) *table {
	fmt.Fprintf(w, "\n%s\n", title)
	t := &table{w: w}
	t.row(heads...)
	return t
}

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) flush() {
	var widths []int
	for _, r := range t.rows {
		for i, cell := range r {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], len(cell))
		}
	}
	for _, r := range t.rows {
		cells := []string{"", fmt.Sprintf("%-*s", widths[0], r[0])}
		for i, cell := range r[1:] {
			cells = append(cells, fmt.Sprintf("%*s", widths[i+1], cell))
		}
		t.w.WriteString(strings.TrimRight(strings.Join(cells, "  "), " ") + "\n")
	}
}

// header says what was measured, where and when.
func (r *report) header() string {
	brief := ""
	if r.Brief {
		brief = " BRIEF: the figures mean little."
	}
	w := new(strings.Builder)
	fmt.Fprintf(w, "%s, Linux %s, %d x %s, load %s.%s\n%s; %s; %s; node %s; %s; %s\n",
		r.Date.Format("2006-01-02 15:04 UTC"), r.Kernel, r.CPUs, r.Model, r.LoadBefore, brief, r.Fathom, r.Nginx, r.Wrk, r.Node, r.Redis, r.H2load)
	for _, name := range slices.Sorted(maps.Keys(r.Objects)) {
		fmt.Fprintf(w, "%s is %s\n", name, r.Objects[name])
	}
	return w.String()
}

// table returns one part of the report.
func (r *report) table(part string) string {
	w := new(strings.Builder)
	for _, c := range slices.Concat(r.Traffic, r.HTTPS) {
		if c.Name == part {
			c.print(w)
		}
	}
	switch part {
	case "programs":
		r.Programs.print(w)
	case "cpu":
		r.CPU.print(w)
	case "memory":
		r.Memory.print(w)
	case "scrape":
		printScrapes(w, r.Scrape)
	case "against":
		printContests(w, r.Against)
	}
	return w.String()
}

func (c *comparison) print(w *strings.Builder) {
	t := newTable(w, fmt.Sprintf("%s (%s): %s", c.title, c.Name, c.Load), "state", "windows", "requests/s", "quartiles",
		"CPU us/request", "quartiles", "whole machine", "quartiles")
	for _, state := range c.states {
		rate, cost, machine := c.Rates[state], c.CPUPerRequest[state], c.MachinePerRequest[state]
		t.row(state, fmt.Sprint(rate.N), fmt.Sprintf("%.0f", rate.Median), quartiles("%.0f", rate, 1),
			fmt.Sprintf("%.2f", cost.Median/1e3), quartiles("%.2f", cost, 1e3), fmt.Sprintf("%.2f", machine.Median/1e3), quartiles("%.2f", machine, 1e3))
	}
	t.flush()
	t = newTable(w, "  Neighbouring windows compared", "ratio", "median", "quartiles", "95 %", "target",
		"by CPU time", "quartiles", "target", "by machine", "CPU ns/request", "95 %")
	for _, x := range c.Ratios {
		t.row(x.Of+" / "+x.To, fmt.Sprintf("%.3f", x.Value.Median), quartiles("%.3f", x.Value, 1),
			fmt.Sprintf("%.3f..%.3f", x.Value.Low, x.Value.High), aimed(">=", x.Target, x.met()),
			fmt.Sprintf("%.3f", x.ByCPU.Median), quartiles("%.3f", x.ByCPU, 1), aimed(">=", x.TargetCPU, x.metByCPU()),
			fmt.Sprintf("%.3f", x.ByMachine.Median),
			fmt.Sprintf("%+.0f", x.CPU.Median), fmt.Sprintf("%+.0f..%+.0f", x.CPU.Low, x.CPU.High))
	}
	t.flush()
	if c.BPF != nil {
		c.BPF.print(w)
	}
	if c.LoadErrors != "" {
		fmt.Fprintf(w, "  The load reports: %s\n", c.LoadErrors)
	}
}

// quartiles prints the middle half of a sample, in another unit.
func quartiles(format string, s summary, unit float64) string {
	return fmt.Sprintf(format+".."+format, s.Q1/unit, s.Q3/unit)
}

func (b *bpfTime) print(w *strings.Builder) {
	t := newTable(w, fmt.Sprintf("  BPF time, both ends together, without the %.0f ns per run that an empty program measures", b.EmptyNsPerRun),
		"state", "windows", "runs/request", "ns/request", "quartiles", "ns/request and end", "target")
	for _, state := range b.states {
		runs, ns := b.RunsPerRequest[state], b.NsPerRequest[state]
		t.row(state, fmt.Sprint(ns.N), fmt.Sprintf("%.2f", runs.Median), fmt.Sprintf("%.0f", ns.Median), quartiles("%.0f", ns, 1),
			fmt.Sprintf("%.0f", ns.Median/2), aimedAs("%.0f", "<=", b.Targets[state], b.metBy(state)))
	}
	t.flush()
	if len(b.Ratios) == 0 {
		return
	}
	t = newTable(w, "  Neighbouring windows compared", "ratio of BPF time", "median", "quartiles", "95 %", "target")
	for _, x := range b.Ratios {
		t.row(x.Of+" / "+x.To, fmt.Sprintf("%.3f", x.Value.Median), quartiles("%.3f", x.Value, 1),
			fmt.Sprintf("%.3f..%.3f", x.Value.Low, x.Value.High), aimed("<=", x.Target, x.met()))
	}
	t.flush()
}

func (c *programCosts) print(w *strings.Builder) {
	t := newTable(w, "BPF programs under the same load, by the kernel's statistics and by Fathom's own sample",
		"program", "runs/request", "ns/run", "ns/request", "own: runs/request", "ns/run")
	for _, p := range c.Programs {
		t.row(p.Program, fmt.Sprintf("%.4f", p.RunsPerRequest), fmt.Sprintf("%.0f", p.NsPerRun),
			fmt.Sprintf("%.1f", p.RunsPerRequest*p.NsPerRun), fmt.Sprintf("%.4f", p.OwnRunsPerRequest), fmt.Sprintf("%.0f", p.OwnNsPerRun))
	}
	t.row("all", "", "", fmt.Sprintf("%.0f", c.NsPerRequest), "", fmt.Sprintf("%.0f/request", c.OwnNsPerRequest))
	t.flush()
	fmt.Fprintf(w, "  An empty program measures %.0f ns, the kernel's clock; without it %.0f ns per request, both ends together.\n",
		c.EmptyNsPerRun, c.NetNsPerRequest)
}

func (c *agentCPU) print(w *strings.Builder) {
	t := newTable(w, "CPU of the agent's process, a scrape every 5 s", "load", "requests/s", "seconds", "% of a core", "user", "system")
	for _, s := range c.Stretches {
		t.row(s.Load, fmt.Sprintf("%.0f", s.RequestsPerSecond), fmt.Sprintf("%.0f", s.Seconds), fmt.Sprintf("%.2f", s.CPUPercent),
			fmt.Sprintf("%.2f", s.UserPercent), fmt.Sprintf("%.2f", s.SystemPercent))
	}
	t.flush()
	fmt.Fprintf(w, "  Mean %.2f %% paced, %.2f %% full; target < %.1f %% %s. nginx counts %d requests, Fathom %d",
		c.Paced, c.Full, c.Target, verdict(c.met()), c.Requests.Nginx, c.Requests.Fathom)
	for _, reason := range slices.Sorted(maps.Keys(c.Requests.Lost)) {
		fmt.Fprintf(w, ", lost (%s) %.0f", reason, c.Requests.Lost[reason])
	}
	w.WriteString(".\n")
}

func (f *footprint) print(w *strings.Builder) {
	t := newTable(w, fmt.Sprintf("Memory of the agent with %d HTTP series, after scrapes", f.Series), "", "MB", "target")
	mb := func(n uint64) string { return fmt.Sprintf("%.1f", float64(n)/1e6) }
	t.row("resident", mb(f.Memory.RSS), fmt.Sprintf("< 30 %s", verdict(f.Memory.RSS < f.TargetMemory)))
	t.row("  anonymous", mb(f.Memory.RSSAnon), "")
	t.row("  program text", mb(f.Memory.RSSFile-f.Memory.Maps), "")
	t.row("  kernel maps", mb(f.Memory.Maps), "")
	t.row("  shared", mb(f.Memory.RSSShared), "")
	t.row("proportional (PSS)", mb(f.Memory.PSS), "")
	t.row("peak resident", mb(f.Memory.Peak), "")
	t.row("maps, in the kernel", mb(f.MapsKernel), fmt.Sprintf("< 32 %s", verdict(f.MapsKernel < f.TargetMaps)))
	var sum uint64
	for _, name := range slices.Sorted(maps.Keys(f.Maps)) {
		sum += f.Maps[name]
		t.row("  "+name, mb(f.Maps[name]), "")
	}
	t.row("  in Fathom's metric", mb(sum), "")
	t.flush()
}

func printScrapes(w *strings.Builder, all []scrapeCost) {
	t := newTable(w, "A scrape of the agent", "format", "HTTP series", "MB", "CPU ms", "target", "took ms", "peak MB resident")
	for _, s := range all {
		t.row(s.Format, fmt.Sprint(s.Series), fmt.Sprintf("%.1f", float64(s.Bytes)/1e6), fmt.Sprintf("%.1f", s.CPU),
			fmt.Sprintf("< %.0f %s", s.Target, verdict(s.met())), fmt.Sprintf("%.1f", s.Wall), fmt.Sprintf("%.1f", float64(s.PeakRSS)/1e6))
	}
	t.flush()
	if len(all) > 0 {
		fmt.Fprintf(w, "  Between scrapes the agent takes %.1f ms of CPU per second.\n", all[0].IdleCost)
	}
}

func printContests(w *strings.Builder, all []contest) {
	t := newTable(w, "Agents, compared with no agent", "agent", "throughput", "of blocks", "% of a core", "MB resident", "MB PSS")
	for _, c := range all {
		t.row(c.Name, fmt.Sprintf("%.3f", c.Ratio.Median), fmt.Sprintf("%.3f..%.3f", c.Ratio.Low, c.Ratio.High), fmt.Sprintf("%.1f", c.CPU),
			fmt.Sprintf("%.1f", float64(c.Memory.RSS)/1e6), fmt.Sprintf("%.1f", float64(c.Memory.PSS)/1e6))
	}
	t.flush()
}

func verdict(met bool) string {
	if met {
		return "met"
	}
	return "missed"
}
