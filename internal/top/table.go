package top

import (
	"fmt"
	"io"
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"
)

const (
	gap       = 2  // spaces between columns
	minName   = 12 // the least that is left of a workload's name
	shortName = 24 // what is left of it before a column goes
	maxName   = 40 // the most that one name takes from the others
)

// cell is a place of a table.
type cell struct {
	text  string
	alarm bool
}

// table is laid out for a width.
type table struct {
	columns []*column
	widths  []int
	rows    [][]cell
}

// newTable chooses the columns that fit into a width (0: all), and cuts names where even the last do not. Columns without any text are left out.
func newTable(rows []Row, width int, screen bool, sorted *column) *table {
	t := &table{}
	var texts [][]cell // by column
	for i := range columns {
		c := &columns[i]
		if c.screen && !screen {
			continue
		}
		cells, used, size := make([]cell, len(rows)), !c.left || c.rank == 0, len(c.title)
		for j := range rows {
			cells[j] = cell{printable(c.text(&rows[j])), c.alarm != nil && c.alarm(&rows[j])}
			if c.left && screen && !c.screen {
				cells[j].text = ansi.Truncate(cells[j].text, maxName, "…")
			}
			used = used || cells[j].text != "" && (c.name != "node" || rows[j].Node != rows[0].Node)
			size = max(size, ansi.StringWidth(cells[j].text))
		}
		if used {
			t.columns, t.widths, texts = append(t.columns, c), append(t.widths, size), append(texts, cells)
		}
	}
	if width > 0 {
		t.squeeze(width, shortName, texts)
	}
	for width > 0 && t.width() > width && len(t.columns) > 1 {
		worst := -1
		for i, c := range t.columns {
			if c.rank > 0 && c != sorted && (worst < 0 || c.rank > t.columns[worst].rank) {
				worst = i
			}
		}
		if worst < 0 || t.columns[worst].rank <= 2 && t.squeeze(width, minName, texts) {
			break
		}
		t.columns = append(t.columns[:worst], t.columns[worst+1:]...)
		t.widths = append(t.widths[:worst], t.widths[worst+1:]...)
		texts = append(texts[:worst], texts[worst+1:]...)
	}
	if width > 0 {
		t.squeeze(width, minName, texts)
	}
	for j := range rows {
		row := make([]cell, len(t.columns))
		for i := range t.columns {
			row[i] = texts[i][j]
		}
		t.rows = append(t.rows, row)
	}
	return t
}

// squeeze shortens the workloads' names to make the table fit, but leaves the least of them. It tells whether the table fits.
func (t *table) squeeze(width, least int, texts [][]cell) bool {
	over := t.width() - width
	for i, c := range t.columns {
		if c.rank != 0 || over <= 0 {
			continue
		}
		left := max(t.widths[i]-over, least)
		if left >= t.widths[i] {
			return false
		}
		t.widths[i] = left
		for j := range texts[i] {
			texts[i][j].text = ansi.Truncate(texts[i][j].text, left, "…")
		}
	}
	return t.width() <= width
}

func (t *table) width() int {
	n := gap * (len(t.columns) - 1)
	for _, w := range t.widths {
		n += w
	}
	return n
}

// pad fills a text up to a column's width.
func (t *table) pad(i int, text string) string {
	space := strings.Repeat(" ", max(0, t.widths[i]-ansi.StringWidth(text)))
	if t.columns[i].left {
		return text + space
	}
	return space + text
}

var spaces = strings.Repeat(" ", gap)

// header returns the titles; style changes that of a column.
func (t *table) header(style func(*column, string) string) string {
	var parts []string
	for i, c := range t.columns {
		parts = append(parts, style(c, t.pad(i, c.title)))
	}
	return strings.Join(parts, spaces)
}

// line returns a row: cells in one style, those that deserve attention in another.
func (t *table) line(row int, usual, attention lipgloss.Style) string {
	var parts []string
	for i := range t.columns {
		style := usual
		if t.rows[row][i].alarm {
			style = attention
		}
		parts = append(parts, style.Render(t.pad(i, t.rows[row][i].text)))
	}
	return strings.Join(parts, usual.Render(spaces))
}

// writeText writes the table as plain text.
func (t *table) writeText(w io.Writer) error {
	lines := []string{t.header(func(_ *column, s string) string { return s })}
	for i := range t.rows {
		lines = append(lines, t.line(i, unstyled, unstyled))
	}
	for _, line := range lines {
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " ")); err != nil {
			return err
		}
	}
	return nil
}
