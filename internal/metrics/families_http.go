package metrics

import (
	"time"

	"github.com/fathomhq/fathom/internal/kernel"
)

func (e *Exporter) httpFamilies() []family {
	return []family{
		{Desc{
			"http_client_request_duration_seconds", Histogram, "seconds", ofWorkload("peer", "method", "status", "tls"),
			"Time that HTTP requests made by the workload took: from writing the request's first byte to reading the response's last byte. Includes the network and all that the server did.",
		}, histograms(e.made, e.http)},
		{Desc{
			"http_oldest_active_request_seconds", Gauge, "seconds", ofWorkload("role"),
			"Age of the oldest HTTP request that has no final status yet; 0 if there is none. Grows while a server hangs, before any duration is known.",
		}, e.writeOldest},
		{Desc{
			"http_request_duration_seconds", Histogram, "seconds", ofWorkload("method", "status", "tls"),
			"Time that HTTP requests served by the workload took: from the arrival of the request's first byte at the socket, before the application reads it, to writing the response's last byte. Includes the time in http_request_queue_seconds.",
		}, histograms(e.served, e.http)},
		{Desc{
			"http_request_queue_seconds", Histogram, "seconds", ofWorkload(),
			"Time that HTTP requests waited for the workload: from the arrival of the request's first byte at the socket to the read that fetched it. Grows when a server is saturated.",
		}, histograms(e.queue, e.http)},
		{Desc{
			"http_requests_active", Gauge, "", ofWorkload("role"),
			"HTTP requests that have no final status yet.",
		}, counts(e.active, activeCount)},
	}
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
