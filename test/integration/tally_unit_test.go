package integration

import "testing"

func TestDiff(t *testing.T) {
	for _, c := range []struct {
		name      string
		want, got tally
		diff      string
	}{
		{"equal", tally{"a": 1}, tally{"a": 1}, ""},
		{"absent is zero", tally{"a": 0}, tally{}, ""},
		{"too few", tally{"a": 2}, tally{"a": 1}, "\n  a: want 2, got 1"},
		{"unexpected", tally{}, tally{"a": 1}, "\n  a: want 0, got 1"},
		{"some", tally{"a": some}, tally{"a": 7}, ""},
		{"not some", tally{"a": some}, tally{}, "\n  a: want some, got none"},
		{"anything", tally{"a": whatever}, tally{"a": 7}, ""},
	} {
		if d := diff(c.want, c.got); d != c.diff {
			t.Errorf("%s: diff is %q, want %q", c.name, d, c.diff)
		}
	}
	got := parseTally("server ", "2 GET 200, POST 413, POST 413, some PUT 200, any HEAD 200")
	want := tally{"server GET 200": 2, "server POST 413": 2, "server PUT 200": some, "server HEAD 200": whatever}
	if d := diff(want, got); d != "" {
		t.Errorf("parsed wrongly: %s", d)
	}
}
