package metrics

import (
	"cmp"
	"slices"

	"github.com/fathomhq/fathom/internal/kernel"
)

// Type is the type of a metric, as the text format writes it.
type Type string

// The types that Fathom uses.
const (
	Counter   Type = "counter"
	Gauge     Type = "gauge"
	Histogram Type = "histogram"
)

// Desc describes a metric.
type Desc struct {
	Name   string
	Type   Type
	Unit   string   // of the value; empty for numbers and info metrics
	Labels []string // in the order of the exposition
	Help   string
}

// family is a metric and how its series are written.
type family struct {
	Desc
	write func(*kernel.Snapshot, encoder)
}

// Families describes all metrics that belong to Fathom, in the order of the exposition.
func Families() []Desc {
	var descs []Desc
	e := new(Exporter)
	e.exchanges, _ = newExchanges(NativeBounds(), nil) // which has all of itself
	for _, f := range e.allFamilies() {
		descs = append(descs, f.Desc)
	}
	return descs
}

// allFamilies are sorted by name.
func (e *Exporter) allFamilies() []family {
	all := slices.Concat(e.ownFamilies(), e.exchangeFamilies(), e.tcpFamilies())
	slices.SortFunc(all, func(a, b family) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// ofWorkload returns the labels of a workload's metric.
func ofWorkload(own ...string) []string {
	return append([]string{"namespace", "workload", "workload_kind", "pod", "container"}, own...)
}
