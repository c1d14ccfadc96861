package mixin

import (
	"fmt"
	"strings"

	"github.com/fathomhq/fathom/internal/protocol"
)

// The recording rules' names follow level:metric:operations (Prometheus, "Recording rules"). Levels are workload, the
// side that was measured, and service, the other end as callers address it. Operations are what was done last first.

// Ruleset is a file of rules.
type Ruleset struct {
	Groups []Group `json:"groups" yaml:"groups"`
}

// Group is evaluated in the order of its rules.
type Group struct {
	Name  string `json:"name" yaml:"name"`
	Rules []Rule `json:"rules" yaml:"rules"`
}

// Rule is a recording rule or an alert.
type Rule struct {
	Record      string            `json:"record,omitempty" yaml:"record,omitempty"`
	Alert       string            `json:"alert,omitempty" yaml:"alert,omitempty"`
	Expr        string            `json:"expr" yaml:"expr"`
	For         string            `json:"for,omitempty" yaml:"for,omitempty"`
	Labels      map[string]string `json:"labels,omitempty" yaml:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty" yaml:"annotations,omitempty"`
}

// recordings are the recording rules. Settings stand in them as @NAME@.
func recordings() Ruleset {
	return Ruleset{[]Group{
		{"fathom.workload", workloadRules()},
		{"fathom.service", serviceRules()},
		{"fathom.slo", sloRules()},
	}}
}

// quantiles are those that are recorded.
var quantiles = []string{"0.5", "0.9", "0.99"}

// record makes a rule for each quantile. A quantile of no requests is NaN, and not recorded: averages over time
// would be NaN, too.
func record(name, histogram string, s scope) (rules []Rule) {
	for _, q := range quantiles {
		rules = append(rules, Rule{Record: name, Expr: s.quantile(q, histogram) + " >= 0", Labels: map[string]string{"quantile": q}})
	}
	return rules
}

func workloadRules() []Rule {
	s := scope{fathoms, byWorkload, "5m"}
	rules := []Rule{
		{Record: "workload:http_requests:rate5m", Expr: s.count(served)},
		{Record: "workload:http_request_errors:rate5m", Expr: s.with(serverError).count(served) + " or 0 * workload:http_requests:rate5m"},
		{Record: "workload:http_request_errors:ratio_rate5m", Expr: "workload:http_request_errors:rate5m / (workload:http_requests:rate5m > 0)"},
		{Record: "workload:http_client_requests:rate5m", Expr: s.count(asked)},
		{Record: "workload:http_client_request_errors:ratio_rate5m", Expr: s.errorRatio(asked, clientError)},
		{Record: "workload:http_request_queue_seconds:mean_rate5m", Expr: s.mean(queued)},
		{Record: "workload:http_request_queue_seconds:ratio_rate5m", Expr: s.queueRatio()},
		{Record: "workload:tcp_segments_sent:rate5m", Expr: s.rate("tcp_segments_sent_total")},
		{Record: "workload:tcp_retransmits:ratio_rate5m", Expr: s.retransmitRatio()},
		{Record: "workload:tcp_connect_failures:ratio_rate5m", Expr: s.connectFailureRatio()},
		{Record: "workload:fathom_bytes:rate5m", Expr: s.rate("fathom_bytes_total")},
		{Record: "workload:fathom_bytes_opaque:ratio_rate5m", Expr: s.unreadRatio()},
	}
	rules = append(rules, record("workload:http_request_duration_seconds:quantile_rate5m", served, s)...)
	rules = append(rules, record("workload:http_client_request_duration_seconds:quantile_rate5m", asked, s)...)
	return append(rules, callRules(s)...)
}

// callRules are those of RPC, as those of HTTP.
func callRules(s scope) []Rule {
	f := protocol.RPC
	fails, _ := failed(f, true)
	failsClient, _ := failed(f, false)
	rules := []Rule{
		{Record: "workload:rpc_server_calls:rate5m", Expr: s.count(f.Server)},
		{Record: "workload:rpc_server_call_errors:rate5m", Expr: s.with(fails...).count(f.Server) + " or 0 * workload:rpc_server_calls:rate5m"},
		{Record: "workload:rpc_server_call_errors:ratio_rate5m", Expr: "workload:rpc_server_call_errors:rate5m / (workload:rpc_server_calls:rate5m > 0)"},
		{Record: "workload:rpc_client_calls:rate5m", Expr: s.count(f.Client)},
		{Record: "workload:rpc_client_call_errors:ratio_rate5m", Expr: s.errorRatio(f.Client, strings.Join(failsClient, ","))},
		{Record: "workload:rpc_server_queue_seconds:mean_rate5m", Expr: s.mean(f.Queue)},
		{Record: "workload:rpc_server_queue_seconds:ratio_rate5m", Expr: s.queueRatioOf(f)},
	}
	rules = append(rules, record("workload:rpc_server_duration_seconds:quantile_rate5m", f.Server, s)...)
	return append(rules, record("workload:rpc_client_duration_seconds:quantile_rate5m", f.Client, s)...)
}

func serviceRules() []Rule {
	s := scope{fathoms, byService, "5m"}
	clients := s.with(`role="client"`)
	rules := []Rule{
		{Record: "service:http_client_requests:rate5m", Expr: s.count(asked)},
		{Record: "service:http_client_request_errors:ratio_rate5m", Expr: s.errorRatio(asked, clientError)},
		{Record: "service:tcp_retransmits:ratio_rate5m", Expr: clients.retransmitRatio()},
		{Record: "service:tcp_connect_failures:ratio_rate5m", Expr: s.connectFailureRatio()},
	}
	failsClient, _ := failed(protocol.RPC, false)
	rules = append(rules, record("service:http_client_request_duration_seconds:quantile_rate5m", asked, s)...)
	rules = append(rules,
		Rule{Record: "service:rpc_client_calls:rate5m", Expr: s.count(protocol.RPC.Client)},
		Rule{Record: "service:rpc_client_call_errors:ratio_rate5m", Expr: s.errorRatio(protocol.RPC.Client, strings.Join(failsClient, ","))})
	return append(rules, record("service:rpc_client_duration_seconds:quantile_rate5m", protocol.RPC.Client, s)...)
}

// burnWindows are the windows of the burn-rate alerts: Beyer and others, The Site Reliability Workbook, chapter 5,
// table 5-8.
var burnWindows = []string{"30m", "1h", "2h", "6h", "1d", "3d"}

// judged is what is promised of, and compared with last week: by these names it is recorded.
type judged struct {
	requests, errors, duration string
	// objectives are the series that say what is promised, the first that there is.
	objectives []string
}

// A workload's objective is one for its requests and its calls, unless calls have their own.
var (
	requests = judged{"http_requests", "http_request_errors", "http_request_duration_seconds", []string{"http_requests_objective"}}
	calls    = judged{"rpc_server_calls", "rpc_server_call_errors", "rpc_server_duration_seconds",
		[]string{"rpc_server_calls_objective", "http_requests_objective"}}
)

// rate is the recorded rate of requests.
func (j judged) rate(window string) string { return "workload:" + j.requests + ":rate" + window }

// failures is the recorded rate of errors.
func (j judged) failures(window string) string { return "workload:" + j.errors + ":rate" + window }

// failing is the recorded share of errors.
func (j judged) failing(window string) string { return "workload:" + j.errors + ":ratio_rate" + window }

// objective is the recorded objective.
func (j judged) objective() string { return "workload:" + j.requests + "_objective:ratio" }

// sloRules record objectives, and rates over windows that are too long to compute from the histograms each time: both are
// averages of what was recorded, so that the ratio weighs each request the same.
func sloRules() (rules []Rule) {
	for _, j := range []judged{requests, calls} {
		var objectives []string
		for _, series := range j.objectives {
			objectives = append(objectives,
				fmt.Sprintf("0 * %s + on (namespace, workload) group_left () max by (namespace, workload) (%s)", j.rate("5m"), series))
		}
		objectives = append(objectives, fmt.Sprintf("0 * %s + @sloObjective@", j.rate("5m")))
		rules = append(rules, Rule{Record: j.objective(), Expr: strings.Join(objectives, "\nor ")})
		for _, w := range burnWindows {
			rules = append(rules,
				Rule{Record: j.rate(w), Expr: fmt.Sprintf("avg_over_time(%s[%s])", j.rate("5m"), w)},
				Rule{Record: j.failing(w),
					Expr: fmt.Sprintf("sum_over_time(%s[%s]) / (sum_over_time(%s[%s]) > 0)", j.failures("5m"), w, j.rate("5m"), w)})
		}
	}
	return rules
}

// burns is an expression for workloads whose error budget burns at a rate in a long window, and still does in a short one.
func (j judged) burns(factor, long, short string) string {
	burning := func(window string) string {
		return fmt.Sprintf("%s > %s * (1 - %s)", j.failing(window), factor, j.objective())
	}
	return fmt.Sprintf("(%s and %s and %s > @minimumRequestRate@)", burning(long), burning(short), j.rate(long))
}

// regressed is an expression for workloads that take longer than a week ago.
func (j judged) regressed() string {
	const same = "and on (namespace, workload, workload_kind) "
	p90 := fmt.Sprintf(`avg_over_time(workload:%s:quantile_rate5m{quantile="0.9"}[30m]`, j.duration)
	now, lastWeek := p90+")", p90+" offset 1w)"
	return fmt.Sprintf("%s > @latencyFactor@ * %s\nand %s - %s > @latencySeconds@\n", now, lastWeek, now, lastWeek) +
		same + j.rate("30m") + " > @minimumRequestRate@\n" +
		same + j.rate("30m") + " offset 1w > @minimumRequestRate@"
}

// alerts are the alerts. Settings stand in them as @NAME@.
func alerts() Ruleset {
	return Ruleset{[]Group{
		{"fathom.workloads", workloadAlerts()},
		{"fathom.agents", agentAlerts()},
	}}
}

// alert makes an alert with what all have. Names are those of pages in docs/runbooks.
func alert(name, severity, duration, expr, summary, description string) Rule {
	return Rule{
		Alert: name, Expr: expr, For: duration,
		Labels:      map[string]string{"severity": severity},
		Annotations: map[string]string{"summary": summary, "description": description, "runbook_url": "@runbookURL@/" + name + ".md"},
	}
}

// In annotations: who it is about. A host has no namespaces.
const (
	who  = "{{ with $labels.namespace }}{{ . }}/{{ end }}{{ $labels.workload }}"
	whom = "{{ $labels.peer }}{{ with $labels.peer_namespace }}{{ . }}/{{ end }}{{ or $labels.peer_service $labels.peer_workload }}"
	node = "{{ or $labels.node $labels.instance }}"
)

func workloadAlerts() []Rule {
	edges := scope{fathoms, byWorkload + ", " + byPeer, "10m"}
	sending := edges.per(byWorkload + ", role, " + byPeer)
	const busy = "workload:http_requests:rate5m > @minimumRequestRate@"
	return []Rule{
		alert("FathomHighErrorRatio", "warning", "5m",
			"workload:http_request_errors:ratio_rate5m > @errorRatio@\nand "+busy,
			who+" answers {{ $value | humanizePercentage }} of its requests with 5xx",
			"{{ $labels.workload_kind }} "+who+" has answered {{ $value | humanizePercentage }} of the requests of the last 5 minutes with a status of 500 or above."),
		alert("FathomHighRPCErrorRatio", "warning", "5m",
			"workload:rpc_server_call_errors:ratio_rate5m > @errorRatio@\nand workload:rpc_server_calls:rate5m > @minimumRequestRate@",
			who+" answers {{ $value | humanizePercentage }} of its gRPC calls with an error of its own",
			"{{ $labels.workload_kind }} "+who+" has answered {{ $value | humanizePercentage }} of the gRPC calls of the last 5 minutes with UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS, no status or a reset."),
		alert("FathomErrorBudgetBurnFast", "critical", "2m",
			requests.burns("14.4", "1h", "5m")+"\nor "+requests.burns("6", "6h", "30m"),
			who+" burns its error budget fast: {{ $value | humanizePercentage }} of its requests fail",
			"{{ $labels.workload_kind }} "+who+" has answered {{ $value | humanizePercentage }} of its requests with 5xx. At this rate the error budget of 30 days is gone within five days, perhaps within two."),
		alert("FathomErrorBudgetBurnSlow", "warning", "15m",
			requests.burns("3", "1d", "2h")+"\nor "+requests.burns("1", "3d", "6h"),
			who+" burns its error budget: {{ $value | humanizePercentage }} of its requests fail",
			"{{ $labels.workload_kind }} "+who+" has answered {{ $value | humanizePercentage }} of its requests with 5xx for a day or more. At this rate nothing is left of the error budget of 30 days before they are over."),
		alert("FathomRPCErrorBudgetBurnFast", "critical", "2m",
			calls.burns("14.4", "1h", "5m")+"\nor "+calls.burns("6", "6h", "30m"),
			who+" burns the error budget of its gRPC calls fast: {{ $value | humanizePercentage }} of them fail",
			"{{ $labels.workload_kind }} "+who+" has answered {{ $value | humanizePercentage }} of its gRPC calls with an error of its own. At this rate the error budget of 30 days is gone within five days, perhaps within two."),
		alert("FathomRPCErrorBudgetBurnSlow", "warning", "15m",
			calls.burns("3", "1d", "2h")+"\nor "+calls.burns("1", "3d", "6h"),
			who+" burns the error budget of its gRPC calls: {{ $value | humanizePercentage }} of them fail",
			"{{ $labels.workload_kind }} "+who+" has answered {{ $value | humanizePercentage }} of its gRPC calls with an error of its own for a day or more. At this rate nothing is left of the error budget of 30 days before they are over."),
		alert("FathomLatencyRegression", "warning", "15m",
			requests.regressed(),
			who+" is slower than a week ago: 90 % of its requests take up to {{ $value | humanizeDuration }}",
			"The 90th percentile of the time that {{ $labels.workload_kind }} "+who+" takes for a request has been {{ $value | humanizeDuration }} over the last 30 minutes, more than @latencyFactor@ times as much as in the same 30 minutes of last week."),
		alert("FathomRPCLatencyRegression", "warning", "15m",
			calls.regressed(),
			who+" is slower than a week ago: 90 % of its gRPC calls take up to {{ $value | humanizeDuration }}",
			"The 90th percentile of the time that {{ $labels.workload_kind }} "+who+" takes for a gRPC call has been {{ $value | humanizeDuration }} over the last 30 minutes, more than @latencyFactor@ times as much as in the same 30 minutes of last week."),
		alert("FathomQueueing", "warning", "10m",
			"workload:http_request_queue_seconds:ratio_rate5m > @queueRatio@\nand workload:http_request_queue_seconds:mean_rate5m > @queueSeconds@\nand "+busy,
			"Requests wait for "+who+": {{ $value | humanizePercentage }} of their time",
			"{{ $labels.workload_kind }} "+who+" does not get round to reading its requests: they spend {{ $value | humanizePercentage }} of the time until the answer unread in the socket. It is saturated."),
		alert("FathomRPCQueueing", "warning", "10m",
			"workload:rpc_server_queue_seconds:ratio_rate5m > @queueRatio@\nand workload:rpc_server_queue_seconds:mean_rate5m > @queueSeconds@\nand workload:rpc_server_calls:rate5m > @minimumRequestRate@",
			"gRPC calls wait for "+who+": {{ $value | humanizePercentage }} of their time",
			"{{ $labels.workload_kind }} "+who+" does not get round to reading its gRPC calls: they spend {{ $value | humanizePercentage }} of the time until the answer unread in the socket. It is saturated."),
		alert("FathomRetransmits", "warning", "15m",
			sending.retransmitRatio()+" > @retransmitRatio@\nand "+sending.rate("tcp_segments_sent_total")+" > @minimumSegmentRate@",
			"{{ $value | humanizePercentage }} of the TCP segments from "+who+" to "+whom+" are sent again",
			"{{ $labels.workload_kind }} "+who+", as a {{ $labels.role }}, has sent {{ $value | humanizePercentage }} of its TCP segments to "+whom+" more than once in the last 10 minutes: the network between them loses packets."),
		alert("FathomConnectFailures", "warning", "10m",
			edges.connectFailureRatio()+" > @connectFailureRatio@\nand "+edges.with(`role="client"`).rate("tcp_connect_failures_total")+" > @minimumConnectFailureRate@",
			who+" cannot connect to "+whom+": {{ $value | humanizePercentage }} of the attempts fail",
			"{{ $value | humanizePercentage }} of the attempts of {{ $labels.workload_kind }} "+who+" to connect to "+whom+" have failed in the last 10 minutes. `reason` of tcp_connect_failures_total says how."),
		alert("FathomWorkloadOpaque", "info", "1h",
			"workload:fathom_bytes_opaque:ratio_rate5m > @opaqueRatio@\nand workload:fathom_bytes:rate5m > @minimumOpaqueRate@",
			"Fathom cannot read {{ $value | humanizePercentage }} of what "+who+" says",
			"{{ $value | humanizePercentage }} of the bytes of {{ $labels.workload_kind }} "+who+" are in TLS or another form that may carry HTTP and that Fathom does not read there: its HTTP metrics are missing or incomplete, and alerts on them may stay silent. Its TCP metrics are complete."),
	}
}

func agentAlerts() []Rule {
	s := scope{"", byAgent, "15m"}
	lost := s.rate("fathom_lost_total")
	// What was counted, at both ends of connections, as losses are.
	var parts []string
	for _, f := range protocol.Families() {
		for _, histogram := range []string{f.Server, f.Client} {
			parts = append(parts, fmt.Sprintf("(%s or 0 * %s)", s.with(fathoms).count(histogram), lost))
		}
	}
	counted := strings.Join(parts, " + ")
	return []Rule{
		alert("FathomAgentDown", "critical", "10m",
			"up{@agentSelector@} == 0\nor absent(up{@agentSelector@})",
			"{{ if $labels.instance }}Fathom at "+node+" cannot be scraped{{ else }}Prometheus knows no target of Fathom{{ end }}",
			"{{ if $labels.instance }}Prometheus has not been able to scrape Fathom at {{ $labels.instance }}{{ with $labels.node }} on node {{ . }}{{ end }} for 10 minutes. Nothing is measured there.{{ else }}No target matches @agentSelector@. Nothing is measured anywhere, and no other alert of Fathom's can fire.{{ end }}"),
		alert("FathomLosingData", "warning", "15m",
			fmt.Sprintf("%s / (%s + %s) > @lostRatio@\nand %s > @minimumLostRate@", lost, lost, counted, lost),
			"Fathom on "+node+" fails to count {{ $value | humanizePercentage }} of the requests",
			"Of what Fathom on "+node+" should have counted in the last 15 minutes, {{ $value | humanizePercentage }} is lost: HTTP metrics of this node are too low by as much. `reason` of fathom_lost_total says why."),
		alert("FathomTableFull", "warning", "15m",
			s.per(byAgent+", map").rate("fathom_overflow_total")+" > 0",
			"Fathom's table {{ $labels.map }} is full on "+node,
			"Fathom on "+node+" has found no room in its table {{ $labels.map }} {{ $value | humanize }} times per second. What found none is counted under the value \"overflow\" instead of its own labels, or not at all."),
	}
}

// AlertsTable lists the alerts in Markdown. runbooks is the path to the runbooks from where the table is.
func AlertsTable(runbooks string) string {
	var b strings.Builder
	b.WriteString("| alert | severity | for |\n|---|---|---|\n")
	for _, group := range alerts().Groups {
		for _, r := range group.Rules {
			fmt.Fprintf(&b, "| [%s](%s/%s.md) | %s | %s |\n", r.Alert, runbooks, r.Alert, r.Labels["severity"], r.For)
		}
	}
	return b.String()
}
