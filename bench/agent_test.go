package main

import (
	"maps"
	"testing"
)

func TestParseMetrics(t *testing.T) {
	const text = `# HELP a_total What.
# TYPE a_total counter
a_total 3
a_total_more 4
a{x="1",y="p"} 5
a{x="1",y="q"} 1.5e+06
a{x="2",y="q"} 0
`
	for _, test := range []struct {
		name  string
		label string
		want  map[string]float64
	}{
		{"a_total", "x", map[string]float64{"": 3}},
		{"a", "x", map[string]float64{"1": 1500005, "2": 0}},
		{"a", "y", map[string]float64{"p": 5, "q": 1500000}},
		{"b", "x", map[string]float64{}},
	} {
		metrics, err := parseMetrics(text, test.name)
		if err != nil {
			t.Fatal(err)
		}
		if got := sumBy(metrics, test.label); !maps.Equal(got, test.want) {
			t.Errorf("%s by %s: %v, want %v", test.name, test.label, got, test.want)
		}
	}
	if _, err := parseMetrics("a{x=\"1\"} many\n", "a"); err == nil {
		t.Error("a value that is no number was accepted")
	}
}
