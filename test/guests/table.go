package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// row is a test in the table of results.
type row struct{ guest, mode, pkg, test, outcome, parts, seconds string }

var heading = row{"kernel", "mode", "package", "test", "result", "parts", "seconds"}

func (r row) cells() []string {
	return []string{r.guest, r.mode, r.pkg, r.test, r.outcome, r.parts, r.seconds}
}

// rows returns the table: kernel x mode x test.
func (r *report) rows() []row {
	var all []row
	for _, g := range r.Guests {
		for _, j := range g.Jobs {
			in := row{guest: g.Name, mode: j.Mode, pkg: strings.TrimPrefix(j.Package, "./")}
			if len(j.Tests) == 0 {
				in.outcome = strings.ToUpper(fail)
				all = append(all, in)
			}
			for _, t := range j.Tests {
				in.test, in.outcome, in.parts = t.Name, t.outcome(), t.parts()
				in.seconds = strconv.FormatFloat(t.Seconds, 'f', 1, 64)
				all = append(all, in)
			}
		}
	}
	return all
}

// outcome is loud where something is wrong, and gives the reason of a skip.
func (t *testResult) outcome() string {
	wrong := slices.ContainsFunc(t.Skips, func(s skipped) bool { return !s.Allowed })
	switch {
	case t.Outcome == skip && wrong:
		return fmt.Sprintf("SKIP (%s)", t.Skips[0].Reason)
	case t.Outcome == skip:
		return fmt.Sprintf("skip (%s)", t.Skips[0].Reason)
	case t.Outcome == fail, wrong:
		return strings.ToUpper(fail)
	}
	return t.Outcome
}

// parts counts the subtests: how many passed, failed and were skipped.
func (t *testResult) parts() string {
	skips := len(t.Skips)
	if t.Outcome == skip {
		skips--
	}
	if t.Passed+t.Failed+skips == 0 {
		return ""
	}
	counts := strconv.Itoa(t.Passed)
	if t.Failed > 0 {
		counts += fmt.Sprintf(", %d FAILED", t.Failed)
	}
	if skips > 0 {
		counts += fmt.Sprintf(", %d skipped", skips)
	}
	return counts
}

// summary says in a line how the job went.
func (j *jobResult) summary() string {
	counts := map[string]int{}
	for _, t := range j.Tests {
		counts[t.Outcome]++
	}
	text := fmt.Sprintf("%d passed", counts[pass])
	if counts[fail] > 0 {
		text += fmt.Sprintf(", %d FAILED", counts[fail])
	}
	if counts[skip] > 0 {
		text += fmt.Sprintf(", %d skipped", counts[skip])
	}
	return fmt.Sprintf("%s, %.0f s", text, j.Seconds)
}

// skips lists the skipped tests by name and reason, with the guests, once each.
func (r *report) skips() []string {
	where := map[skipped][]string{}
	for _, g := range r.Guests {
		for _, j := range g.Jobs {
			for _, t := range j.Tests {
				for _, s := range t.Skips {
					if at := where[s]; !slices.Contains(at, g.Name) {
						where[s] = append(at, g.Name)
					}
				}
			}
		}
	}
	var all []string
	for s, at := range where {
		verdict := "allowed"
		if !s.Allowed {
			verdict = "NOT ALLOWED"
		}
		all = append(all, fmt.Sprintf("%s: %s; %s; in %s", s.Name, cmp.Or(s.Reason, "no reason"), verdict, strings.Join(at, ", ")))
	}
	slices.Sort(all)
	return all
}

// text is the table, the output of the tests that failed, and the verdict.
func (r *report) text() string {
	var b strings.Builder
	table := [][]string{heading.cells()}
	for _, row := range r.rows() {
		table = append(table, row.cells())
	}
	fmt.Fprintf(&b, "\n%s", align(table))
	section(&b, "skipped", r.skips())
	r.failures(&b)
	section(&b, "seconds", r.times())
	section(&b, "FAILED", r.Problems)
	if len(r.Problems) == 0 {
		fmt.Fprintf(&b, "\nall passed in %.0f s", r.Seconds)
	}
	return b.String()
}

// align makes columns.
func align(table [][]string) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, cells := range table {
		_, _ = io.WriteString(w, strings.Join(cells, "\t")+"\n")
	}
	_ = w.Flush() // into memory: it cannot fail
	return b.String()
}

func section(b *strings.Builder, title string, items []string) {
	if len(items) > 0 {
		fmt.Fprintf(b, "\n%s:\n  %s\n", title, strings.Join(items, "\n  "))
	}
}

// failures is the end of what failing tests printed. All of it is in the logs.
func (r *report) failures(b *strings.Builder) {
	const most = 8000 // bytes
	for _, g := range r.Guests {
		for _, j := range g.Jobs {
			for _, t := range j.Tests {
				if t.Outcome == fail {
					text := t.output.String()
					fmt.Fprintf(b, "\n==== %s, %s, %s\n%s", g.Name, j.Mode, t.Name, text[max(0, len(text)-most):])
				}
			}
		}
	}
}

func (r *report) times() []string {
	var all []string
	for _, g := range r.Guests {
		all = append(all, fmt.Sprintf("%-12s %4.0f, %4.0f of CPU, up after %.1f: %s", g.Name, g.Seconds, g.CPU, g.Boot, cmp.Or(g.Release, "did not come up")))
	}
	return all
}

// markdown is the same as a document.
func (r *report) markdown() string {
	var b strings.Builder
	verdict := "All passed."
	if len(r.Problems) > 0 {
		verdict = "**Failed.**"
	}
	if r.Partial {
		verdict += " Not the whole matrix was run."
	}
	fmt.Fprintf(&b, "# Tests on other kernels\n\n%s, %.0f s. %s\n", r.Date.Format("2006-01-02 15:04 MST"), r.Seconds, verdict)
	list(&b, "Problems", r.Problems)
	b.WriteString("\n## Guests\n\n| guest | kernel | boot s | all s | CPU s |\n|---|---|---|---|---|\n")
	for _, g := range r.Guests {
		fmt.Fprintf(&b, "| %s | %s | %.1f | %.0f | %.0f |\n", g.Name, cmp.Or(g.Release, "did not come up"), g.Boot, g.Seconds, g.CPU)
	}
	fmt.Fprintf(&b, "\n## Tests\n\n| %s |\n|%s\n", strings.Join(heading.cells(), " | "), strings.Repeat("---|", len(heading.cells())))
	for _, row := range r.rows() {
		cells := row.cells()
		for i := range cells {
			cells[i] = strings.ReplaceAll(cells[i], "|", `\|`)
		}
		fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | "))
	}
	list(&b, "Skipped", r.skips())
	return b.String()
}

func list(b *strings.Builder, title string, items []string) {
	if len(items) == 0 {
		return
	}
	fmt.Fprintf(b, "\n## %s\n\n", title)
	for _, item := range items {
		fmt.Fprintf(b, "- %s\n", strings.ReplaceAll(strings.TrimSpace(item), "\n", "\n  "))
	}
}
