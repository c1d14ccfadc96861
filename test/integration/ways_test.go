package integration

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// run is what Fathom saw of each way in which data moves, on one kernel in one mode: docs/modes.md is made of
// these.
type run struct {
	Kernel, Arch, Mode string
	Seen               []seen
}

// seen is what became of a way.
type seen struct {
	Way, What string
	Why       string `json:",omitempty"`
}

const exact = "exact"

// add notes what became of a path. A way is exact if all of its paths are.
func (o *run) add(p path, here place, r result) {
	if p.way == "" {
		return
	}
	now := seen{Way: p.way, What: whatIsMissing(r), Why: p.short(here).why}
	i := slices.IndexFunc(o.Seen, func(s seen) bool { return s.Way == p.way })
	switch {
	case i < 0:
		o.Seen = append(o.Seen, now)
	case o.Seen[i].What == exact:
		o.Seen[i] = now
	}
}

// whatIsMissing compares what was counted with the truth. Of the losses it names those that the table demands,
// not those that come and go.
func whatIsMissing(r result) string {
	var reasons, bytes, classes []string
	complete := true
	for _, name := range names(r.truth, r.got) {
		n := r.got[name]
		if r.want[name] == whatever {
			continue
		}
		direction, isBytes := strings.CutPrefix(name, "lost ")
		switch {
		case exchanges(name):
			complete = complete && n == r.truth[name]
		case isBytes && n > 0 && strings.Contains(direction, " bytes "):
			_, reason, _ := strings.Cut(direction, " bytes ")
			bytes = append(bytes, reason+" bytes")
		case isBytes && n > 0:
			reasons = append(reasons, direction)
		case n > 0 && strings.Contains(name, " class ") && !strings.HasSuffix(name, " http1"):
			_, class, _ := strings.Cut(name, " class ")
			classes = append(classes, "class "+class)
		}
	}
	if complete && len(reasons) == 0 {
		return exact
	}
	for _, because := range [][]string{reasons, bytes, classes} {
		if len(because) > 0 {
			return "lost: " + strings.Join(slices.Compact(because), ", ")
		}
	}
	return "lost"
}

// write leaves the observations in the directory that FATHOM_OUT names.
func (o *run) write(t *testing.T) {
	dir := os.Getenv("FATHOM_OUT")
	if dir == "" {
		return
	}
	b, err := json.MarshalIndent(o, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	name := strings.Join([]string{"ways", o.Arch, o.Kernel, o.Mode}, "-") + ".json"
	if err := os.WriteFile(filepath.Join(dir, name), append(b, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}
