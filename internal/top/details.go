package top

import (
	"fmt"
	"math"
	"strings"

	"github.com/fathomhq/fathom/internal/history"
)

// detailLines describe one workload.
func (m *model) detailLines() []string {
	if m.of == nil {
		return nil
	}
	lines := []string{bold.Render(printable(title(m.of)))}
	d := m.details
	if d == nil {
		return append(lines, "", "asking ...")
	}
	w := &d.Workload
	room := max(20, m.width-24)
	names := max(16, min(40, m.width-68)) // of peers, in lines with numbers
	add := func(format string, a ...any) { lines = append(lines, fmt.Sprintf(format, a...)) }
	heading := func(text string) { lines = append(lines, "", bold.Render(text)) }

	if w.Served.Count > 0 {
		heading(fmt.Sprintf("Served, last %.0f s", d.WindowSeconds))
		add("%s requests/s, %s errors, %s active", rate(w.Served.PerSecond), percent(w.Served.ErrorRatio), whole(w.Served.Active))
		add("mean %s, p50 %s, p90 %s, p99 %s, of which %s waiting", duration(w.Served.Latency.Mean), duration(w.Served.Latency.P50),
			duration(w.Served.Latency.P90), duration(w.Served.Latency.P99), percent(w.QueueRatio))
		add("")
		graph := func(name string, points []history.Number, format func(history.Number) string) {
			add("%-10s %s %s", name, sparkline(points, room), format(last(points)))
		}
		graph("requests/s", d.Series.PerSecond, rate)
		graph("p50", d.Series.P50, duration)
		graph("p99", d.Series.P99, duration)
		graph("waiting", d.Series.Queue, duration)
		graph("working", d.Series.Service, duration)
		graph("errors", d.Series.ErrorRatio, percent)
		heading("Latency over time")
		lines = append(lines, heatLines(&d.Heatmap, room)...)
		heading("Statuses")
		lines = append(lines, statusLines(d.Statuses)...)
	}
	if w.Client.Count > 0 {
		heading(fmt.Sprintf("Made, last %.0f s", d.WindowSeconds))
		add("%s requests/s, %s errors, mean %s, p50 %s, p90 %s, p99 %s", rate(w.Client.PerSecond), percent(w.Client.ErrorRatio),
			duration(w.Client.Latency.Mean), duration(w.Client.Latency.P50), duration(w.Client.Latency.P90), duration(w.Client.Latency.P99))
		for _, p := range d.Client.Peers {
			add("%-*s %8s/s %7s errors  p50 %7s  p99 %7s", names, peerName(p.End), rate(p.PerSecond), percent(p.ErrorRatio),
				duration(p.Latency.P50), duration(p.Latency.P99))
		}
	}
	for i := range d.Protocols {
		p := &d.Protocols[i]
		does := "served"
		if p.Role == "client" {
			does = "made"
		}
		heading(fmt.Sprintf("%s %s, last %.0f s", printable(p.Title), does, d.WindowSeconds))
		add("%s requests/s, %s errors, mean %s, p50 %s, p90 %s, p99 %s", rate(p.PerSecond), percent(p.ErrorRatio),
			duration(p.Latency.Mean), duration(p.Latency.P50), duration(p.Latency.P90), duration(p.Latency.P99))
		if p.QueueRatio.Exists() {
			add("%s of their time they wait", percent(p.QueueRatio))
		}
		for _, peer := range p.Details.Peers {
			add("%-*s %8s/s %7s errors  p50 %7s  p99 %7s", names, peerName(peer.End), rate(peer.PerSecond), percent(peer.ErrorRatio),
				duration(peer.Latency.P50), duration(peer.Latency.P99))
		}
		lines = append(lines, statusLines(p.Statuses)...)
	}
	if len(d.Peers) > 0 {
		heading("TCP by peer")
		for _, p := range d.Peers {
			add("%-7s %-*s  out %7s/s  in %7s/s  retrans %6s  rtt %6s%s", printable(p.Role), names, peerName(p.End), bytesOf(p.BytesSentPerSecond),
				bytesOf(p.BytesReceivedPerSecond), percent(p.RetransmitRatio), duration(p.RTT.P50), troubles(&p))
		}
	}
	if len(d.Listeners) > 0 {
		heading("Listens")
		for _, l := range d.Listeners {
			add("%-24s %d of %d wait for accept, %d dropped", printable(l.Address), l.Queue, l.QueueLimit, l.Drops)
		}
	}
	if len(d.Classes) > 0 {
		heading("Connections by what is on them")
		lines = append(lines, classLines(d.Classes)...)
	}
	return lines
}

// title names a workload in full.
func title(r *Row) string {
	parts := []string{r.Workload.Workload}
	for _, p := range []struct{ name, value string }{
		{"kind", r.WorkloadKind}, {"namespace", r.Namespace}, {"pod", r.Pod}, {"container", r.Container}, {"node", r.Node},
	} {
		if p.value != "" {
			parts = append(parts, p.name+" "+p.value)
		}
	}
	return strings.Join(parts, ", ")
}

func last(points []history.Number) history.Number {
	if len(points) == 0 {
		return history.None()
	}
	return points[len(points)-1]
}

// shades are how many requests a place has, in roots of the most.
const shades = " ░▒▓█"

// heatRows is the most rows that a heat map takes; more are joined.
const heatRows = 16

// heatLines draw a heat map, slow requests above.
func heatLines(h *history.Heatmap, width int) []string {
	n := len(h.Bounds) - 1
	if n < 1 {
		return nil
	}
	per := (n + heatRows - 1) / heatRows
	steps := h.Counts[max(0, len(h.Counts)-width):]
	joined, most := make([][]uint64, len(steps)), uint64(1)
	for i, step := range steps {
		joined[i] = make([]uint64, n)
		for row, c := range step {
			joined[i][row/per*per] += c
			most = max(most, joined[i][row/per*per])
		}
	}
	shade := []rune(shades)
	var lines []string
	for first := (n - 1) / per * per; first >= 0; first -= per {
		var b strings.Builder
		for _, step := range joined {
			at := 0
			if step[first] > 0 {
				at = 1 + int(math.Sqrt(float64(step[first])/float64(most))*float64(len(shade)-2)+0.5)
			}
			b.WriteRune(shade[at])
		}
		upper := h.Bounds[min(first+per, n)]
		lines = append(lines, fmt.Sprintf("%10s |%s|", "<= "+duration(history.Number(upper)), b.String()))
	}
	return lines
}

func statusLines(statuses []history.Status) (lines []string) {
	width := 10
	for _, s := range statuses {
		width = max(width, len(s.Status))
	}
	for _, s := range statuses {
		tls := ""
		if s.TLS {
			tls = "  TLS"
		}
		method := ""
		if s.Method != "" { // gRPC has none
			method = fmt.Sprintf("%-10s ", printable(s.Method))
		}
		lines = append(lines, fmt.Sprintf("%s%-*s %10d  mean %7s%s", method, width, printable(s.Status), s.Count, duration(s.Mean), tls))
	}
	return lines
}

// peerName names the other end of connections.
func peerName(e history.End) string {
	if e.Peer != "" {
		return printable(e.Peer)
	}
	name := e.PeerWorkload
	if e.PeerNamespace != "" {
		name = e.PeerNamespace + "/" + name
	}
	if e.PeerService != "" {
		name += " (service " + e.PeerService + ")"
	}
	return printable(name)
}

// troubles are those that a connection rarely has.
func troubles(p *history.Peer) string {
	var parts []string
	for _, reason := range []string{"refused", "timed_out", "unreachable", "reset", "abandoned", "other"} {
		if n := p.ConnectFailures[reason]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d connects %s", n, reason))
		}
	}
	if n := p.ResetsSent + p.ResetsReceived; n > 0 {
		parts = append(parts, fmt.Sprintf("%d resets", n))
	}
	if len(parts) == 0 {
		return ""
	}
	return "  " + alarm.Render(strings.Join(parts, ", "))
}
