package mixin

import (
	"fmt"
	"slices"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/units"

	"github.com/fathomhq/fathom/internal/protocol"
)

// Where values become bad in panels. These are the defaults of the alerts.
const (
	badErrors      = 0.05
	badQueue       = 0.5
	badRetransmits = 0.01
	badConnects    = 0.05
)

// interval is the window of rates in dashboards: Grafana makes it at least four scrape intervals.
const interval = "$__rate_interval"

// dashboards returns the dashboards by the names of their files.
func dashboards() (map[string]dashboard.Dashboard, error) {
	all := make(map[string]dashboard.Dashboard)
	for _, make := range []func() *page{overview, workload, agents} {
		built, err := make().Build()
		if err != nil {
			return nil, err
		}
		all[*built.Uid+".json"] = built
	}
	return all, nil
}

// everyWorkload has one series for each, which lives as long as it has connections.
const everyWorkload = "fathom_connections_total"

func overview() *page {
	p := newPage(overviewUID, "Fathom / Overview", "All workloads that Fathom measures: requests, errors, latency, queueing and TCP, by namespace and workload.")
	p.choose("namespace", "Namespace", "Kubernetes namespaces. Empty on hosts without Kubernetes: leave it at All.", everyWorkload+"{"+fathoms+"}", true)
	p.choose("workload", "Workload", "Deployments and their like; units and processes on hosts.", everyWorkload+"{"+fathoms+`,namespace=~"$namespace"}`, true)

	s := scope{fathoms + `,namespace=~"$namespace",workload=~"$workload"`, "", interval}
	each := s.per(byWorkload)
	small := func(title, description, unit, expr string, limit float64) panel {
		return panel{title: title, description: description, unit: unit, queries: []query{{expr, title}}, width: 4, height: 4, draw: number, limit: limit}
	}
	p.row("At a glance",
		small("Requests", "HTTP requests served by all selected workloads, per second. One that passes through three of them counts three times.",
			units.RequestsPerSecond, s.count(served), 0),
		small("Errors", "Share of these requests that were answered with 5xx.", units.PercentUnit, s.errorRatio(served, serverError), badErrors),
		small("99th percentile", "99 % of these requests were answered within this time, from the arrival of their first byte at the socket on.",
			units.Seconds, s.quantile("0.99", served), 0),
		small("Queueing", "Share of the requests' time that they waited unread in the socket. Near 0 where servers keep up; from a half on something is saturated.",
			units.PercentUnit, s.queueRatio(), badQueue),
		small("Retransmits", "Share of TCP segments sent again. Above 1 % the network loses packets, and some requests wait for timers.",
			units.PercentUnit, s.retransmitRatio(), badRetransmits),
		small("Not read", "Share of the TCP payload that is TLS or another form that may be HTTP and that Fathom did not read. The numbers beside it know nothing of that part.",
			units.PercentUnit, s.unreadRatio(), 0),
	)
	p.row("Workloads", panel{
		title: "Workloads",
		description: "One line per workload; the name leads to its own dashboard. Sort by a column: many errors, a high percentile, a queueing share above a half (saturated), " +
			"retransmits above 1 % (a lossy link), an oldest request of many seconds (hangs now).",
		queries: []query{
			{expr: linked(each.count(served))},
			{expr: linked(each.errorRatio(served, serverError))},
			{expr: linked(each.quantile("0.5", served))},
			{expr: linked(each.quantile("0.9", served))},
			{expr: linked(each.quantile("0.99", served))},
			{expr: linked(each.queueRatio())},
			{expr: linked(each.retransmitRatio())},
			{expr: linked(each.connectFailureRatio())},
			{expr: linked(aggregate("max", each.by, each.of("http_oldest_active_request_seconds")))},
		},
		columns: []column{
			{"Requests", units.RequestsPerSecond, 0}, {"Errors", units.PercentUnit, badErrors}, {"p50", units.Seconds, 0}, {"p90", units.Seconds, 0},
			{"p99", units.Seconds, 0}, {"Queueing", units.PercentUnit, badQueue}, {"Retransmits", units.PercentUnit, badRetransmits},
			{"Failed connects", units.PercentUnit, badConnects}, {"Oldest request", units.Seconds, 0},
		},
		width: 24, height: 11, draw: grid,
	})

	p.row(protocol.RPC.Title, callPanels(s)...)

	namespaces := s.per("namespace")
	third := func(title, description, unit, legend, expr string, limit float64) panel {
		return panel{title: title, description: description, unit: unit, queries: []query{{expr, legend}}, width: 8, height: 8, draw: lines, limit: limit}
	}
	p.row("By namespace",
		third("Requests by namespace", "HTTP requests served, per second. On a host without Kubernetes there is one line.", units.RequestsPerSecond, "{{namespace}}", namespaces.count(served), 0),
		third("Errors by namespace", "Share answered with 5xx.", units.PercentUnit, "{{namespace}}", namespaces.errorRatio(served, serverError), badErrors),
		third("99th percentile by namespace", "99 % of the requests were answered within this time.", units.Seconds, "{{namespace}}", namespaces.quantile("0.99", served), 0),
	)
	top := func(expr string) string { return fmt.Sprintf("topk(10, %s)", expr) }
	const name = "{{namespace}} {{workload}}"
	p.row("The ten highest workloads",
		third("Requests", "HTTP requests served, per second.", units.RequestsPerSecond, name, top(each.count(served)), 0),
		third("Errors", "Share answered with 5xx.", units.PercentUnit, name, top(each.errorRatio(served, serverError)), badErrors),
		third("99th percentile", "99 % of the requests were answered within this time.", units.Seconds, name, top(each.quantile("0.99", served)), 0),
		third("Queueing", "Share of the requests' time that they waited unread in the socket. Above the line requests wait longer than they are worked on.", units.PercentUnit, name, top(each.queueRatio()), badQueue),
		third("Retransmits", "Share of TCP segments sent again, in either role. Above the line the network loses packets.", units.PercentUnit, name, top(each.retransmitRatio()), badRetransmits),
		third("Failed connects", "Share of attempts to connect that failed: refused, timed out, or given up by the application.", units.PercentUnit, name, top(each.connectFailureRatio()), badConnects),
	)
	return p
}

// ownErrors are the ends of gRPC calls that count as errors of the server, in words.
const ownErrors = "`UNKNOWN`, `DEADLINE_EXCEEDED`, `UNIMPLEMENTED`, `INTERNAL`, `UNAVAILABLE`, `DATA_LOSS`, no status, or a reset (`reset_by_server`)"

// callPanels show all workloads that serve gRPC, as the rows above them do those that serve HTTP.
func callPanels(s scope) []panel {
	f := protocol.RPC
	each := s.per(byWorkload)
	fails, _ := failed(f, true)
	bad := strings.Join(fails, ",")
	small := func(title, description, unit, expr string, limit float64) panel {
		return panel{title: title, description: description, unit: unit, queries: []query{{expr, title}}, width: 6, height: 4, draw: number, limit: limit}
	}
	top := func(title, description, unit, expr string, limit float64) panel {
		return panel{title: title, description: description, unit: unit, queries: []query{{"topk(10, " + expr + ")", "{{namespace}} {{workload}}"}},
			width: 8, height: 8, draw: lines, limit: limit}
	}
	return []panel{
		small("Calls", "gRPC calls served by all selected workloads, per second. A stream of messages is one call, which is counted when it ends.",
			units.CountsPerSecond, s.count(f.Server), 0),
		small("Errors", "Share of these calls that ended with an error of the server's own: "+ownErrors+".", units.PercentUnit, s.errorRatio(f.Server, bad), badErrors),
		small("50th percentile", "Half of these calls took no longer than this, from the arrival of their first byte at the socket on.",
			units.Seconds, s.quantile("0.5", f.Server), 0),
		small("99th percentile", "99 % of these calls took no longer than this.", units.Seconds, s.quantile("0.99", f.Server), 0),
		{
			title: "Workloads that serve gRPC",
			description: "One line per workload; the name leads to its own dashboard. Errors are those of the server's own: " + ownErrors + ". " +
				"Many servers read at once and queue inside of the process: a queueing share near 0 does not say that they keep up.",
			queries: []query{
				{expr: linked(each.count(f.Server))}, {expr: linked(each.errorRatio(f.Server, bad))}, {expr: linked(each.quantile("0.5", f.Server))},
				{expr: linked(each.quantile("0.9", f.Server))}, {expr: linked(each.quantile("0.99", f.Server))}, {expr: linked(each.queueRatioOf(f))},
			},
			columns: []column{
				{"Calls", units.CountsPerSecond, 0}, {"Errors", units.PercentUnit, badErrors}, {"p50", units.Seconds, 0}, {"p90", units.Seconds, 0},
				{"p99", units.Seconds, 0}, {"Queueing", units.PercentUnit, badQueue},
			},
			width: 24, height: 8, draw: grid,
		},
		top("The most calls", "gRPC calls served, per second, by the ten workloads with the most.", units.CountsPerSecond, each.count(f.Server), 0),
		top("The most errors", "Share that ended with an error of the server's own, of the ten workloads with the highest.",
			units.PercentUnit, each.errorRatio(f.Server, bad), badErrors),
		top("The highest 99th percentiles", "99 % of the calls took no longer than this, of the ten slowest workloads.",
			units.Seconds, each.quantile("0.99", f.Server), 0),
	}
}

// otherPanels show what a workload asks and serves in a family of protocols other than HTTP.
func otherPanels(f *protocol.Family, s scope) []panel {
	third := func(title, description, unit string, queries ...query) panel {
		return panel{title: title, description: description, unit: unit, queries: queries, width: 8, height: 8, draw: lines}
	}
	errorRatio := func(s scope, histogram string) string {
		fails, judged := failed(f, histogram == f.Server)
		return ratio(s.with(fails...).count(histogram), s.with(judged...).count(histogram))
	}
	what, kind := "operation", f.OperationLabel
	if kind == "" {
		what, kind = "status", f.StatusLabel
	}
	const to = "{{peer}} {{peer_namespace}} {{peer_service}} {{peer_workload}}"
	by := func(labels ...string) scope {
		return s.per(strings.Join(slices.DeleteFunc(labels, func(label string) bool { return label == "" }), ", "))
	}
	calls, serves, judged := by(f.SystemLabel, byPeer), by(f.SystemLabel, kind), by(f.SystemLabel, f.OperationLabel)
	system, operation := "{{"+f.SystemLabel+"}}", "{{"+f.SystemLabel+"}} {{"+f.OperationLabel+"}}"
	if f.OperationLabel == "" {
		operation = system
	}
	left := "What client libraries do by themselves is left out."
	owned := "Share answered with an error, by operation."
	long := "Operations that last until something happens are left out."
	if f == protocol.RPC {
		long = "A stream of messages is one call, which ends with the last of them."
		owned = "Share that ended with an error of the server's own: " + ownErrors + ". Calls that their client reset are none."
		left = "Those of whoever asked, such as `NOT_FOUND`, are none."
	}
	return []panel{
		third("Calls", "What this workload asks of others, per second.", units.CountsPerSecond, query{calls.count(f.Client), system + " " + to}),
		{title: "Errors of calls", description: "Share that was answered with an error, or never. " + left, unit: units.PercentUnit,
			queries: []query{{errorRatio(calls, f.Client), system + " " + to}}, width: 8, height: 8, draw: lines, limit: badErrors},
		third("99th percentile of calls", "99 % of the calls took no longer than this. "+long,
			units.Seconds, query{calls.with(timed(f)...).quantile("0.99", f.Client), system + " " + to}),
		third("Served by "+what, "What others ask of this workload, per second.", units.CountsPerSecond, query{serves.count(f.Server), system + " {{" + kind + "}}"}),
		{title: "Errors served", description: owned, unit: units.PercentUnit,
			queries: []query{{errorRatio(judged, f.Server), operation}}, width: 8, height: 8, draw: lines, limit: badErrors},
		third("99th percentile served, and waiting", "From the arrival of the first byte to the last byte of the answer; and how much of it passes before the workload reads.", units.Seconds,
			query{s.with(timed(f)...).quantile("0.99", f.Server), "served"}, query{s.quantile("0.99", f.Queue), "waits"}),
	}
}

func workload() *page {
	p := newPage(workloadUID, "Fathom / Workload", "One workload: the requests that it serves, how long they wait, what it asks of others, and its TCP.")
	p.choose("namespace", "Namespace", "Kubernetes namespaces. Empty on hosts without Kubernetes: leave it at All.", everyWorkload+"{"+fathoms+"}", true)
	p.choose("workload", "Workload", "The workload to look at.", everyWorkload+"{"+fathoms+`,namespace=~"$namespace"}`, false)

	s := scope{fathoms + `,namespace=~"$namespace",workload="$workload"`, "", interval}
	place := s.per("pod, node, instance")
	const pod = "{{pod}} {{node}} {{instance}}"
	third := func(title, description, unit string, queries ...query) panel {
		return panel{title: title, description: description, unit: unit, queries: queries, width: 8, height: 8, draw: lines}
	}
	withQuantiles := func(s scope, histogram string) []query {
		return []query{{s.quantile("0.5", histogram), "p50"}, {s.quantile("0.9", histogram), "p90"}, {s.quantile("0.99", histogram), "p99"}}
	}
	stacked := func(p panel) panel { p.stacked = true; return p }
	limited := func(p panel, limit float64) panel { p.limit = limit; return p }

	p.row("Requests served",
		stacked(third("Requests by status", "HTTP requests per second by status. `aborted`: the connection ended before there was one; mostly clients that hung up.",
			units.RequestsPerSecond, query{s.per("status").count(served), "{{status}}"})),
		limited(third("Errors", "Share of requests answered with 5xx, and of those that ended without an answer.", units.PercentUnit,
			query{s.errorRatio(served, serverError), "5xx"}, query{s.errorRatio(served, `status=~"aborted|reset_by_client|refused"`), "aborted"}), badErrors),
		third("Latency", "From the arrival of a request's first byte at the socket to the last byte of the answer: what callers wait for, without the network. Half of the requests are faster than p50, one in 100 is slower than p99.",
			units.Seconds, withQuantiles(s, served)...),
		panel{title: "Latency heat map", width: 16, height: 9, draw: heat, unit: units.Seconds,
			description: "Each column is a moment, each cell a range of durations; the darker, the more requests. Two bands are two kinds of requests; a band that climbs is a queue. " +
				"With native histograms cells are 9 % high; without, they are the buckets that --buckets sets.",
			queries: []query{
				{s.rate(served), ""},
				{fmt.Sprintf("%s unless on () %s", s.per("le").rate(served+"_bucket"), s.rate(served)), "{{le}}"},
			}},
		stacked(third("Requests by method", "HTTP requests per second by method.", units.RequestsPerSecond, query{s.per("method").count(served), "{{method}}"})),
		third("Requests by pod or host", "HTTP requests per second by pod in Kubernetes, by agent on hosts. Lines far apart: the load is not spread evenly.",
			units.RequestsPerSecond, query{place.count(served), pod}),
		third("99th percentile by pod or host", "One line above the others: one pod or host is slow, and not the service.", units.Seconds, query{place.quantile("0.99", served), pod}),
		stacked(third("Requests by encryption", "Requests in plain text, and those that were read at a TLS library (`--tls`).", units.RequestsPerSecond, query{s.per("tls").count(served), "encrypted: {{tls}}"})),
	)
	p.row("Queueing",
		limited(third("Share of the time that requests wait", "How much of the requests' time passes before the workload reads them. Near 0: it keeps up. Towards 1: it is saturated, and more load only makes the queue longer.",
			units.PercentUnit, query{s.queueRatio(), "waiting"}), badQueue),
		stacked(third("Mean time: waiting and being served", "The mean duration of a request, divided into the time that it waits unread and the time that the workload works on it. If only waiting grows, add capacity; if serving grows, look inside or at what it calls.",
			units.Seconds, query{s.mean(queued), "waits"}, query{fmt.Sprintf("(%s - %s) / (%s > 0)", s.total(served), s.total(queued), s.count(served)), "is served"})),
		third("Time that requests wait", "From the arrival of the first byte to the read that fetched it.", units.Seconds, withQuantiles(s, queued)...),
		third("Open requests", "Requests that have no answer yet, at this moment: those that it serves and those that it made.", units.Short, query{s.per("role").sum(s.of("http_requests_active")), "{{role}}"}),
		third("Age of the oldest open request", "Grows in a straight line while something hangs, before any duration is known.", units.Seconds, query{aggregate("max", "role", s.of("http_oldest_active_request_seconds")), "{{role}}"}),
		third("Connections that wait for accept", "Connections that are established and that the workload has not accepted; the limit is that of listen(2). At the limit the kernel drops.",
			units.Short, query{s.per("address").sum(s.of("tcp_listen_queue")), "{{address}}"}, query{s.per("address").sum(s.of("tcp_listen_queue_limit")), "{{address}} limit"},
			query{s.per("address").rate("tcp_listen_drops_total"), "{{address}} drops per second"}),
	)

	edges := s.per(byPeer)
	clients := s.with(`role="client"`).per(byPeer)
	const to = "{{peer}} {{peer_namespace}} {{peer_service}} {{peer_workload}}"
	p.row("What it asks of others", panel{
		title: "Peers that it calls",
		description: "HTTP requests that this workload made, by the other end: a service in Kubernetes, an address on hosts. Times include the network and all that the other end did. " +
			"Errors are 5xx and requests that never got an answer.",
		queries: []query{
			{expr: edges.count(asked)}, {expr: edges.errorRatio(asked, clientError)}, {expr: edges.quantile("0.5", asked)}, {expr: edges.quantile("0.99", asked)},
			{expr: clients.retransmitRatio()}, {expr: edges.connectFailureRatio()}, {expr: clients.classicQuantile("0.5", "tcp_rtt_seconds")},
		},
		columns: []column{
			{"Requests", units.RequestsPerSecond, 0}, {"Errors", units.PercentUnit, badErrors}, {"p50", units.Seconds, 0}, {"p99", units.Seconds, 0},
			{"Retransmits", units.PercentUnit, badRetransmits}, {"Failed connects", units.PercentUnit, badConnects}, {"Round trip p50", units.Seconds, 0},
		},
		width: 24, height: 8, draw: grid,
	},
		third("Requests by peer", "HTTP requests that this workload made, per second.", units.RequestsPerSecond, query{edges.count(asked), to}),
		limited(third("Errors by peer", "Share that was answered with 5xx, or never.", units.PercentUnit, query{edges.errorRatio(asked, clientError), to}), badErrors),
		third("99th percentile by peer", "99 % of the requests to this peer were answered within this time.", units.Seconds, query{edges.quantile("0.99", asked), to}),
	)
	for _, f := range others() {
		p.row(f.Title, otherPanels(f, s)...)
	}
	both := s.per("role, " + byPeer)
	const link = "{{role}} {{peer}} {{peer_namespace}} {{peer_service}} {{peer_workload}}"
	p.row("TCP",
		limited(third("Retransmits by peer", "Share of segments sent again, by the other end. One line above the others: that link loses packets. All: this side's own.",
			units.PercentUnit, query{both.retransmitRatio(), link}), badRetransmits),
		stacked(third("Retransmits by kind", "Segments sent again per second. `timeout`: a timer of 200 ms or more ran out, and a request waited for it; `fast` and `probe` cost about a round trip; `syn` and `synack`: connecting takes a second longer.",
			units.CountsPerSecond, query{s.per("kind").rate("tcp_retransmits_total"), "{{kind}}"})),
		third("Round-trip time by peer (p50)", "As TCP estimates it. Of a peer in the same zone below 1 ms; what is above that a request pays for each time it goes back and forth.",
			units.Seconds, query{both.classicQuantile("0.5", "tcp_rtt_seconds"), link}),
		third("Bytes sent by peer", "TCP payload per second, without what was sent again.", units.BytesPerSecondSI, query{both.rate("tcp_bytes_sent_total"), link}),
		third("Bytes received by peer", "TCP payload per second.", units.BytesPerSecondSI, query{both.rate("tcp_bytes_received_total"), link}),
		third("Connections opened and closed", "Per second. Many, compared with requests: connections are not kept, and each pays for a handshake.",
			units.CountsPerSecond, query{s.per("role").rate("tcp_connections_opened_total"), "{{role}} opened"}, query{s.per("role").rate("tcp_connections_closed_total"), "{{role}} closed"}),
		third("Failed connects by reason", "Attempts to connect that failed, per second. `refused`: nobody listens. `timed_out`, `unreachable`: the network. `abandoned`: the application's own timeout.",
			units.CountsPerSecond, query{s.per("reason, " + byPeer).rate("tcp_connect_failures_total"), "{{reason}} " + to}),
		third("Resets", "TCP segments with RST per second. Received: the other end refused or dropped the connection.", units.CountsPerSecond, query{s.per("role, direction").rate("tcp_resets_total"), "{{role}} {{direction}}"}),
		stacked(third("Bytes by class", "What its connections carry. In the panels of requests above: "+readClasses()+".", units.BytesPerSecondSI, query{s.per("class").rate("fathom_bytes_total"), "{{class}}"})),
	)
	return p
}

func agents() *page {
	p := newPage(agentsUID, "Fathom / Nodes and agents", "Nodes as Fathom sees them, and Fathom itself: what it covers, what it loses and why, its limits, and what it costs.")
	p.choose("instance", "Agent", "Fathom's agents, by their address.", "fathom_build_info", true)

	s := scope{`instance=~"$instance"`, byAgent, interval}
	const name = "{{node}} {{instance}}"
	small := func(title, description, unit, expr string, limit float64) panel {
		return panel{title: title, description: description, unit: unit, queries: []query{{expr, title}}, width: 4, height: 4, draw: number, limit: limit}
	}
	third := func(title, description, unit string, queries ...query) panel {
		return panel{title: title, description: description, unit: unit, queries: queries, width: 8, height: 8, draw: lines}
	}
	stacked := func(p panel) panel { p.stacked = true; return p }
	// Fathom's processes export the usual metrics of a process under the usual names.
	own := func(expr string) string {
		return fmt.Sprintf("sum by (instance, node) (%s and on (instance, job) fathom_build_info)", expr)
	}
	all := s.per("")
	cpu := own(fmt.Sprintf("rate(%s[%s])", s.of("process_cpu_seconds_total"), interval))
	p.row("At a glance",
		small("Agents", "Agents that answered Prometheus' last scrape.", units.Short, aggregate("count", "", s.of("fathom_build_info")), 0),
		small("Not exact", "Events per second that are missing from the metrics, on all nodes. 0: the numbers are exact.", units.CountsPerSecond, all.rate("fathom_lost_total"), 0.1),
		small("Not read", "Share of the TCP payload that is TLS or another form that may be HTTP and that Fathom did not read.", units.PercentUnit, all.unreadRatio(), 0),
		small("Fullest table", "Entries in use, of the fullest table in the kernel. At 100 % new entries go to series named `overflow`.", units.PercentUnit,
			fmt.Sprintf("max(%s / %s)", s.of("fathom_series"), s.of("fathom_series_limit")), 0.8),
		small("CPU per node", "CPU time of the agent and of its programs in the kernel, on average of the nodes. 1 is a whole CPU.", units.PercentUnit,
			fmt.Sprintf("avg(%s + %s)", cpu, s.rate("fathom_bpf_run_seconds_total")), 0),
		small("Memory per node", "Resident memory of the agent and its tables in the kernel, on average of the nodes.", units.BytesIEC,
			fmt.Sprintf("avg(%s + %s)", own(s.of("process_resident_memory_bytes")), s.sum(s.of("fathom_map_memory_bytes"))), 0),
	)
	workloads := s.with(fathoms)
	p.row("Nodes",
		third("Requests by node", "HTTP requests served on the node, per second.", units.RequestsPerSecond, query{workloads.count(served), name}),
		third("99th percentile by node", "99 % of the requests served on the node were answered within this time. One line above the others: the node, not a service.", units.Seconds, query{workloads.quantile("0.99", served), name}),
		third("Retransmits by node", "Share of the TCP segments that the node's workloads sent again. One line above the others: its network card, cable or switch.", units.PercentUnit, query{workloads.retransmitRatio(), name}),
	)
	p.row("Coverage: what Fathom understands",
		stacked(third("Bytes by class", "TCP payload by what Fathom recognised. In the metrics of requests: "+readClasses()+".", units.BytesPerSecondSI, query{s.per("class").rate("fathom_bytes_total"), "{{class}}"})),
		stacked(third("Connections by class and reason", "New connections per second by class, with the reason where there is one. docs/metrics.md lists them.", units.CountsPerSecond, query{s.per("class, reason").rate("fathom_connections_total"), "{{class}} {{reason}}"})),
		panel{title: "Opaque workloads", description: "Workloads with payload in forms that may be HTTP and that Fathom did not read, by class: `tls` (see --tls), `mptcp`, `unreadable`.",
			queries: []query{{expr: linked(s.with(fathoms, unread).per(byWorkload+", class").rate("fathom_bytes_total")) + " > 0"}},
			columns: []column{{"Bytes", units.BytesPerSecondSI, 0}}, width: 8, height: 8, draw: grid},
	)
	p.row("Losses: what is missing",
		third("Lost, by reason", "Events per second that are missing from other metrics. A few when an agent starts are normal; what stays has a reason, and docs/how-it-works.md says what to do about it.", units.CountsPerSecond,
			query{s.per("reason").rate("fathom_lost_total"), "{{reason}}"}),
		third("Lost, by node", "The same by node. One node above the others: look at its kernel with `fathom doctor`.", units.CountsPerSecond, query{s.rate("fathom_lost_total"), name}),
		third("Lost bytes, by reason", "TCP payload per second that Fathom did not see or could not attribute.", units.BytesPerSecondSI, query{s.per("reason, direction").rate("fathom_lost_bytes_total"), "{{reason}} {{direction}}"}),
	)
	p.row("Limits",
		panel{title: "Tables in the kernel: entries in use", description: "Share of each table that is in use, on the node where it is fullest. See the --max-... settings.", unit: units.PercentUnit,
			queries: []query{{fmt.Sprintf("max by (map) (%s / %s)", s.of("fathom_series"), s.of("fathom_series_limit")), "{{map}}"}}, width: 8, height: 8, draw: lines, limit: 0.8},
		third("Overflows", "Times per second that something found no room in a table: it went to series named `overflow`, or is counted as lost.", units.CountsPerSecond, query{s.per("map").rate("fathom_overflow_total"), "{{map}}"}),
		panel{title: "Taps", description: "How the agents are attached to the kernel, and how many in each way. What mode `none` would see is missing.",
			queries: []query{{expr: aggregate("count", "tap, mode", s.of("fathom_tap_info"))}}, columns: []column{{"Agents", units.Short, 0}}, width: 8, height: 8, draw: grid},
	)
	p.row("Cost",
		third("CPU of the agent, by node", "CPU time per second in user space, mostly for scrapes. 1 is a whole CPU.", units.PercentUnit, query{cpu, name}),
		third("CPU in the kernel, by node", "CPU time per second that Fathom's programs take in the kernel; an estimate from a sample. It grows with the traffic.", units.PercentUnit, query{s.rate("fathom_bpf_run_seconds_total"), name}),
		third("Time per run of a program", "Mean time of a run in the kernel, by program. Steady at some hundred nanoseconds.", units.Seconds,
			query{fmt.Sprintf("%s / (%s > 0)", s.per("program").rate("fathom_bpf_run_seconds_total"), s.per("program").rate("fathom_bpf_runs_total")), "{{program}}"}),
		third("Memory of the agent, by node", "Resident memory of the process.", units.BytesIEC, query{own(s.of("process_resident_memory_bytes")), name}),
		third("Memory in the kernel, by node", "Memory of the tables. It is taken at the start and does not grow.", units.BytesIEC, query{s.sum(s.of("fathom_map_memory_bytes")), name}),
		panel{title: "Versions", description: "What the agents were built from. More than one line: an update is under way, or stuck.",
			queries: []query{{expr: aggregate("count", "version, revision", s.of("fathom_build_info"))}}, columns: []column{{"Agents", units.Short, 0}}, width: 8, height: 8, draw: grid},
	)
	return p
}
