package top

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/fathomhq/fathom/internal/history"
)

// shop is a report of three workloads.
func shop() *Report {
	row := func(name string, requests, errors, p99, queue history.Number) Row {
		none := history.None()
		w := history.Workload{
			Identity: history.Identity{ID: name, Workload: name, WorkloadKind: "process"},
			Served: history.Requests{Amount: history.Amount{
				Count: uint64(float64(requests) * 60), PerSecond: requests, ErrorRatio: errors,
				Latency: history.Latency{Mean: none, P50: p99 / 4, P90: p99 / 2, P99: p99},
			}},
			Client:     history.Requests{Amount: history.Amount{ErrorRatio: none, Latency: history.Latency{Mean: none, P50: none, P90: none, P99: none}}},
			QueueRatio: queue, TLSRatio: 0, OpaqueRatio: none,
			TCP:    history.TCP{RetransmitRatio: none},
			Series: history.Sparkline{PerSecond: []history.Number{none, 1, 2, 4}},
		}
		return Row{Node: "n1", Workload: w}
	}
	return &Report{
		Time: 1795435260, WindowSeconds: 60, Agents: []Agent{{Node: "n1"}},
		Workloads: []Row{
			row("frontend", 120, 0.03, 0.9, 0.01), row("payments", 48, 0.05, 1.2, 0.88), row("cart", 74, 0, 0.04, history.None()),
		},
	}
}

// start returns a model that has a report, on a terminal of a size.
func start(t *testing.T, width, height int, r *Report) *model {
	t.Helper()
	by, err := parseOrder(DefaultSort)
	if err != nil {
		t.Fatal(err)
	}
	m := newModel(t.Context(), Options{Source: &Source{Name: "here"}, Window: time.Minute, Interval: time.Second}, by)
	m.Update(tea.WindowSizeMsg{Width: width, Height: height})
	if r != nil {
		m.Update(gotReport{report: r, at: time.Now()})
	}
	return m
}

// text is the screen without styles.
func (m *model) text() string { return ansi.Strip(m.View().Content) }

// lines checks the size of the screen, and returns it.
func (m *model) lines(t *testing.T) []string {
	t.Helper()
	lines := strings.Split(m.text(), "\n")
	if len(lines) > m.height {
		t.Errorf("%d lines on a terminal of %d", len(lines), m.height)
	}
	for _, l := range lines {
		if n := ansi.StringWidth(l); n > m.width {
			t.Errorf("%d columns on a terminal of %d: %q", n, m.width, l)
		}
	}
	return lines
}

// names are the workloads on the screen, in order.
func (m *model) names() string {
	var names []string
	for l := range strings.SplitSeq(m.text(), "\n") {
		for _, name := range []string{"frontend", "payments", "cart"} {
			if strings.HasPrefix(l, name) {
				names = append(names, name)
			}
		}
	}
	return strings.Join(names, " ")
}

// keys presses keys: names as "enter", or letters.
func (m *model) keys(keys ...string) (last tea.Cmd) {
	codes := map[string]rune{
		"enter": tea.KeyEnter, "esc": tea.KeyEscape, "left": tea.KeyLeft, "right": tea.KeyRight, "up": tea.KeyUp, "down": tea.KeyDown,
		"backspace": tea.KeyBackspace, "end": tea.KeyEnd, "home": tea.KeyHome, "pgdown": tea.KeyPgDown, "pgup": tea.KeyPgUp, "space": tea.KeySpace,
	}
	for _, k := range keys {
		press := tea.KeyPressMsg{Text: k}
		if code, ok := codes[k]; ok {
			press = tea.KeyPressMsg{Code: code}
		} else if k == "ctrl+c" {
			press = tea.KeyPressMsg{Code: 'c', Mod: tea.ModCtrl}
		} else {
			press.Code = []rune(k)[0]
		}
		_, last = m.Update(press)
	}
	return last
}

func TestSort(t *testing.T) {
	m := start(t, 140, 24, shop())
	for _, c := range []struct{ key, column, want string }{
		{"", "requests", "frontend cart payments"},
		{"r", "requests", "payments cart frontend"},
		{"right", "errors", "payments frontend cart"},
		{"left", "requests", "frontend cart payments"},
		{"left", "workload", "cart frontend payments"},
		{"left", "trend", "frontend cart payments"}, // around
	} {
		if c.key != "" {
			m.keys(c.key)
		}
		if got := m.names(); got != c.want || m.order.column.name != c.column {
			t.Errorf("after %q by %s: %s, want %s", c.key, m.order.column.name, got, c.want)
		}
	}
	// What does not exist is last, in both orders.
	for _, by := range []string{"queue", "-queue"} {
		m.order, _ = parseOrder(by)
		m.arrange()
		if got := m.names(); !strings.HasSuffix(got, "cart") {
			t.Errorf("%s: %s", by, got)
		}
	}
	if _, err := parseOrder("luck"); err == nil {
		t.Error("no error")
	}
}

func TestFilter(t *testing.T) {
	m := start(t, 100, 24, shop())
	m.keys("/", "A", "Y")
	if got := m.names(); got != "payments" || !strings.Contains(m.text(), "filter: AY_") {
		t.Errorf("%s\n%s", got, m.text())
	}
	m.keys("q", "backspace", "enter") // letters belong to the filter
	if got := m.names(); got != "payments" || !strings.Contains(m.text(), "1 of 3") {
		t.Errorf("%s\n%s", got, m.text())
	}
	m.keys("esc")
	if got := m.names(); got != "frontend cart payments" {
		t.Error(got)
	}
}

// The selected workload stays selected while the order changes.
func TestSelection(t *testing.T) {
	m := start(t, 100, 24, shop())
	m.keys("down")
	r := shop()
	r.Workloads[2].Served.PerSecond = 999
	m.Update(gotReport{report: r, at: time.Now()})
	if got := m.shown[m.cursor].ID; got != "cart" {
		t.Errorf("%s is selected, not cart", got)
	}
	m.keys("end", "down", "down")
	if m.cursor != 2 {
		t.Errorf("cursor at %d", m.cursor)
	}
	m.keys("home", "up")
	if m.cursor != 0 {
		t.Errorf("cursor at %d", m.cursor)
	}
}

// More rows than lines scroll with the cursor.
func TestScroll(t *testing.T) {
	r := &Report{Agents: []Agent{{Node: "n1"}}}
	for i := range 50 {
		row := shop().Workloads[0]
		row.ID = fmt.Sprintf("w%02d", i)
		row.Workload.Workload = row.ID
		r.Workloads = append(r.Workloads, row)
	}
	m := start(t, 80, 10, r)
	for range 50 {
		m.keys("down")
		if text := strings.Join(m.lines(t), "\n"); !strings.Contains(text, m.shown[m.cursor].ID) {
			t.Fatalf("%s is not on the screen:\n%s", m.shown[m.cursor].ID, text)
		}
	}
	m.keys("pgup", "pgup")
	if m.cursor != 49-2*m.tableHeight() {
		t.Errorf("cursor at %d", m.cursor)
	}
	m.Update(tea.WindowSizeMsg{Width: 80, Height: 5})
	if !strings.Contains(m.text(), m.shown[m.cursor].ID) {
		t.Error("the cursor left the screen")
	}
}

// A narrow terminal keeps what matters most.
func TestNarrow(t *testing.T) {
	for width, want := range map[int][]string{
		200: {"WORKLOAD", "REQ/S", "P99", "ERRORS", "QUEUE", "RETRANS", "P50", "OUT/S", "P90", "ACTIVE", "OPAQUE", "TLS", "TREND"},
		60:  {"WORKLOAD", "REQ/S", "P99", "ERRORS", "QUEUE", "RETRANS"},
		44:  {"WORKLOAD", "REQ/S", "P99", "ERRORS"},
		28:  {"WORKLOAD", "REQ/S", "P99"},
		10:  {"WORKLOAD"},
		1:   nil,
	} {
		m := start(t, width, 24, shop())
		head := m.lines(t)[2]
		for _, c := range want {
			if !strings.Contains(head, c) {
				t.Errorf("%d columns: no %s in %q", width, c, head)
			}
		}
		for _, s := range []string{"enter", "c", "?"} { // no screen breaks
			m.keys("esc", s)
			m.lines(t)
		}
	}
	long := shop()
	long.Workloads[0].Workload.Workload = strings.Repeat("wörkload", 20)
	if head := start(t, 50, 24, long).lines(t)[2]; !strings.Contains(head, "P99") || !strings.Contains(head, "ERRORS") {
		t.Errorf("a long name takes the place of numbers: %q", head)
	}
}

// An agent that does not answer is told of; its last numbers stay, marked as old.
func TestUnreachable(t *testing.T) {
	broken := errors.New("cannot reach the agent at here: connection refused: is the agent running there")
	m := start(t, 40, 24, nil)
	m.Update(gotReport{err: broken})
	if text := strings.Join(m.lines(t), " "); !strings.Contains(text, "there") { // the end, too
		t.Error(text)
	}
	m = start(t, 100, 24, nil)
	if !strings.Contains(m.text(), "asking ...") {
		t.Error(m.text())
	}
	m.Update(gotReport{err: broken})
	if !strings.Contains(m.text(), "is the agent running there") || strings.Contains(m.text(), "OLD") {
		t.Error(m.text())
	}
	m.Update(gotReport{report: shop(), at: time.Now().Add(-30 * time.Second)})
	m.Update(gotReport{err: broken})
	if text := m.text(); !strings.Contains(text, "OLD NUMBERS, of 30s ago: cannot reach") || m.names() != "frontend cart payments" {
		t.Error(text)
	}
	m.Update(gotReport{report: shop(), at: time.Now()})
	if strings.Contains(m.text(), "OLD") {
		t.Error(m.text())
	}
	part := shop()
	part.Agents = append(part.Agents, Agent{Node: "n2", Error: "timeout"}, Agent{Node: "n1", NotShown: 3})
	m.Update(gotReport{report: part, at: time.Now()})
	if !strings.Contains(m.text(), "no answer from the agents on n2: timeout") {
		t.Error(m.text())
	}
	part.Agents[1].Error = ""
	if !strings.Contains(m.text(), "3 workloads are not shown") {
		t.Error(m.text())
	}
}

func TestKeys(t *testing.T) {
	quits := func(c tea.Cmd) bool {
		if c == nil {
			return false
		}
		_, ok := c().(tea.QuitMsg)
		return ok
	}
	m := start(t, 100, 24, shop())
	if !quits(m.keys("q")) || !quits(m.keys("ctrl+c")) || !quits(m.keys("/", "ctrl+c")) {
		t.Error("it does not quit")
	}
	m.keys("esc")
	for _, want := range []time.Duration{5 * time.Minute, 15 * time.Minute, time.Minute} {
		m.asking = true // nothing is asked in this test
		if m.keys("w"); m.options.Window != want {
			t.Errorf("window %s, want %s", m.options.Window, want)
		}
	}
	if m.keys("p"); !strings.Contains(m.text(), "PAUSED") {
		t.Error(m.text())
	}
	m.keys("space", "?")
	if !strings.Contains(m.text(), "near 100% means overload") {
		t.Error(m.text())
	}
	if m.keys("esc"); m.screen != showTable {
		t.Error("esc does not lead back")
	}
}

// There is one question at a time, and none while paused.
func TestQuestions(t *testing.T) {
	m := start(t, 100, 24, nil)
	if m.ask() == nil || m.ask() != nil {
		t.Error("not one question")
	}
	m.Update(gotReport{report: shop(), at: time.Now()})
	m.keys("p")
	m.Update(tick{})
	if m.asking {
		t.Error("asked while paused")
	}
	m.keys("p")
	m.Update(tick{})
	if !m.asking {
		t.Error("not asked")
	}
}

func TestDetailsScreen(t *testing.T) {
	m := start(t, 140, 60, shop())
	m.keys("down", "enter")
	if !strings.Contains(m.text(), "cart, kind process, node n1") || !strings.Contains(m.text(), "asking") {
		t.Error(m.text())
	}
	d := &history.WorkloadDetails{Head: history.Head{WindowSeconds: 300}, Workload: m.of.Workload}
	d.Series.P99 = []history.Number{0.1, 0.2, 0.4}
	d.Heatmap = history.Heatmap{Bounds: []float64{0, 0.1, 0.2}, Counts: [][]uint64{{9, 0}, {1, 9}, {0, 0}}}
	d.Statuses = []history.Status{{Method: "GET", Status: "200", Count: 4440, Mean: 0.02, TLS: true}}
	d.Peers = []history.Peer{{Role: "client", End: history.End{PeerNamespace: "shop", PeerWorkload: "db", PeerService: "pg"}, TCP: history.TCP{
		RetransmitRatio: 0.25, ConnectFailures: map[string]uint64{"refused": 3}, ResetsSent: 1, RTT: history.Latency{P50: 0.001},
	}}}
	d.Client.Peers = []history.ClientPeer{{End: history.End{Peer: "\x1b[31m10.0.0.1:80"}, Amount: history.Amount{Count: 1}}}
	d.Workload.Client.Count = 1
	d.Listeners = []history.Listener{{Address: "0.0.0.0:80", Queue: 1, QueueLimit: 128, Drops: 7}}
	d.Classes = []history.Class{{Class: "tls", BytesSent: 2048, Reasons: []history.ClassReason{{Reason: "java", Why: "TLS: the `Java` runtime.", Connections: 2}}}}
	m.Update(gotDetails{key: "another", details: &history.WorkloadDetails{}})
	if m.details != nil {
		t.Error("another's details are shown")
	}
	m.Update(gotDetails{key: m.of.key(), details: d})
	m.lines(t)
	text := m.text()
	for _, want := range []string{
		"<= 200ms |", "<= 100ms |█▒ |", "GET        200              4440  mean    20ms  TLS", "shop/db (service pg)", "retrans    25%", "3 connects refused, 1 resets",
		"0.0.0.0:80", "7 dropped", "tls", "2 connections, java: TLS: the Java runtime.", "▃▅█ 400ms",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(m.View().Content, "\x1b[31m10.0.0.1") {
		t.Error("a name moves the cursor")
	}
	m.Update(tea.WindowSizeMsg{Width: 100, Height: 12})
	m.keys("end")
	if text := m.text(); !strings.Contains(text, "Java runtime") || strings.Contains(text, "Served") {
		t.Errorf("the end:\n%s", text)
	}
	m.keys("home", "pgdown", "pgup")
	if !strings.Contains(m.text(), "cart, kind") {
		t.Errorf("the beginning:\n%s", m.text())
	}
	m.Update(gotDetails{key: m.of.key(), err: errors.New("gone")})
	if !strings.Contains(m.text(), "gone") || m.details == nil {
		t.Error(m.text())
	}
}

func TestCoverageScreen(t *testing.T) {
	m := start(t, 100, 60, shop())
	m.keys("c")
	tls := history.Class{Class: "tls", BytesSent: 3000, Reasons: []history.ClassReason{{Reason: "java", Why: "TLS: Java.", Connections: 4}}}
	c := &history.CoverageReport{
		Head: history.Head{Node: "n1", WindowSeconds: 60, History: history.Room{NotShown: 2, LimitSeconds: 900}}, OpaqueRatio: 0.75,
		Classes:   []history.Class{tls},
		Workloads: []history.WorkloadCoverage{{Identity: history.Identity{Namespace: "shop", Workload: "pay"}, OpaqueRatio: 1, Classes: []history.Class{tls}}, {OpaqueRatio: history.None()}},
		Tables:    []history.Table{{Name: "edges", Used: 10, Limit: 10, Overflowed: 5, Full: true}},
	}
	m.Update(gotCoverage{reports: []*history.CoverageReport{c}})
	for _, want := range []string{"n1, last 60 s: 75% of the bytes are opaque", "shop/pay", "java: TLS: Java.", "FULL, 5 times", "2 workloads not shown", "the numbers are exact"} {
		if !strings.Contains(m.text(), want) {
			t.Errorf("no %q in\n%s", want, m.text())
		}
	}
	c.Lost = []history.Lost{{Reason: "gap", Why: "Bytes passed.", Count: 1, Total: 9}}
	c.LostBytes = []history.LostBytes{{Direction: "sent", Reason: "late", Why: "Too `late`.", Bytes: 2048, Total: 4096}}
	for _, want := range []string{"1 (9 since the start) gap: Bytes passed.", "2.0kB (4.0kB since the start) late, sent: Too late."} {
		if !strings.Contains(m.text(), want) {
			t.Errorf("no %q in\n%s", want, m.text())
		}
	}
}

func TestFormat(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{rate(history.None()), "-"}, {rate(0), "0"}, {rate(0.01), "<0.1"}, {rate(3.14159), "3.1"}, {rate(9.96), "10"}, {rate(412.4), "412"}, {rate(12345), "12k"}, {rate(9999.6), "10k"}, {rate(2.5e6), "2.5M"},
		{percent(history.None()), "-"}, {percent(0), "0%"}, {percent(0.0001), "<0.1%"}, {percent(0.0123), "1.2%"}, {percent(0.5), "50%"}, {percent(1), "100%"},
		{duration(history.None()), "-"}, {duration(412e-6), "412us"}, {duration(0.0056), "5.6ms"}, {duration(0.0405), "40ms"}, {duration(0.9996), "1.0s"}, {duration(12), "12s"},
		{bytesOf(512), "512B"}, {bytesOf(1024), "1.0kB"}, {bytesOf(30 << 20), "30MB"}, {whole(64), "64"}, {whole(1_500_000), "1.5M"},
		{sparkline([]history.Number{9, 0, 4, 8}, 3), "▁▅█"}, {sparkline([]history.Number{0, 0}, 3), "  "},
		{printable("a\x1b[2Jb\nc"), "a\uFFFD[2Jb c"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}

// A plain table has every column, and no styles.
func TestPlainTable(t *testing.T) {
	r := shop()
	r.Workloads[0].Namespace, r.Workloads[0].Node = "shop", "n2"
	var b strings.Builder
	by, _ := parseOrder("workload")
	by.sort(r.Workloads)
	if err := newTable(r.Workloads, 0, false, by.column).writeText(&b); err != nil {
		t.Fatal(err)
	}
	const want = `NAMESPACE  WORKLOAD  NODE  REQ/S  ERRORS    P50    P90    P99  QUEUE  RETRANS  ACTIVE  OUT/S  OTHER/S  TLS  OPAQUE
           cart      n1       74      0%   10ms   20ms   40ms      -        -       0      0        0   0%       -
shop       frontend  n2      120    3.0%  225ms  450ms  900ms   1.0%        -       0      0        0   0%       -
           payments  n1       48    5.0%  300ms  600ms   1.2s    88%        -       0      0        0   0%       -
`
	if b.String() != want {
		t.Errorf("%s\nwant\n%s", b.String(), want)
	}
}

func TestStreamAndOnce(t *testing.T) {
	calls := 0
	source := &Source{Name: "here", Namespace: "shop", Cluster: true, Find: func(context.Context) ([]Endpoint, error) {
		return []Endpoint{
			{Node: "n1", Pod: "a", Get: func(context.Context, string, url.Values) ([]byte, error) {
				calls++
				return []byte(`{"time": 5, "window_seconds": 60, "node": "other", "history": {"not_shown": 2}, "workloads": [{"id": "1", "namespace": "shop", "workload": "w", "queue_ratio": null}, {"id": "2", "namespace": "x"}]}`), nil
			}},
			{Node: "n2", Pod: "b", Get: func(context.Context, string, url.Values) ([]byte, error) { return nil, errors.New("no\nroute") }},
			{Node: "n3", Pod: "c", Get: func(context.Context, string, url.Values) ([]byte, error) { return []byte("<html>"), nil }},
		}, nil
	}}
	var out, errs strings.Builder
	o := Options{Source: source, Window: time.Minute, Interval: time.Millisecond, Sort: DefaultSort, Once: true, Output: &out, Errors: &errs}
	if err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if strings.Count(out.String(), "\n") != 2 || !strings.Contains(errs.String(), "the agent b on n2 does not answer: no route") ||
		!strings.Contains(errs.String(), "not that of a Fathom agent") || !strings.Contains(errs.String(), "2 workloads on n1 are not shown") {
		t.Errorf("%s%s", &out, &errs)
	}
	out.Reset()
	o.Once, o.JSON = false, true
	ctx, cancel := context.WithCancel(t.Context())
	source.Namespace = ""
	find := source.Find
	source.Find = func(ctx context.Context) ([]Endpoint, error) {
		if calls == 4 {
			cancel()
		}
		return find(ctx)
	}
	if err := Run(ctx, o); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "\n"); n < 3 || n > 4 || !strings.Contains(out.String(), `{"node":"n1","id":"2"`) || !strings.Contains(out.String(), `"queue_ratio":null`) {
		t.Errorf("%d lines: %s", n, &out)
	}
	o.JSON = false
	if err := Run(t.Context(), o); !errors.Is(err, ErrNoTerminal) {
		t.Errorf("error %v", err)
	}
	o.Once = true
	source.Find = func(context.Context) ([]Endpoint, error) { return nil, errors.New("nobody") }
	if err := Run(t.Context(), o); err == nil || err.Error() != "nobody" {
		t.Errorf("error %v", err)
	}
	if _, err := source.Details(t.Context(), &Row{}, time.Minute); err == nil {
		t.Error("details of nobody")
	}
}
