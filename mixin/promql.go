package mixin

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fathomhq/fathom/internal/protocol"
)

// The labels that remain of a series.
const (
	byWorkload = "namespace, workload, workload_kind"
	// byPeer names the other end: an address on a host, the other three labels in Kubernetes.
	byPeer = "peer, peer_namespace, peer_workload, peer_service"
	// byService is the other end as callers address it.
	byService = "peer, peer_namespace, peer_service"
	byAgent   = "instance, node"
)

// fathoms selects Fathom's own series. Applications export metrics of the same names, http_request_duration_seconds
// above all, and have no such label.
const fathoms = `workload_kind!=""`

// The metrics of HTTP that are histograms with both forms.
var (
	served = protocol.HTTP.Server
	queued = protocol.HTTP.Queue
	asked  = protocol.HTTP.Client
)

// others are the families of protocols other than HTTP.
func others() []*protocol.Family {
	return slices.DeleteFunc(protocol.Families(), func(f *protocol.Family) bool { return f == protocol.HTTP })
}

// failed selects what failed in a family, and judged what that is compared with: what client libraries do by themselves is in neither.
// A stream of HTTP/2 that its client has reset, or that was refused, is a failure to who asked, and none that the server owns up to.
func failed(f *protocol.Family, served bool) (failed, judged []string) {
	success, housekeeping := []string{"overflow"}, []string{}
	for _, p := range f.Protocols() {
		success, housekeeping = append(success, p.Success...), append(housekeeping, p.Housekeeping...)
		if p.Carrier != nil {
			success = append(success, protocol.Unknown)
			if served {
				success = append(success, protocol.Aborted, protocol.ResetByClient, protocol.Refused)
			}
		}
	}
	if len(housekeeping) > 0 {
		judged = append(judged, except(f.OperationLabel, housekeeping))
	}
	return append(judged, except(f.StatusLabel, success)), judged
}

// timed selects what is not a wait for something to happen.
func timed(f *protocol.Family) []string {
	var waits []string
	for _, p := range f.Protocols() {
		waits = append(waits, p.Waits...)
	}
	if len(waits) == 0 {
		return nil
	}
	return []string{except(f.OperationLabel, waits)}
}

// except selects all values of a label but some.
func except(label string, values []string) string {
	slices.Sort(values)
	return fmt.Sprintf(`%s!~"%s"`, label, strings.Join(slices.Compact(values), "|"))
}

// What counts as an error. To a server: what it owns up to; a client that hangs up is none. To a client also
// what it never got an answer to.
const (
	serverError = `status=~"5..|reset_by_server"`
	clientError = `status=~"5..|aborted|reset_by_client|reset_by_server|refused"`
)

// resent are the kinds of retransmits that tcp_segments_sent_total is the denominator of (docs/metrics.md).
const resent = `kind=~"timeout|fast|probe"`

// unread are the classes of connections that may carry HTTP which Fathom did not read.
var unread = fmt.Sprintf(`class=~"%s"`, strings.Join(unreadClasses(), "|"))

func unreadClasses() (names []string) {
	for _, c := range protocol.Classes() {
		if c.Hides {
			names = append(names, c.Name)
		}
	}
	return names
}

// readClasses are those that panels of requests show.
func readClasses() string {
	var names []string
	for _, c := range protocol.Classes() {
		if c.Protocol != nil {
			names = append(names, "`"+c.Name+"`")
		}
	}
	return strings.Join(names, ", ")
}

// scope says which series an expression reads, over which time, and which labels remain.
type scope struct {
	selector, by, window string
}

// with narrows the selection.
func (s scope) with(matchers ...string) scope {
	s.selector = strings.Join(append([]string{s.selector}, matchers...), ",")
	return s
}

// per changes the labels that remain.
func (s scope) per(by string) scope {
	s.by = by
	return s
}

// sum adds up an expression, by the labels that remain.
func (s scope) sum(inner string) string { return aggregate("sum", s.by, inner) }

// aggregate writes an aggregation; by may be empty.
func aggregate(operator, by, inner string) string {
	if by == "" {
		return fmt.Sprintf("%s(%s)", operator, inner)
	}
	return fmt.Sprintf("%s by (%s) (%s)", operator, by, inner)
}

// of selects a metric.
func (s scope) of(metric string) string {
	return fmt.Sprintf("%s{%s}", metric, strings.TrimPrefix(s.selector, ","))
}

// rate is the rate of a counter.
func (s scope) rate(counter string) string {
	return s.sum(fmt.Sprintf("rate(%s[%s])", s.of(counter), s.window))
}

// Of a histogram, Prometheus has the native form, or the classic one, or both. Each of the following takes the
// native form where there is one: what `or` has on its right then adds nothing, as it has the same labels.

// count is the rate of a histogram's observations.
func (s scope) count(histogram string) string {
	return fmt.Sprintf("(histogram_count(%s) or %s)", s.rate(histogram), s.rate(histogram+"_count"))
}

// total is the rate of the sum of a histogram's observations.
func (s scope) total(histogram string) string {
	return fmt.Sprintf("(histogram_sum(%s) or %s)", s.rate(histogram), s.rate(histogram+"_sum"))
}

// mean is the mean of a histogram's observations.
func (s scope) mean(histogram string) string {
	return fmt.Sprintf("%s / (%s > 0)", s.total(histogram), s.count(histogram))
}

// quantile estimates a quantile of a histogram's observations.
func (s scope) quantile(q, histogram string) string {
	return fmt.Sprintf("(histogram_quantile(%s, %s) or %s)", q, s.rate(histogram), s.classicQuantile(q, histogram))
}

// classicQuantile is quantile for histograms that have no native form.
func (s scope) classicQuantile(q, histogram string) string {
	return fmt.Sprintf("histogram_quantile(%s, %s)", q, s.per(strings.TrimPrefix(s.by+", le", ", ")).rate(histogram+"_bucket"))
}

// errorRatio is the share of a histogram's requests that failed; 0 where none did, nothing where there were none.
func (s scope) errorRatio(histogram, failed string) string {
	return ratio(s.with(failed).count(histogram), s.count(histogram))
}

// queueRatio is the share of the time of requests that they waited before they were read.
func (s scope) queueRatio() string { return s.queueRatioOf(protocol.HTTP) }

// queueRatioOf is queueRatio of a family. What a request waited counts when it is read, and its duration when it ends: where few take
// long, a window may have the one without the other.
func (s scope) queueRatioOf(f *protocol.Family) string {
	return "clamp_max(" + ratio(s.total(f.Queue), s.total(f.Server)) + ", 1)"
}

// retransmitRatio is the share of TCP segments that were sent again.
func (s scope) retransmitRatio() string {
	return ratio(s.with(resent).rate("tcp_retransmits_total"), s.rate("tcp_segments_sent_total"))
}

// attempts is the rate of attempts to connect: those that failed and those that succeeded.
func (s scope) attempts() string {
	return s.with(`__name__=~"tcp_connect_failures_total|tcp_connections_opened_total"`, `role="client"`).rate("")
}

// connectFailureRatio is the share of attempts to connect that failed.
func (s scope) connectFailureRatio() string {
	return ratio(s.with(`role="client"`).rate("tcp_connect_failures_total"), s.attempts())
}

// unreadRatio is the share of TCP payload that may be HTTP and was not read.
func (s scope) unreadRatio() string {
	return ratio(s.with(unread).rate("fathom_bytes_total"), s.rate("fathom_bytes_total"))
}

// ratio divides a part by the whole: 0 where there is no series of the part, nothing where the whole is 0.
func ratio(part, whole string) string {
	return fmt.Sprintf("(%s or 0 * %s) / (%s > 0)", part, whole, whole)
}
