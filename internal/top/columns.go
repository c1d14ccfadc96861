package top

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/fathomhq/fathom/internal/history"
)

// column is one of the table.
type column struct {
	name  string // for --sort
	title string
	left  bool // its text begins at the left
	// rank says which columns stay where there is little room: low ones.
	rank int
	text func(*Row) string
	// number is what to sort by; nil: the text.
	number func(*Row) history.Number
	// alarm tells whether the value deserves attention; may be nil.
	alarm func(*Row) bool
	// screen: it is for people only.
	screen bool
}

// trendWidth is how many steps a sparkline shows.
const trendWidth = 12

// columns are all of them, in the order of the screen.
var columns = []column{
	{name: "namespace", title: "NAMESPACE", left: true, rank: 8, text: func(r *Row) string { return r.Namespace }},
	{name: "workload", title: "WORKLOAD", left: true, rank: 0, text: workloadName},
	{name: "pod", title: "POD", left: true, rank: 14, text: func(r *Row) string { return r.Pod }},
	{name: "container", title: "CONTAINER", left: true, rank: 16, text: containerOf},
	{name: "node", title: "NODE", left: true, rank: 15, text: func(r *Row) string { return r.Node }},
	{name: "requests", title: "REQ/S", rank: 1, number: func(r *Row) history.Number { return served(r).PerSecond }, text: func(r *Row) string { return rate(served(r).PerSecond) }},
	{name: "errors", title: "ERRORS", rank: 3, number: errorRatio, text: func(r *Row) string { return percent(errorRatio(r)) }, alarm: func(r *Row) bool { return errorRatio(r) >= 0.01 }},
	{name: "p50", title: "P50", rank: 6, number: func(r *Row) history.Number { return served(r).Latency.P50 }, text: func(r *Row) string { return duration(served(r).Latency.P50) }},
	{name: "p90", title: "P90", rank: 9, number: func(r *Row) history.Number { return served(r).Latency.P90 }, text: func(r *Row) string { return duration(served(r).Latency.P90) }},
	{name: "p99", title: "P99", rank: 2, number: func(r *Row) history.Number { return served(r).Latency.P99 }, text: func(r *Row) string { return duration(served(r).Latency.P99) }},
	{name: "queue", title: "QUEUE", rank: 4, number: queueRatio, text: func(r *Row) string { return percent(queueRatio(r)) }, alarm: func(r *Row) bool { return queueRatio(r) >= 0.5 }},
	{name: "retransmits", title: "RETRANS", rank: 5, number: func(r *Row) history.Number { return r.TCP.RetransmitRatio }, text: func(r *Row) string { return percent(r.TCP.RetransmitRatio) }, alarm: func(r *Row) bool { return r.TCP.RetransmitRatio >= 0.01 }},
	{name: "active", title: "ACTIVE", rank: 11, number: func(r *Row) history.Number { return history.Number(r.Served.Active) }, text: func(r *Row) string { return whole(r.Served.Active) }},
	{name: "out", title: "OUT/S", rank: 7, number: func(r *Row) history.Number { return r.Client.PerSecond }, text: func(r *Row) string { return rate(r.Client.PerSecond) }},
	{name: "other", title: "OTHER/S", rank: 10, number: otherPerSecond, text: func(r *Row) string { return rate(otherPerSecond(r)) }},
	{name: "tls", title: "TLS", rank: 13, number: func(r *Row) history.Number { return r.TLSRatio }, text: func(r *Row) string { return percent(r.TLSRatio) }},
	{name: "opaque", title: "OPAQUE", rank: 12, number: func(r *Row) history.Number { return r.OpaqueRatio }, text: func(r *Row) string { return percent(r.OpaqueRatio) }, alarm: func(r *Row) bool { return r.OpaqueRatio >= 0.5 }},
	{name: "trend", title: "TREND", left: true, rank: 17, screen: true, number: func(r *Row) history.Number { return r.Served.PerSecond }, text: trend},
}

// DefaultSort is by requests, most first.
const DefaultSort = "requests"

// Columns are the names that --sort takes.
func Columns() (names []string) {
	for _, c := range columns {
		if !c.screen {
			names = append(names, c.name)
		}
	}
	return names
}

// errorRatio is of the requests served or, of a workload that only asks, of those made.
func errorRatio(r *Row) history.Number {
	if served(r).Count == 0 {
		return r.Client.ErrorRatio
	}
	return served(r).ErrorRatio
}

// served are the HTTP requests that a workload serves or, without any, those of the other protocol in which it serves most.
func served(r *Row) *history.Amount {
	if other := servesOther(r); other != nil {
		return &other.Amount
	}
	return &r.Served.Amount
}

func queueRatio(r *Row) history.Number {
	if other := servesOther(r); other != nil {
		return other.QueueRatio
	}
	return r.QueueRatio
}

// servesOther returns nothing if a workload serves HTTP.
func servesOther(r *Row) *history.Spoken {
	if r.Served.Count > 0 || r.Served.Active > 0 {
		return nil
	}
	for i := range r.Protocols {
		if r.Protocols[i].Role == "server" {
			return &r.Protocols[i]
		}
	}
	return nil
}

// otherPerSecond are the requests that a workload made in other protocols than HTTP.
func otherPerSecond(r *Row) (sum history.Number) {
	for i := range r.Protocols {
		if p := &r.Protocols[i]; p.Role == "client" && p.PerSecond.Exists() {
			sum += p.PerSecond
		}
	}
	return sum
}

func workloadName(r *Row) string {
	name := r.Workload.Workload
	if r.Gone {
		name += " (gone)"
	}
	return name
}

// containerOf is the container of a pod or of a unit, by which the latter differs from the host's of the same name. Elsewhere it names
// the workload already.
func containerOf(r *Row) string {
	if r.Pod == "" && r.Container == r.Workload.Workload {
		return ""
	}
	return r.Container
}

// trend draws the requests served or, of a workload that only asks, made.
func trend(r *Row) string {
	if r.Served.Count == 0 {
		return sparkline(r.Series.ClientPerSecond, trendWidth)
	}
	return sparkline(r.Series.PerSecond, trendWidth)
}

// order says how rows are sorted.
type order struct {
	column  *column
	reverse bool
}

// CheckSort tells whether Options.Sort can be used.
func CheckSort(text string) error {
	_, err := parseOrder(text)
	return err
}

// parseOrder reads the name of a column; with - before it, in the opposite order.
func parseOrder(text string) (order, error) {
	name, reverse := strings.CutPrefix(text, "-")
	for i := range columns {
		if columns[i].name == name {
			return order{&columns[i], reverse}, nil
		}
	}
	return order{}, fmt.Errorf("there is no column %q; there are: %s", name, strings.Join(Columns(), ", "))
}

// sort sorts rows: names ascending, numbers descending, what does not exist last.
func (o order) sort(rows []Row) {
	slices.SortStableFunc(rows, func(a, b Row) int {
		c := o.compare(&a, &b)
		if c != 0 {
			return c
		}
		return cmp.Or(
			cmp.Compare(b.Served.Count, a.Served.Count), cmp.Compare(b.Client.Count, a.Client.Count),
			cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Workload.Workload, b.Workload.Workload), cmp.Compare(a.key(), b.key()))
	})
}

func (o order) compare(a, b *Row) int {
	sign := 1
	if o.reverse {
		sign = -1
	}
	if o.column.number == nil {
		return sign * cmp.Compare(o.column.text(a), o.column.text(b))
	}
	x, y := o.column.number(a), o.column.number(b)
	switch {
	case !x.Exists() && !y.Exists():
		return 0
	case !x.Exists():
		return 1
	case !y.Exists():
		return -1
	}
	return sign * cmp.Compare(y, x)
}

// matches tells whether a row has a text in one of its names, in any case.
func (r *Row) matches(filter string) bool {
	if filter == "" {
		return true
	}
	names := strings.Join([]string{r.Namespace, r.Workload.Workload, r.WorkloadKind, r.Pod, r.Container, r.Node}, " ")
	return strings.Contains(strings.ToLower(names), strings.ToLower(filter))
}
