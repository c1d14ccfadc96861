package privileges

import (
	"testing"
	"testing/fstest"
)

func TestFiltered(t *testing.T) {
	for _, c := range []struct {
		name, status string
		want         bool
	}{
		{"none", "Name:\tfathom\nSeccomp:\t0\nSeccomp_filters:\t0\n", false},
		{"strict", "Seccomp:\t1\n", false},
		{"a filter", "NoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t1\n", true},
		{"a kernel without", "NoNewPrivs:\t0\nSeccomp_filters:\t2\n", false},
	} {
		root := fstest.MapFS{"proc/thread-self/status": {Data: []byte(c.status)}}
		if got := Filtered(root); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
	if Filtered(fstest.MapFS{}) {
		t.Error("a filter without /proc")
	}
}
