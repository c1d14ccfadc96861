package top

import (
	"fmt"
	"strings"

	"github.com/fathomhq/fathom/internal/history"
)

// coverageLines say what cannot be read, what is lost, and what is full.
func (m *model) coverageLines() []string {
	if m.coverage == nil {
		return []string{"asking ..."}
	}
	var lines []string
	for _, c := range m.coverage {
		lines = append(lines, bold.Render(fmt.Sprintf("%s, last %.0f s: %s of the bytes are opaque", printable(c.Node), c.WindowSeconds, percent(c.OpaqueRatio))))
		lines = append(lines, classLines(c.Classes)...)
		if opaque := opaqueLines(c.Workloads); len(opaque) > 0 {
			lines = append(lines, "", bold.Render("Opaque, by workload"))
			lines = append(lines, opaque...)
		}
		lines = append(lines, "", bold.Render("Lost"))
		lines = append(lines, lostLines(c)...)
		lines = append(lines, "", bold.Render("Limits"))
		for _, t := range c.Tables {
			line := fmt.Sprintf("%-14s %7d of %7d  %8s", printable(t.Name), t.Used, t.Limit, bytesOf(history.Number(t.MemoryBytes)))
			if t.Full {
				line = alarm.Render(fmt.Sprintf("%s  FULL, %d times", line, t.Overflowed))
			}
			lines = append(lines, line)
		}
		r := c.History
		line := fmt.Sprintf("%-14s %7d of %7d  %8s  %.0f of %.0f s", "history", r.Workloads, r.LimitWorkloads, bytesOf(history.Number(r.Bytes)), r.Seconds, r.LimitSeconds)
		if r.NotShown > 0 || r.Shortened {
			line = alarm.Render(fmt.Sprintf("%s  FULL, %d workloads not shown", line, r.NotShown))
		}
		lines = append(lines, line, "")
	}
	return lines
}

// classLines describe connections by class.
func classLines(classes []history.Class) (lines []string) {
	for _, c := range classes {
		lines = append(lines, fmt.Sprintf("%-11s in %8s  out %8s", printable(c.Class), bytesOf(history.Number(c.BytesReceived)), bytesOf(history.Number(c.BytesSent))))
		for _, r := range c.Reasons {
			if r.Connections > 0 {
				lines = append(lines, "  "+reasonLine(&r))
			}
		}
	}
	return lines
}

func reasonLine(r *history.ClassReason) string {
	text := count(int(r.Connections), "connection", "connections") //nolint:gosec // shown only
	if r.Reason != "" {
		text += ", " + printable(r.Reason)
	}
	if r.Why != "" {
		text += ": " + plain(r.Why)
	}
	return text
}

// plain takes Markdown's backquotes away.
func plain(s string) string { return printable(strings.ReplaceAll(s, "`", "")) }

// opaqueLines name the workloads whose traffic cannot be read.
func opaqueLines(workloads []history.WorkloadCoverage) (lines []string) {
	for _, w := range workloads {
		if w.OpaqueRatio <= 0 || !w.OpaqueRatio.Exists() {
			continue
		}
		name := w.Workload
		if w.Namespace != "" {
			name = w.Namespace + "/" + name
		}
		lines = append(lines, fmt.Sprintf("%-40s %6s opaque", printable(name), percent(w.OpaqueRatio)))
		for _, c := range w.Classes {
			if c.Readable || c.Class == "idle" || c.BytesReceived+c.BytesSent == 0 {
				continue
			}
			parts := []string{"  " + printable(c.Class)}
			for _, r := range c.Reasons {
				if r.Connections > 0 {
					parts = append(parts, reasonLine(&r))
				}
			}
			lines = append(lines, strings.Join(parts, ", "))
		}
	}
	return lines
}

// lostLines say what the numbers lack.
func lostLines(c *history.CoverageReport) (lines []string) {
	for _, l := range c.Lost {
		if l.Total > 0 {
			lines = append(lines, fmt.Sprintf("%8d (%d since the start) %s: %s", l.Count, l.Total, printable(l.Reason), plain(l.Why)))
		}
	}
	for _, l := range c.LostBytes {
		if l.Total > 0 {
			lines = append(lines, fmt.Sprintf("%8s (%s since the start) %s, %s: %s", bytesOf(history.Number(l.Bytes)), bytesOf(history.Number(l.Total)),
				printable(l.Reason), printable(l.Direction), plain(l.Why)))
		}
	}
	if len(lines) == 0 {
		return []string{"nothing: the numbers are exact"}
	}
	return lines
}
