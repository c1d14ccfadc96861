package requirements

import (
	"fmt"
	"strings"
)

//go:generate go run ./gen -page ../../docs/kernels.md

// tables are the tables of docs/kernels.md, by the names of their places there.
func tables() map[string]string {
	return map[string]string{
		"capabilities": capabilityTable(),
		"conditions":   conditionTable(),
		"taps":         tapTable(),
		"tls":          TLSTable(),
	}
}

// Fill puts the tables into a page in Markdown, each between the comments `<!-- NAME:begin -->` and
// `<!-- NAME:end -->`.
func Fill(page string) (string, error) {
	for name, table := range tables() {
		begin, end := "<!-- "+name+":begin -->\n", "<!-- "+name+":end -->"
		before, rest, found := strings.Cut(page, begin)
		_, after, closed := strings.Cut(rest, end)
		if !found || !closed {
			return "", fmt.Errorf("no place for the table %q", name)
		}
		page = before + begin + table + end + after
	}
	return page, nil
}

func capabilityTable() string {
	var b strings.Builder
	b.WriteString("| capability | what for | where | without it | instead | kept after attaching |\n|---|---|---|---|---|---|\n")
	for _, c := range capabilities {
		if c.OnlyTLS() {
			continue // in a table of its own
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n",
			c.Name, c.For, c.Where, strings.TrimSpace(c.Without), c.Instead, orNo(c.Kept))
	}
	return b.String()
}

func orNo(s string) string {
	if s == "" {
		return "no"
	}
	return s
}

func conditionTable() string {
	var b strings.Builder
	b.WriteString("| condition | what Fathom needs | otherwise |\n|---|---|---|\n")
	for _, c := range conditions {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", c.Name, c.Needs, c.Without)
	}
	return b.String()
}

func tapTable() string {
	var b strings.Builder
	b.WriteString("| tap | runs when | without it |\n|---|---|---|\n")
	for _, t := range taps {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", t.Name, t.Sees, t.Without)
	}
	return b.String()
}
