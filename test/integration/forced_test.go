package integration

import "testing"

// unforced are the losses that no test can bring about here, with the reason.
var unforced = map[string]string{}

// allForced checks that the table brought about every loss that Fathom knows, so
// that none is only a name.
func allForced(t *testing.T, f *fathom, total tally) {
	for name := range f.count() {
		if !exchanges(name) && total[name] == 0 && unforced[name] == "" && len(name) > 5 && name[:5] == "lost " {
			t.Errorf("no path makes %q rise above zero", name)
		}
	}
}
