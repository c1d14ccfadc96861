package demo

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// queries are examples for the reader to paste into Prometheus.
var queries = []struct{ what, query string }{
	{
		"99th percentile of the latency, as callers feel it",
		`histogram_quantile(0.99, sum by (namespace, workload, le) (rate(http_request_duration_seconds_bucket[5m])))`,
	},
	{
		"share of that time which requests wait before they are read: who is overloaded",
		`sum by (namespace, workload) (rate(http_request_queue_seconds_sum[5m])) / sum by (namespace, workload) (rate(http_request_duration_seconds_sum[5m]))`,
	},
	{
		"retransmissions per segment sent: which link loses packets",
		`sum by (namespace, workload) (rate(tcp_retransmits_total[5m])) / sum by (namespace, workload) (rate(tcp_segments_sent_total[5m]))`,
	},
	{
		"gRPC calls per second, by their status",
		`sum by (namespace, workload, grpc_status) (rate(rpc_server_duration_seconds_count[5m]))`,
	},
}

// welcome tells what runs, what it was told to do and where to look.
func (d *demo) welcome() error {
	var b strings.Builder
	b.WriteString("\nA shop of four services. This is what they were told to do:\n\n")
	b.WriteString(d.orderTable())
	fmt.Fprintf(&b, "\n  %s asks %s: %s.\n", loadName, frontendName, describeLoad())
	fmt.Fprintf(&b, "  GET and PUT go on to %s, POST to %s, and PATCH to %s by gRPC.\n", cartName, paymentsName, shippingName)
	if d.link != nil {
		fmt.Fprintf(&b, "  The link to %s drops %.0f %% of the TCP packets with data that arrive there.\n", cartName, dropShare*100)
	} else {
		fmt.Fprintf(&b, "  There is no link that loses packets: %v.\n", d.linkErr)
	}
	if d.agent != nil {
		url := "http://" + d.options.Address
		fmt.Fprintf(&b, "\nWhat Fathom sees of it, in a browser:   %s/\n", url)
		fmt.Fprintf(&b, "\nAs metrics:\n\n  curl -s %s/metrics | grep -E 'duration_seconds_(sum|count).*shop-'\n", url)
		b.WriteString("\nIn PromQL:\n")
		for _, q := range queries {
			fmt.Fprintf(&b, "\n  # %s\n  %s\n", q.what, q.query)
		}
	}
	b.WriteString("\nready. Ctrl-C ends it and removes everything that it made.\n\n")
	return d.print(b.String())
}

func (d *demo) orderTable() string {
	var rows strings.Builder
	rows.WriteString("  SERVICE\tADDRESS\tLATENCY\tERRORS\t\n")
	for _, name := range []string{frontendName, cartName, paymentsName, shippingName} {
		o := orders[name]
		failures := "-"
		if o.errors > 0 {
			failures = fmt.Sprintf("%.0f %% %s", o.errors*100, o.failure())
		}
		remark := o.remark
		if name == cartName && d.link == nil {
			remark = ""
		}
		fmt.Fprintf(&rows, "  %s\t%s\t%s\t%s\t%s\n", name, d.address[name], o.latency, failures, remark)
	}
	return align(rows.String(), 0)
}

// describeLoad returns for example "20 GET/s, 16 POST/s (16 at once)".
func describeLoad() string {
	flows := make([]string, 0, len(streams))
	for _, s := range streams {
		flow := fmt.Sprintf("%d %s/s", s.atOnce*int(time.Second/s.every), s.method)
		if s.atOnce > 1 {
			flow += fmt.Sprintf(" (%d at once)", s.atOnce)
		}
		flows = append(flows, flow)
	}
	return strings.Join(flows, ", ")
}

// align lays out rows whose cells end in tabs; flags are those of [tabwriter].
func align(rows string, flags uint) string {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 3, ' ', flags)
	_, _ = io.WriteString(t, rows) // a strings.Builder takes everything
	_ = t.Flush()
	return b.String()
}

func (d *demo) print(s string) error {
	if _, err := io.WriteString(d.options.Output, s); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// summary prints one line about what the users of the shop have met so far.
func (d *demo) summary(t Truth) error {
	users := make([]string, 0, len(streams))
	for _, s := range streams {
		users = append(users, s.method+" "+t.describe(loadName, s.method))
	}
	line := fmt.Sprintf("%s  clients so far:  %s", time.Now().Format(time.TimeOnly), strings.Join(users, "   "))
	if t.Link != nil {
		line += fmt.Sprintf("   dropped %d of %d packets", t.Link.Dropped, t.Link.Packets)
	}
	return d.print(line + "\n")
}

// describe sums up the calls of one caller and method.
func (t Truth) describe(from, method string) string {
	var all Calls
	var failed uint64
	for _, c := range t.Calls {
		if c.From != from || c.Method != method {
			continue
		}
		all.Count += c.Count
		all.Sum += c.Sum
		if !succeeded(c.Status) {
			failed += c.Count
		}
	}
	if all.Count == 0 {
		return "none"
	}
	return fmt.Sprintf("%d, mean %s, %.1f %% failed", all.Count, millis(all.Mean()), 100*float64(failed)/float64(all.Count))
}

// report prints what the callers measured.
func (d *demo) report(t Truth) error {
	var rows strings.Builder
	rows.WriteString("caller\tservice\tmethod\tstatus\tcount\tmean\tp50\tp90\tp99\tmax\t\n")
	for _, c := range t.Calls {
		fmt.Fprintf(&rows, "%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\t%s\t\n", c.From, c.To, c.Method, c.Status,
			c.Count, millis(c.Mean()), millis(c.P50), millis(c.P90), millis(c.P99), millis(c.Max))
	}
	text := fmt.Sprintf("\nWhat the callers measured in %s:\n\n%s", t.Elapsed.Round(time.Second), align(rows.String(), tabwriter.AlignRight))
	if t.Link != nil {
		text += fmt.Sprintf("\nThe link lost %d of %d packets with data.\n", t.Link.Dropped, t.Link.Packets)
	}
	return d.print(text)
}

func millis(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}
