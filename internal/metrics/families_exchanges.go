package metrics

import (
	"fmt"
	"slices"
	"time"

	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/internal/protocol"
)

// exchanges are the series of one family of protocols.
type exchanges struct {
	family *protocol.Family
	layout *layout
	served *table[exchangeKey]
	made   *table[exchangeKey]
	queue  *table[queueKey]
}

// newExchanges returns one for each family of the list. Those whose bounds the kernel side lacks have the classic ones.
func newExchanges(bounds, classic []time.Duration) ([]*exchanges, error) {
	var all []*exchanges
	for _, f := range protocol.Families() {
		x := &exchanges{family: f, served: newTable[exchangeKey](), made: newTable[exchangeKey](), queue: newTable[queueKey]()}
		var err error
		if x.layout, err = newLayout(bounds, f.Bounds); err != nil || f.Bounds == nil {
			if x.layout, err = newLayout(bounds, classic); err != nil {
				return nil, err
			}
		}
		all = append(all, x)
	}
	return all, nil
}

// present leaves out the labels that a family does not have.
func present(names ...string) []string {
	return slices.DeleteFunc(names, func(name string) bool { return name == "" })
}

func (e *Exporter) exchangeFamilies() (all []family) {
	for _, x := range e.exchanges {
		f, what := x.family, x.family.Exchanges
		of := func(more ...string) []string {
			return ofWorkload(present(append([]string{f.SystemLabel}, more...)...)...)
		}
		all = append(all,
			family{Desc{
				f.Client, Histogram, "seconds", of("peer", f.OperationLabel, f.StatusLabel, "tls"),
				fmt.Sprintf("Time that %s made by the workload took: from writing the request's first byte to reading the response's last byte. Includes the network and all that the server did.", what),
			}, histograms(x.made, x.layout)},
			family{Desc{
				f.Server, Histogram, "seconds", of(f.OperationLabel, f.StatusLabel, "tls"),
				fmt.Sprintf("Time that %s served by the workload took: from the arrival of the request's first byte at the socket, before the application reads it, to writing the response's last byte. Includes the time in %s.", what, f.Queue),
			}, histograms(x.served, x.layout)},
			family{Desc{
				f.Queue, Histogram, "seconds", of(),
				fmt.Sprintf("Time that %s waited for the workload: from the arrival of the request's first byte at the socket to the read that fetched it. Grows when a server is saturated.", what),
			}, histograms(x.queue, x.layout)})
	}
	return append(all,
		family{Desc{
			"http_oldest_active_request_seconds", Gauge, "seconds", ofWorkload("role"),
			"Age of the oldest HTTP request that has no final status yet, of HTTP/2 and gRPC: that is not over yet; 0 if there is none. Grows while a server hangs, before any duration is known.",
		}, e.writeOldest},
		family{Desc{
			"http_requests_active", Gauge, "", ofWorkload("role"),
			"HTTP requests that have no final status yet; of HTTP/2 and gRPC: that are not over yet.",
		}, counts(e.active, activeCount)})
}

// histograms writes the histograms of a table.
func histograms[K seriesKey[K]](t *table[K], lay *layout) func(*kernel.Snapshot, encoder) {
	return func(_ *kernel.Snapshot, enc encoder) {
		for _, s := range t.sorted() {
			enc.histogram(s.allLabels(), &s.now, lay, s.created)
		}
	}
}

// counts writes one of the numbers of a table's series.
func counts[K seriesKey[K]](t *table[K], position int) func(*kernel.Snapshot, encoder) {
	return func(_ *kernel.Snapshot, enc encoder) {
		for _, s := range t.sorted() {
			enc.number(s.allLabels(), labelSet{}, whole(s.now.counts[position]), s.created)
		}
	}
}

func (e *Exporter) writeOldest(_ *kernel.Snapshot, enc encoder) {
	for _, s := range e.active.sorted() {
		oldest := time.Duration(s.now.counts[activeOldest]) //nolint:gosec // came from one
		enc.number(s.allLabels(), labelSet{}, seconds(oldest), time.Time{})
	}
}
