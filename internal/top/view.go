package top

import (
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"
)

// Styles use the terminal's own sixteen colours, which fit its background. bubbletea leaves them out where the
// terminal has none, or NO_COLOR is set.
var (
	unstyled = lipgloss.NewStyle()
	bold     = lipgloss.NewStyle().Bold(true)
	faint    = lipgloss.NewStyle().Faint(true)
	alarm    = lipgloss.NewStyle().Foreground(lipgloss.Red).Bold(true)
	reversed = lipgloss.NewStyle().Reverse(true)
	sorted   = lipgloss.NewStyle().Bold(true).Underline(true)
)

// page is how many lines there are for what is shown: without state, message, and help.
func (m *model) page() int { return max(1, m.height-2-len(m.messageLines())) }

// tableHeight is how many rows there is room for, below the titles.
func (m *model) tableHeight() int { return max(1, m.page()-1) }

// table lays out the rows for the screen.
func (m *model) table() *table { return newTable(m.shown, m.width, true, m.order.column) }

// View implements [tea.Model].
func (m *model) View() tea.View {
	var body []string
	switch m.screen {
	case showTable:
		body = m.tableLines()
	case showDetails:
		body = m.part(m.detailLines())
	case showCoverage:
		body = m.part(m.coverageLines())
	case showHelp:
		body = m.part(strings.Split(helpText, "\n"))
	}
	lines := append(append([]string{m.state()}, m.messageLines()...), body...)
	for len(lines) < m.height-1 {
		lines = append(lines, "")
	}
	lines = append(lines[:max(0, m.height-1)], m.help())
	for i := range lines {
		lines[i] = ansi.Truncate(lines[i], m.width, "")
	}
	v := tea.NewView(strings.Join(lines, "\n"))
	v.AltScreen = true
	v.WindowTitle = "fathom top"
	return v
}

// part is what the screen shows of a longer text. Long lines are wrapped.
func (m *model) part(text []string) []string {
	lines := strings.Split(ansi.Wrap(strings.Join(text, "\n"), m.width, ""), "\n")
	page := m.page()
	m.offset = max(0, min(m.offset, len(lines)-page))
	return lines[m.offset:min(len(lines), m.offset+page)]
}

// state is the first line: where the numbers are from.
func (m *model) state() string {
	parts := []string{bold.Render("fathom top"), m.options.Source.Name, "last " + short(m.options.Window)}
	if m.report != nil {
		parts = append(parts, count(len(m.report.Workloads), "workload", "workloads"))
		if n := len(m.report.Agents); m.options.Source.Cluster {
			parts = append(parts, count(n, "agent", "agents"))
		}
		parts = append(parts, time.Unix(int64(m.report.Time), 0).Format(time.TimeOnly))
		if m.filter != "" && !m.editing && m.screen == showTable {
			parts = append(parts, fmt.Sprintf("filter: %s (%d of %d; esc ends it)", m.filter, len(m.shown), len(m.report.Workloads)))
		}
	}
	if m.paused {
		parts = append(parts, bold.Render("PAUSED"))
	}
	return strings.Join(parts, "  ")
}

// messageLines is the message, in as many lines as it needs, up to four: it ends with what to do.
func (m *model) messageLines() []string {
	lines := strings.Split(ansi.Wrap(m.message(), m.width, ""), "\n")
	return lines[:min(len(lines), 4)]
}

// message is below the state: what is wrong, or the filter while it is written.
func (m *model) message() string {
	switch {
	case m.editing:
		return "filter: " + m.filter + "_"
	case m.err != nil && m.report != nil:
		return alarm.Render(fmt.Sprintf("OLD NUMBERS, of %s ago: %s", time.Since(m.at).Round(time.Second), printable(oneLine(m.err))))
	case m.err != nil:
		return alarm.Render(printable(oneLine(m.err)))
	case m.report == nil:
		return "asking ..."
	case m.extraErr != nil:
		return alarm.Render(printable(oneLine(m.extraErr)))
	case m.report.failed() > 0:
		return alarm.Render(m.failures())
	}
	notShown := 0
	for _, a := range m.report.Agents {
		notShown += a.NotShown
	}
	if notShown > 0 {
		return alarm.Render(count(notShown, "workload is", "workloads are") + " not shown, as the history is full; /metrics has them")
	}
	return ""
}

// failures names the agents that did not answer.
func (m *model) failures() string {
	var nodes []string
	reason := ""
	for _, a := range m.report.Agents {
		if a.Error != "" {
			nodes, reason = append(nodes, printable(a.Node)), a.Error
		}
	}
	return fmt.Sprintf("no answer from the agents on %s: %s", strings.Join(nodes, ", "), printable(reason))
}

// help is the last line.
func (m *model) help() string {
	text := "q quit  arrows move, sort  r reverse  / filter  enter details  c coverage  w window  p pause  ? help"
	switch {
	case m.editing:
		text = "enter keeps the filter  esc ends it"
	case m.screen != showTable:
		text = "esc back  up, down scroll  w window  p pause  q quit"
	}
	return faint.Render(text)
}

// tableLines are the table.
func (m *model) tableLines() []string {
	if m.report != nil && len(m.report.Workloads) == 0 {
		return []string{"No workload had a TCP connection yet."}
	}
	t := m.table()
	lines := []string{t.header(func(c *column, s string) string {
		if c == m.order.column {
			return sorted.Render(s)
		}
		return bold.Render(s)
	})}
	for i := m.offset; i < min(len(t.rows), m.offset+m.tableHeight()); i++ {
		if i == m.cursor {
			line := t.line(i, reversed, alarm.Reverse(true))
			lines = append(lines, line+reversed.Render(strings.Repeat(" ", max(0, m.width-ansi.StringWidth(line)))))
			continue
		}
		lines = append(lines, t.line(i, unstyled, alarm))
	}
	return lines
}

// short writes a duration without its zeros.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	return s
}

const helpText = `REQ/S      requests that the workload served, per second: HTTP, or another protocol if that is all it serves
ERRORS     share of them with an error (HTTP: 5xx), or without any status; of a workload that only asks, of its requests
P50 .. P99 how long they took, as their callers felt it
QUEUE      share of that time that requests waited unread: near 100% means overload
RETRANS    share of the TCP segments that were sent again
ACTIVE     requests without an answer at this moment
OUT/S      HTTP requests that the workload made
OTHER/S    requests in other protocols that it made, to databases for instance
OPAQUE     share of its bytes that Fathom cannot read, as TLS; c says why
TLS        share of its requests that were encrypted

left, right, < and >   sort by another column, r in the opposite order
up, down, pgup, pgdown, home, end
/          show only rows with a text in one of their names
enter      one workload: latency over time, statuses, peers
c          what cannot be read, and why; what is lost; which limits are full
w          another window: 1, 5 or 15 minutes
p          pause
q, ctrl-c  quit`
