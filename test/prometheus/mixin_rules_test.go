package prometheus

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// Both promtools: Debian's, and what tools/prometheus pins.
var promtools = []string{"promtool", newPromtool}

// TestRulesCheck lints the rules.
func TestRulesCheck(t *testing.T) {
	for _, promtool := range promtools {
		for _, file := range ruleFiles {
			if out, err := exec.Command(promtool, "check", "rules", filepath.Join(root, file)).CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", promtool, err, out)
			}
		}
	}
}

// Who the tests are about, in Kubernetes and on a host.
const (
	onPods = `namespace="shop",workload="payments",workload_kind="Deployment"`
	onHost = `workload="nginx.service",workload_kind="unit"`
)

// past is what some series were until an alert is looked at.
type past struct {
	name string
	// interval is the time between samples and between evaluations.
	interval string
	// series and their values, in promtool's notation.
	series map[string]string
	at     string
	// firing are the labels by which an alert is told apart. Empty: it does not fire.
	firing string
	// native: only the newer promtool knows how to write the series.
	native bool
}

// growing writes a counter that grows so much per second, for so many samples one minute apart.
func growing(perSecond float64, minutes int) string {
	return fmt.Sprintf("0+%gx%d", perSecond*60, minutes)
}

// served are the requests of a workload, by status, per second.
func served(who string, perSecond map[string]float64, minutes int) map[string]string {
	series := make(map[string]string)
	for status, rate := range perSecond {
		series[fmt.Sprintf(`http_request_duration_seconds_count{%s,method="GET",status=%q}`, who, status)] = growing(rate, minutes)
	}
	return series
}

// called are the gRPC calls that a workload served, by status, per second.
func called(who string, perSecond map[string]float64, minutes int) map[string]string {
	series := make(map[string]string)
	for status, rate := range perSecond {
		series[fmt.Sprintf(`rpc_server_duration_seconds_count{%s,rpc_system="grpc",grpc_status=%q}`, who, status)] = growing(rate, minutes)
	}
	return series
}

// callsWaiting are gRPC calls of which so much of the time is spent in the socket.
func callsWaiting(who string, perSecond, seconds, waits float64) map[string]string {
	return map[string]string{
		"rpc_server_duration_seconds_count{" + who + `,rpc_system="grpc",grpc_status="OK"}`: growing(perSecond, 20),
		"rpc_server_duration_seconds_sum{" + who + `,rpc_system="grpc",grpc_status="OK"}`:   growing(perSecond*seconds, 20),
		"rpc_server_queue_seconds_count{" + who + `,rpc_system="grpc"}`:                     growing(perSecond, 20),
		"rpc_server_queue_seconds_sum{" + who + `,rpc_system="grpc"}`:                       growing(perSecond*waits, 20),
	}
}

// merge puts series together.
func merge(all ...map[string]string) map[string]string {
	merged := make(map[string]string)
	for _, one := range all {
		maps.Copy(merged, one)
	}
	return merged
}

// steady are recorded rates that do not change.
func steady(requests, errors float64, samples int) map[string]string {
	return map[string]string{
		"workload:http_requests:rate5m{" + onPods + "}":       fmt.Sprintf("%gx%d", requests, samples),
		"workload:http_request_errors:rate5m{" + onPods + "}": fmt.Sprintf("%gx%d", errors, samples),
	}
}

// worse are 10 requests per second: a day without errors, then an hour and ten minutes with some.
func worse(errors float64) map[string]string {
	return map[string]string{
		"workload:http_requests:rate5m{" + onPods + "}":       "10x310",
		"workload:http_request_errors:rate5m{" + onPods + "}": fmt.Sprintf("0x287 %gx14", errors),
	}
}

// slower are the 90th percentile and the rate of requests: a week as they were, then the last hour as they are. Samples
// are five minutes apart.
func slower(before, now, requestsBefore, requestsNow float64) map[string]string {
	const week, hour = 7 * 24 * 12, 12
	return map[string]string{
		"workload:http_request_duration_seconds:quantile_rate5m{" + onPods + `,quantile="0.9"}`: fmt.Sprintf("%gx%d %gx%d", before, week, now, hour),
		"workload:http_requests:rate5m{" + onPods + "}":                                         fmt.Sprintf("%gx%d %gx%d", requestsBefore, week, requestsNow, hour),
	}
}

// ofCalls makes of what is recorded of requests what is recorded of gRPC calls.
func ofCalls(series map[string]string) map[string]string {
	names := strings.NewReplacer("http_request_duration_seconds", "rpc_server_duration_seconds",
		"http_request_errors", "rpc_server_call_errors", "http_requests", "rpc_server_calls")
	renamed := make(map[string]string)
	for name, values := range series {
		renamed[names.Replace(name)] = values
	}
	return renamed
}

// waiting are requests of which so much of the time is spent in the socket.
func waiting(who string, perSecond, seconds, waits float64) map[string]string {
	return map[string]string{
		"http_request_duration_seconds_count{" + who + `,method="GET",status="200"}`: growing(perSecond, 20),
		"http_request_duration_seconds_sum{" + who + `,method="GET",status="200"}`:   growing(perSecond*seconds, 20),
		"http_request_queue_seconds_count{" + who + "}":                              growing(perSecond, 20),
		"http_request_queue_seconds_sum{" + who + "}":                                growing(perSecond*waits, 20),
	}
}

const (
	toService = `,role="client",peer_namespace="shop",peer_workload="cart",peer_service="cart"`
	toAddress = `,role="client",peer="10.0.0.7:8080"`
)

// segments are TCP segments sent and sent again.
func segments(labels string, sent, again float64) map[string]string {
	return map[string]string{
		"tcp_segments_sent_total{" + labels + "}":                 growing(sent, 40),
		"tcp_retransmits_total{" + labels + `,kind="fast"}`:       growing(again/2, 40),
		"tcp_retransmits_total{" + labels + `,kind="timeout"}`:    growing(again/2, 40),
		"tcp_retransmits_total{" + labels + `,kind="synack"}`:     growing(5, 40), // are no segments of the denominator
		"tcp_connections_opened_total{" + labels + "}":            growing(1, 40),
		"tcp_connect_failures_total{" + labels + `,reason="..."}`: growing(0, 40),
	}
}

// connects are attempts to connect.
func connects(labels string, opened, refused float64) map[string]string {
	return map[string]string{
		"tcp_connections_opened_total{" + labels + "}":                growing(opened, 30),
		"tcp_connect_failures_total{" + labels + `,reason="refused"}`: growing(refused, 30),
		"tcp_connect_failures_total{" + labels + `,reason="reset"}`:   growing(0, 30),
	}
}

// carried are bytes by class.
func carried(who string, http1, opaque float64) map[string]string {
	return map[string]string{
		"fathom_bytes_total{" + who + `,class="http1",direction="sent"}`:      growing(http1, 90),
		"fathom_bytes_total{" + who + `,class="tls",direction="sent"}`:        growing(opaque/2, 90),
		"fathom_bytes_total{" + who + `,class="unreadable",direction="sent"}`: growing(opaque/2, 90),
	}
}

const agentOfNode = `job="fathom",instance="10.0.0.1:10777",node="node-1"`

// losses are what an agent lost and what it counted.
func losses(lost, counted float64) map[string]string {
	series := map[string]string{
		"fathom_lost_total{" + agentOfNode + `,reason="gap"}`:        growing(lost, 60),
		"fathom_lost_total{" + agentOfNode + `,reason="no_request"}`: growing(0, 60),
	}
	if counted > 0 {
		series["http_request_duration_seconds_count{"+agentOfNode+","+onPods+`,method="GET",status="200"}`] = growing(counted/2, 60)
		series["http_client_request_duration_seconds_count{"+agentOfNode+","+onPods+`,method="GET",status="200"}`] = growing(counted/2, 60)
	}
	return series
}

// alertTests are what each alert is for, what is just not enough for it, and what must not wake anybody.
var alertTests = map[string][]past{
	"FathomHighErrorRatio": {
		{name: "6 % in a pod", series: served(onPods, map[string]float64{"200": 9.4, "503": 0.6}, 30), at: "20m", firing: onPods},
		{name: "6 % on a host", series: served(onHost, map[string]float64{"200": 9.4, "500": 0.3, "502": 0.3}, 30), at: "20m", firing: onHost},
		{name: "4.9 %", series: served(onPods, map[string]float64{"200": 9.51, "503": 0.49}, 30), at: "20m"},
		{name: "clients' mistakes and clients that hang up", series: served(onPods, map[string]float64{"200": 1, "404": 5, "aborted": 5, "reset_by_client": 5}, 30), at: "20m"},
		{name: "three requests per hour, all failed", series: served(onPods, map[string]float64{"500": 3.0 / 3600}, 120), at: "2h"},
		{name: "not yet for 5 minutes", series: served(onPods, map[string]float64{"503": 10}, 30), at: "4m"},
		{name: "6 %, native histograms", native: true, at: "20m", firing: onPods, series: map[string]string{
			"http_request_duration_seconds{" + onPods + `,method="GET",status="200"}`: "{{schema:0 sum:0 count:0 buckets:[0]}}+{{schema:0 sum:9 count:564 buckets:[564]}}x30",
			"http_request_duration_seconds{" + onPods + `,method="GET",status="503"}`: "{{schema:0 sum:0 count:0 buckets:[0]}}+{{schema:0 sum:9 count:36 buckets:[36]}}x30",
		}},
	},
	"FathomHighRPCErrorRatio": {
		{name: "6 % in a pod", series: called(onPods, map[string]float64{"OK": 9.4, "UNAVAILABLE": 0.3, "INTERNAL": 0.3}, 30), at: "20m", firing: onPods},
		{name: "6 % without a status, on a host", series: called(onHost, map[string]float64{"OK": 9.4, "other": 0.6}, 30), at: "20m", firing: onHost},
		{name: "6 % that the server reset", series: called(onPods, map[string]float64{"OK": 9.4, "reset_by_server": 0.6}, 30), at: "20m", firing: onPods},
		{name: "4.9 %", series: called(onPods, map[string]float64{"OK": 9.51, "UNKNOWN": 0.49}, 30), at: "20m"},
		{
			name: "callers' mistakes, calls that were reset, and what nobody knows", at: "20m",
			series: called(onPods, map[string]float64{"OK": 1, "NOT_FOUND": 5, "CANCELLED": 5, "ABORTED": 5, "aborted": 5, "reset_by_client": 5, "refused": 5, "unknown": 5, "overflow": 5}, 30),
		},
		{name: "three calls per hour, all failed", series: called(onPods, map[string]float64{"INTERNAL": 3.0 / 3600}, 120), at: "2h"},
		{name: "errors of HTTP", series: served(onPods, map[string]float64{"503": 10}, 30), at: "20m"},
	},
	"FathomRPCQueueing": {
		{name: "60 % of 100 ms", series: callsWaiting(onPods, 10, 0.1, 0.06), at: "15m", firing: onPods},
		{name: "40 % of 100 ms", series: callsWaiting(onPods, 10, 0.1, 0.04), at: "15m"},
		{name: "90 % of 1 ms", series: callsWaiting(onPods, 10, 0.001, 0.0009), at: "15m"},
		{name: "requests of HTTP", series: waiting(onPods, 10, 0.1, 0.06), at: "15m"},
	},
	"FathomErrorBudgetBurnFast": {
		{name: "1.5 % for hours: 15 times 0.1 %", series: served(onPods, map[string]float64{"200": 9.85, "503": 0.15}, 120), at: "90m", firing: onPods},
		{name: "0.7 % for a day: 7 times, in 6 hours", interval: "10m", series: steady(10, 0.07, 150), at: "1440m", firing: onPods},
		{name: "0.5 %", interval: "10m", series: steady(10, 0.05, 150), at: "1440m"},
		{name: "1.6 % for an hour after a good day", interval: "5m", series: worse(0.16), at: "1510m", firing: onPods},
		{name: "1.4 % for an hour after a good day", interval: "5m", series: worse(0.14), at: "1510m"},
		{name: "1.5 %, which is over", at: "118m", series: map[string]string{
			`http_request_duration_seconds_count{` + onPods + `,method="GET",status="200"}`: growing(10, 120),
			`http_request_duration_seconds_count{` + onPods + `,method="GET",status="503"}`: "0+9x90 810x30",
		}},
		{name: "an objective of 95 %", at: "90m", series: merge(served(onPods, map[string]float64{"200": 9.5, "503": 0.5}, 120),
			map[string]string{`http_requests_objective{namespace="shop",workload="payments"}`: "0.95x120"})},
		{name: "another's objective", at: "90m", firing: onPods, series: merge(served(onPods, map[string]float64{"200": 9.5, "503": 0.5}, 120),
			map[string]string{`http_requests_objective{namespace="shop",workload="cart"}`: "0.95x120"})},
		{name: "an objective of 95 % on a host", at: "90m", firing: onHost, series: merge(served(onHost, map[string]float64{"200": 2, "503": 8}, 120),
			map[string]string{`http_requests_objective{workload="nginx.service"}`: "0.95x120"})},
		{name: "three requests per hour, all failed", series: served(onPods, map[string]float64{"500": 3.0 / 3600}, 120), at: "2h"},
	},
	"FathomErrorBudgetBurnSlow": {
		{name: "0.4 % for a day: 4 times", interval: "10m", series: steady(10, 0.04, 200), at: "1800m", firing: onPods},
		{name: "0.15 % for three days", interval: "10m", series: steady(10, 0.015, 500), at: "4500m", firing: onPods},
		{name: "0.09 % for three days", interval: "10m", series: steady(10, 0.009, 500), at: "4500m"},
		{name: "little traffic", interval: "10m", series: steady(0.4, 0.4, 500), at: "4500m"},
		{name: "0.4 %, which is over", interval: "10m", at: "2600m", series: map[string]string{
			"workload:http_requests:rate5m{" + onPods + "}":       "10x300",
			"workload:http_request_errors:rate5m{" + onPods + "}": "0.04x200 0x100",
		}},
	},
	"FathomRPCErrorBudgetBurnFast": {
		{name: "1.5 % for hours: 15 times 0.1 %", series: called(onPods, map[string]float64{"OK": 9.85, "UNAVAILABLE": 0.15}, 120), at: "90m", firing: onPods},
		{name: "0.7 % for a day: 7 times, in 6 hours", interval: "10m", series: ofCalls(steady(10, 0.07, 150)), at: "1440m", firing: onPods},
		{name: "0.5 %", interval: "10m", series: ofCalls(steady(10, 0.05, 150)), at: "1440m"},
		{name: "1.6 % for an hour after a good day", interval: "5m", series: ofCalls(worse(0.16)), at: "1510m", firing: onPods},
		{name: "1.4 % for an hour after a good day", interval: "5m", series: ofCalls(worse(0.14)), at: "1510m"},
		{name: "callers' mistakes", series: called(onPods, map[string]float64{"OK": 1, "NOT_FOUND": 9, "aborted": 9}, 120), at: "90m"},
		{name: "errors of HTTP", series: served(onPods, map[string]float64{"200": 2, "503": 8}, 120), at: "90m"},
		{name: "an objective of 95 %", at: "90m", series: merge(called(onPods, map[string]float64{"OK": 9.5, "INTERNAL": 0.5}, 120),
			map[string]string{`http_requests_objective{namespace="shop",workload="payments"}`: "0.95x120"})},
		{name: "an objective of 95 % on a host, for calls alone", at: "90m", series: merge(called(onHost, map[string]float64{"OK": 9.5, "INTERNAL": 0.5}, 120),
			map[string]string{`http_requests_objective{workload="nginx.service"}`: "0.999x120", `rpc_server_calls_objective{workload="nginx.service"}`: "0.95x120"})},
		{name: "a higher objective for calls", at: "90m", firing: onPods, series: merge(called(onPods, map[string]float64{"OK": 9, "INTERNAL": 1}, 120), map[string]string{
			`http_requests_objective{namespace="shop",workload="payments"}`:    "0.5x120",
			`rpc_server_calls_objective{namespace="shop",workload="payments"}`: "0.995x120",
		})},
		{name: "three calls per hour, all failed", series: called(onPods, map[string]float64{"INTERNAL": 3.0 / 3600}, 120), at: "2h"},
	},
	"FathomRPCErrorBudgetBurnSlow": {
		{name: "0.4 % for a day: 4 times", interval: "10m", series: ofCalls(steady(10, 0.04, 200)), at: "1800m", firing: onPods},
		{name: "0.15 % for three days", interval: "10m", series: ofCalls(steady(10, 0.015, 500)), at: "4500m", firing: onPods},
		{name: "0.09 % for three days", interval: "10m", series: ofCalls(steady(10, 0.009, 500)), at: "4500m"},
		{name: "little traffic", interval: "10m", series: ofCalls(steady(0.4, 0.4, 500)), at: "4500m"},
		{name: "of HTTP", interval: "10m", series: steady(10, 0.04, 200), at: "1800m"},
	},
	"FathomRPCLatencyRegression": {
		{name: "160 ms instead of 100 ms", interval: "5m", series: ofCalls(slower(0.1, 0.16, 10, 10)), at: "10125m", firing: onPods},
		{name: "149 ms instead of 100 ms", interval: "5m", series: ofCalls(slower(0.1, 0.149, 10, 10)), at: "10125m"},
		{name: "2 ms instead of 1 ms", interval: "5m", series: ofCalls(slower(0.001, 0.002, 10, 10)), at: "10125m"},
		{name: "little traffic now", interval: "5m", series: ofCalls(slower(0.1, 0.5, 10, 0.4)), at: "10125m"},
		{name: "little traffic then", interval: "5m", series: ofCalls(slower(0.1, 0.5, 0.4, 10)), at: "10125m"},
		{name: "of HTTP", interval: "5m", series: slower(0.1, 0.16, 10, 10), at: "10125m"},
	},
	"FathomLatencyRegression": {
		{name: "160 ms instead of 100 ms", interval: "5m", series: slower(0.1, 0.16, 10, 10), at: "10125m", firing: onPods},
		{name: "slow all week but at this time", interval: "5m", at: "10125m", firing: onPods, series: map[string]string{
			"workload:http_request_duration_seconds:quantile_rate5m{" + onPods + `,quantile="0.9"}`: "0.1x24 0.16x2020",
			"workload:http_requests:rate5m{" + onPods + "}":                                         "10x2044",
		}},
		{name: "149 ms instead of 100 ms", interval: "5m", series: slower(0.1, 0.149, 10, 10), at: "10125m"},
		{name: "2 ms instead of 1 ms", interval: "5m", series: slower(0.001, 0.002, 10, 10), at: "10125m"},
		{name: "little traffic now", interval: "5m", series: slower(0.1, 0.5, 10, 0.4), at: "10125m"},
		{name: "little traffic then", interval: "5m", series: slower(0.1, 0.5, 0.4, 10), at: "10125m"},
		{name: "not there last week", interval: "5m", series: map[string]string{
			"workload:http_request_duration_seconds:quantile_rate5m{" + onPods + `,quantile="0.9"}`: "5x100",
			"workload:http_requests:rate5m{" + onPods + "}":                                         "10x100",
		}, at: "120m"},
	},
	"FathomQueueing": {
		{name: "55 of 100 ms", series: waiting(onPods, 5, 0.1, 0.055), at: "18m", firing: onPods},
		{name: "55 of 100 ms on a host", series: waiting(onHost, 5, 0.1, 0.055), at: "18m", firing: onHost},
		{name: "49 of 100 ms", series: waiting(onPods, 5, 0.1, 0.049), at: "18m"},
		{name: "0.9 of 1 ms", series: waiting(onPods, 50, 0.001, 0.0009), at: "18m"},
		{name: "three requests per hour", series: waiting(onPods, 3.0/3600, 2, 1.9), at: "18m"},
	},
	"FathomRetransmits": {
		{name: "1.2 % to a service", series: segments(onPods+toService, 100, 1.2), at: "35m", firing: onPods + toService},
		{name: "1.2 % to an address", series: segments(onHost+toAddress, 100, 1.2), at: "35m", firing: onHost + toAddress},
		{name: "0.9 %", series: segments(onPods+toService, 100, 0.9), at: "35m"},
		{name: "few segments", series: segments(onPods+toService, 9, 4), at: "35m"},
		{name: "not yet for 15 minutes", series: segments(onPods+toService, 100, 50), at: "14m"},
	},
	"FathomConnectFailures": {
		{name: "6 % to a service", series: connects(onPods+toService, 9.4, 0.6), at: "25m", firing: strings.Replace(onPods+toService, `,role="client"`, "", 1)},
		{name: "all to an address", series: connects(onHost+toAddress, 0, 1), at: "25m", firing: onHost + `,peer="10.0.0.7:8080"`},
		{name: "4.9 %", series: connects(onPods+toService, 9.51, 0.49), at: "25m"},
		{name: "one failure per minute", series: connects(onPods+toService, 0, 1.0/60), at: "25m"},
	},
	"FathomWorkloadOpaque": {
		{name: "60 %", series: carried(onPods, 40_000, 60_000), at: "80m", firing: onPods},
		{name: "60 % on a host", series: carried(onHost, 40_000, 60_000), at: "80m", firing: onHost},
		{name: "49 %", series: carried(onPods, 51_000, 49_000), at: "80m"},
		{name: "little traffic", series: carried(onPods, 0, 9_000), at: "80m"},
		{name: "a database", series: map[string]string{"fathom_bytes_total{" + onPods + `,class="other",direction="sent"}`: growing(1e6, 90)}, at: "80m"},
	},
	"FathomAgentDown": {
		{name: "one is down", at: "20m", firing: agentOfNode, series: map[string]string{
			"up{" + agentOfNode + "}": "1x5 0x30", `up{job="fathom",instance="10.0.0.2:10777",node="node-2"}`: "1x40"}},
		{name: "none is known", at: "20m", firing: `alertname="FathomAgentDown"`, series: map[string]string{`up{job="node"}`: "1x40"}},
		{name: "another job is down", at: "20m", series: map[string]string{"up{" + agentOfNode + "}": "1x40", `up{job="node"}`: "0x40"}},
		{name: "a monitor of the operator's", at: "20m", firing: `job="observe/fathom-agent"`, series: map[string]string{`up{job="observe/fathom-agent"}`: "0x40"}},
		{name: "for 9 minutes", at: "14m", series: map[string]string{"up{" + agentOfNode + "}": "1x5 0x30"}},
	},
	"FathomLosingData": {
		{name: "2 %", series: losses(2, 98), at: "50m", firing: `instance="10.0.0.1:10777",node="node-1"`},
		{name: "all", series: losses(1, 0), at: "50m", firing: `instance="10.0.0.1:10777",node="node-1"`},
		{name: "0.9 %", series: losses(0.9, 99.1), at: "50m"},
		{name: "few", series: losses(0.09, 0), at: "50m"},
	},
	"FathomTableFull": {
		{name: "some", at: "40m", firing: `instance="10.0.0.1:10777",node="node-1",map="http_series"`, series: map[string]string{
			"fathom_overflow_total{" + agentOfNode + `,map="http_series"}`: "0+1x60", "fathom_overflow_total{" + agentOfNode + `,map="edges"}`: "0x60"}},
		{name: "none", at: "40m", series: map[string]string{"fathom_overflow_total{" + agentOfNode + `,map="http_series"}`: "7x60"}},
		{name: "once, half an hour ago", at: "50m", series: map[string]string{"fathom_overflow_total{" + agentOfNode + `,map="http_series"}`: "0x10 5x60"}},
	},
}

// TestRulesAlerts lets promtool judge every alert: firing, just not, and where it must not.
func TestRulesAlerts(t *testing.T) {
	counts := make(map[bool]int)
	for _, r := range readRules(t, ruleFiles[1]) {
		alert := r["alert"].(string)
		fires := make(map[bool]int)
		for _, h := range alertTests[alert] {
			fires[h.firing != ""]++
			counts[h.firing != ""]++
		}
		if fires[true] == 0 || fires[false] < 2 {
			t.Errorf("%s: %d tests in which it fires, %d in which it does not", alert, fires[true], fires[false])
		}
	}
	for name, histories := range alertTests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, h := range histories {
				for _, promtool := range promtools {
					if !h.native || promtool == newPromtool {
						h.judge(t, promtool, name)
					}
				}
			}
		})
	}
	t.Logf("%d alerts: %d tests in which one fires, %d in which it does not", len(alertTests), counts[true], counts[false])
}

// judge runs a test with promtool.
func (h past) judge(t *testing.T, promtool, alert string) {
	t.Helper()
	type input struct {
		Series string `yaml:"series"`
		Values string `yaml:"values"`
	}
	type expected struct {
		Labels string `yaml:"labels"`
		Value  int    `yaml:"value"`
	}
	type query struct {
		Expr    string     `yaml:"expr"`
		At      string     `yaml:"eval_time"`
		Samples []expected `yaml:"exp_samples"`
	}
	var inputs []input
	for _, series := range slices.Sorted(maps.Keys(h.series)) {
		inputs = append(inputs, input{series, h.series[series]})
	}
	ask := query{Expr: fmt.Sprintf(`count by (%s) (ALERTS{alertname=%q, alertstate="firing"})`, names(h.firing), alert), At: h.at}
	if h.firing != "" {
		ask.Samples = []expected{{"{" + h.firing + "}", 1}}
	}
	interval := h.interval
	if interval == "" {
		interval = "1m"
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "rules.yml"), h.rules(t, alert), 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := yaml.Marshal(map[string]any{
		"rule_files": []string{"rules.yml"}, "evaluation_interval": interval,
		"tests": []any{map[string]any{"interval": interval, "input_series": inputs, "promql_expr_test": []query{ask}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "test.yml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(promtool, "test", "rules", file).CombinedOutput(); err != nil {
		t.Errorf("%s: %s: %v\n%s", promtool, h.name, err, out)
	}
}

// rules are an alert's rule and those that record what it needs, but for what the history has itself: weeks of all rules
// would take minutes.
func (h past) rules(t *testing.T, alert string) []byte {
	t.Helper()
	var chosen []map[string]any
	needed := alert
	all := slices.Concat(readRules(t, ruleFiles[0]), readRules(t, ruleFiles[1]))
	for _, r := range slices.Backward(all) {
		name := r["record"]
		if name == nil {
			if r["alert"] != alert {
				continue
			}
		} else if !strings.Contains(needed, name.(string)) || h.has(name.(string)) {
			continue
		}
		needed += r["expr"].(string)
		chosen = append(chosen, r)
	}
	slices.Reverse(chosen)
	text, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "test", "rules": chosen}}})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// has tells whether there is a series of a name.
func (h past) has(name string) bool {
	for series := range h.series {
		if strings.HasPrefix(series, name+"{") {
			return true
		}
	}
	return false
}

// names are the names of labels in a selector.
func names(labels string) string {
	var all []string
	for label := range strings.SplitSeq(labels, ",") {
		name, _, _ := strings.Cut(label, "=")
		all = append(all, name)
	}
	return strings.Join(all, ", ")
}
