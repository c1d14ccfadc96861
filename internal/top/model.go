package top

import (
	"context"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/fathomhq/fathom/internal/history"
)

// screen is what is shown.
type screen int

const (
	showTable screen = iota
	showDetails
	showCoverage
	showHelp
)

// windows are those to choose from by a key.
var windows = []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute}

// model is the state of the program on a terminal.
type model struct {
	ctx           context.Context
	options       Options
	order         order
	width, height int

	screen  screen
	paused  bool
	filter  string
	editing bool // the filter

	report   *Report // the last one; nil: none yet
	at       time.Time
	err      error // of the last question; nil: it was answered
	asking   bool
	shown    []Row // of the report, filtered and sorted
	selected string
	cursor   int
	offset   int // first line shown of what is longer than the screen

	details  *history.WorkloadDetails
	of       *Row
	coverage []*history.CoverageReport
	extraErr error // of details or coverage
}

func newModel(ctx context.Context, o Options, by order) *model {
	return &model{ctx: ctx, options: o, order: by, width: 80, height: 24}
}

// The messages.
type (
	tick      struct{}
	gotReport struct {
		report *Report
		err    error
		at     time.Time
	}
	gotDetails struct {
		key     string
		details *history.WorkloadDetails
		err     error
	}
	gotCoverage struct {
		reports []*history.CoverageReport
		err     error
	}
)

// Init implements [tea.Model].
func (m *model) Init() tea.Cmd { return tea.Batch(m.ask(), m.wait()) }

func (m *model) wait() tea.Cmd {
	return tea.Tick(m.options.Interval, func(time.Time) tea.Msg { return tick{} })
}

// ask asks for all that is on the screen. There is one question at a time.
func (m *model) ask() tea.Cmd {
	if m.asking {
		return nil
	}
	m.asking = true
	source, window := m.options.Source, m.options.Window
	overview := func() tea.Msg {
		r, err := source.Overview(m.ctx, window)
		return gotReport{r, err, time.Now()}
	}
	return tea.Batch(overview, m.askMore())
}

// askMore asks for what the table does not have.
func (m *model) askMore() tea.Cmd {
	source, window, row := m.options.Source, m.options.Window, m.of
	switch {
	case m.screen == showDetails && row != nil:
		return func() tea.Msg {
			// A heat map needs some columns.
			d, err := source.Details(m.ctx, row, max(window, 5*time.Minute))
			return gotDetails{row.key(), d, err}
		}
	case m.screen == showCoverage:
		return func() tea.Msg {
			c, err := source.Coverage(m.ctx, window)
			return gotCoverage{c, err}
		}
	}
	return nil
}

// Update implements [tea.Model].
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
		m.follow()
	case tick:
		if m.paused {
			return m, m.wait()
		}
		return m, tea.Batch(m.ask(), m.wait())
	case gotReport:
		m.asking, m.err = false, msg.err
		if msg.err == nil {
			m.report, m.at = msg.report, msg.at
			m.arrange()
		}
	case gotDetails:
		if m.of != nil && msg.key == m.of.key() {
			if m.extraErr = msg.err; msg.err == nil {
				m.details = msg.details
			}
		}
	case gotCoverage:
		if m.extraErr = msg.err; msg.err == nil {
			m.coverage = msg.reports
		}
	case tea.PasteMsg:
		if m.editing {
			m.filter += printable(msg.Content)
			m.arrange()
		}
	case tea.KeyPressMsg:
		return m.press(msg)
	}
	return m, nil
}

// press reacts to a key.
func (m *model) press(k tea.KeyPressMsg) (tea.Model, tea.Cmd) {
	if k.String() == "ctrl+c" {
		return m, tea.Quit
	}
	if m.editing {
		m.edit(k)
		return m, nil
	}
	switch k.String() {
	case "q":
		return m, tea.Quit
	case "esc", "backspace":
		if m.screen == showTable {
			m.filter = ""
			m.arrange()
		}
		m.open(showTable)
	case "?", "h":
		m.open(showHelp)
	case "c":
		m.open(showCoverage)
		return m, m.askMore()
	case "p", "space":
		m.paused = !m.paused
	case "w":
		next := slices.Index(windows, m.options.Window) + 1
		m.options.Window = windows[next%len(windows)]
		if m.asking { // the table follows with the next question
			return m, m.askMore()
		}
		return m, m.ask()
	default:
		if m.screen == showTable {
			return m, m.pressInTable(k.String())
		}
		m.scroll(k.String())
	}
	return m, nil
}

// pressInTable reacts to a key that only the table knows.
func (m *model) pressInTable(key string) tea.Cmd {
	switch key {
	case "/":
		m.editing = true
	case "right", ">", "l":
		m.sortBy(1)
	case "left", "<":
		m.sortBy(-1)
	case "r":
		m.order.reverse = !m.order.reverse
		m.arrange()
	case "enter":
		if m.cursor < len(m.shown) {
			row := m.shown[m.cursor]
			m.of, m.details = &row, nil
			m.open(showDetails)
			return m.askMore()
		}
	default:
		m.move(key)
	}
	return nil
}

// open changes the screen.
func (m *model) open(s screen) {
	m.screen, m.offset, m.extraErr = s, 0, nil
	m.follow()
}

// edit changes the filter.
func (m *model) edit(k tea.KeyPressMsg) {
	switch k.String() {
	case "enter":
		m.editing = false
	case "esc":
		m.editing, m.filter = false, ""
	case "backspace":
		if r := []rune(m.filter); len(r) > 0 {
			m.filter = string(r[:len(r)-1])
		}
	default:
		m.filter += printable(k.Text)
	}
	m.arrange()
}

// sortBy sorts by the next column that is on the screen.
func (m *model) sortBy(step int) {
	visible := m.table().columns
	at := slices.Index(visible, m.order.column)
	n := len(visible)
	m.order = order{column: visible[((at+step)%n+n)%n]}
	m.arrange()
}

// arrange filters and sorts the rows. The selected one stays so.
func (m *model) arrange() {
	m.shown = m.shown[:0]
	if m.report == nil {
		return
	}
	for i := range m.report.Workloads {
		if r := &m.report.Workloads[i]; r.matches(m.filter) {
			m.shown = append(m.shown, *r)
		}
	}
	m.order.sort(m.shown)
	if at := slices.IndexFunc(m.shown, func(r Row) bool { return r.key() == m.selected }); at >= 0 && m.selected != "" {
		m.cursor = at
	}
	m.follow()
}

// moved tells to which line a key leads from one, with a number of lines to a page; false if it leads nowhere.
func moved(key string, line, page, last int) (int, bool) {
	switch key {
	case "up", "k":
		return line - 1, true
	case "down", "j":
		return line + 1, true
	case "pgup":
		return line - page, true
	case "pgdown":
		return line + page, true
	case "home", "g":
		return 0, true
	case "end", "G":
		return last, true
	}
	return line, false
}

// move moves the cursor.
func (m *model) move(key string) {
	cursor, ok := moved(key, m.cursor, m.tableHeight(), len(m.shown)-1)
	if !ok {
		return
	}
	m.cursor = cursor
	m.follow()
	if m.cursor < len(m.shown) {
		m.selected = m.shown[m.cursor].key()
	}
}

// follow keeps the cursor among the rows, and on the screen.
func (m *model) follow() {
	m.cursor = max(0, min(m.cursor, len(m.shown)-1))
	if m.screen == showTable {
		m.offset = max(min(m.offset, m.cursor), m.cursor-m.tableHeight()+1, 0)
	}
}

// scroll moves a text that is longer than the screen.
func (m *model) scroll(key string) {
	const end = 1 << 20 // View knows how long the text is
	m.offset, _ = moved(key, m.offset, m.page(), end)
	m.offset = max(0, m.offset)
}
