package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/internal/requirements"
)

// WriteJSON writes the report for programs.
func (r Report) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(r)
}

// width is where lines are broken.
const width = 110

// The first column of a line of text has a mark, the second a name; see [page] for the third.
const nameColumn = 6

// WriteText writes the report for people; what does not matter on this host is left out.
func (r Report) WriteText(w io.Writer) error {
	p := page{valueColumn: nameColumn + r.longestName() + 2}
	fmt.Fprintf(&p.text, "Fathom %s on Linux %s, %s, attach mode %s\n", r.Version, r.Kernel, r.Architecture, r.AttachMode)
	p.text.WriteString("\nHost\n")
	for _, f := range r.Host {
		if f.Name == "kernel" && f.Status == OK || f.Name == "architecture" || f.Status == Unneeded {
			continue // in the title, or of no interest
		}
		p.line(f.Status, f.Name, f.Value)
		p.lost(p.valueColumn, f.Problem)
	}
	p.text.WriteString("\nTaps\n")
	if r.tried() {
		for _, t := range r.Taps {
			p.tap(t)
		}
	} else {
		p.line(Fails, "all", notTried+", since nothing can be loaded")
	}
	p.text.WriteString("\nCapabilities\n")
	for _, c := range r.Capabilities {
		if c.Need == requirements.Unneeded && c.AsUser == requirements.Unneeded {
			p.line(c.Status, c.Name, "not needed here")
			continue
		}
		p.line(c.Status, c.Name, c.state()+": "+c.For)
		p.lost(p.valueColumn, c.Costs)
	}
	p.text.WriteString("\n" + r.Summary + "\n")
	_, err := io.WriteString(w, p.text.String())
	return err
}

func (c Capability) state() string {
	switch {
	case c.Need != requirements.Unneeded && c.Status == OK && c.Held:
		return "held"
	case c.Need != requirements.Unneeded && c.Status == OK:
		return "included in another"
	case c.Need != requirements.Unneeded:
		return "missing"
	}
	return "needed by others than root"
}

// longestName returns the length of the longest name of a capability, which are longer than those of taps.
func (r Report) longestName() (n int) {
	for _, c := range r.Capabilities {
		n = max(n, len(c.Name))
	}
	return n
}

func (r Report) tried() bool {
	return slices.ContainsFunc(r.Taps, func(t Tap) bool { return t.Error != notTried })
}

// page is a text that grows.
type page struct {
	text        strings.Builder
	valueColumn int // where values begin
}

var marks = map[Status]string{OK: "ok", Gap: "GAP", Fails: "FAILS", Unneeded: "-"}

// line writes a mark, a name and a value that is broken into lines.
func (p *page) line(status Status, name, value string) {
	fmt.Fprintf(&p.text, "%-*s%-*s", nameColumn, marks[status], p.valueColumn-nameColumn, name)
	p.wrap(p.valueColumn, value)
}

func (p *page) tap(t Tap) {
	column := p.valueColumn + len("trampoline") + 2
	fmt.Fprintf(&p.text, "%-*s%-*s%-*s", nameColumn, marks[t.Status], p.valueColumn-nameColumn, t.Name, column-p.valueColumn, t.Mode)
	if t.Error != "" {
		p.wrap(column, t.Error)
		p.lost(column, t.Costs)
		return
	}
	p.wrap(column, byKind(t.Hooks))
	for _, why := range t.Passed {
		// That a kernel has no such way is in the order of things.
		if strings.Contains(why, kernel.ErrPermission.Error()) {
			p.more(column, "instead of "+why)
		}
	}
}

// byKind puts hooks of one kind together: "kretprobe a, b; kprobe a, b".
func byKind(hooks []string) string {
	var kinds []string
	targets := make(map[string][]string)
	for _, hook := range hooks {
		i := strings.LastIndexByte(hook, ' ')
		kind, target := hook[:max(i, 0)], hook[i+1:]
		if targets[kind] == nil {
			kinds = append(kinds, kind)
		}
		targets[kind] = append(targets[kind], target)
	}
	for i, kind := range kinds {
		kinds[i] = kind + " " + strings.Join(targets[kind], ", ")
	}
	return strings.Join(kinds, "; ")
}

// lost says what is lost, if there is something to say.
func (p *page) lost(column int, text string) {
	if text != "" {
		p.more(column, "-> "+text)
	}
}

// more continues in a column.
func (p *page) more(column int, text string) {
	p.text.WriteString(strings.Repeat(" ", column))
	p.wrap(column, text)
}

// wrap writes a text from a column on, and ends the line.
func (p *page) wrap(column int, text string) {
	at := column
	for i, word := range strings.Fields(plain(text)) {
		switch {
		case i > 0 && at+1+len(word) > width:
			p.text.WriteString("\n" + strings.Repeat(" ", column))
			at = column
		case i > 0:
			p.text.WriteByte(' ')
			at++
		}
		p.text.WriteString(word)
		at += len(word)
	}
	p.text.WriteByte('\n')
}
