package history

// The JSON of the end points. All are GET, below /api/v1, on the address of /metrics:
//
//	/api/v1/workloads?window=1m          [Workloads]
//	/api/v1/workload?id=ID&window=15m    [WorkloadDetails]
//	/api/v1/coverage?window=15m          [CoverageReport]
//	/api/v1/agent?window=15m             [AgentReport]
//
// window is a duration as Go and Prometheus write it (90s, 5m), from 5s to 15m; by default 1m for
// workloads, and 15m for the others. Answers carry an ETag that changes with each sample: who asks again with
// If-None-Match gets 304 until there is something new. Mistakes in a query are answered with status 400, an unknown id
// with 404, both with a line of text that says what is wrong; 503 means that there is no sample yet.
//
// Rules for all of them:
//
//   - A number that does not exist is null, never 0: a quantile without requests, a ratio of nothing.
//   - Times are Unix seconds, durations and latencies are seconds, rates are per second, ratios are from 0 to 1.
//   - Lists are never null. Numbers without "total" in their name are of the window.
//   - What is plotted over time has one value per element of "times", the end of each step, oldest first. Steps are
//     aligned to the samples, so that a step shows the same numbers until it leaves; only the first and the last may be
//     incomplete.
//   - Labels have the names and values that they have in the metrics.
//   - Names stay; new ones may be added.

// Head begins every answer.
type Head struct {
	// Time is when the last sample was taken.
	Time float64 `json:"time"`
	// WindowSeconds is what the numbers cover: what was asked for, to a sample; less while the history is younger.
	WindowSeconds float64 `json:"window_seconds"`
	// IntervalSeconds is the time between samples: 5.
	IntervalSeconds float64 `json:"interval_seconds"`
	// Node is the node's name in Kubernetes, elsewhere the host's.
	Node string `json:"node"`
	// History tells how full the history is.
	History Room `json:"history"`
}

// Room is what the history holds, and what it has room for.
type Room struct {
	// Seconds is how far the history reaches back: LimitSeconds, and up to three samples more. Less on an agent that was just started, and
	// where many workloads fill the memory: then the oldest samples leave early.
	Seconds float64 `json:"seconds"`
	// LimitSeconds is how far it reaches back for certain, once it has been kept for so long: 900.
	LimitSeconds float64 `json:"limit_seconds"`
	// Shortened tells that samples left early, as the memory was full.
	Shortened bool `json:"shortened"`
	// Bytes is the memory of the samples; at most LimitBytes.
	Bytes      int `json:"bytes"`
	LimitBytes int `json:"limit_bytes"`
	// Workloads are those shown; at most LimitWorkloads.
	Workloads      int `json:"workloads"`
	LimitWorkloads int `json:"limit_workloads"`
	// NotShown are the workloads that the last sample had no room for. They are complete in /metrics.
	NotShown int `json:"not_shown"`
	// NotShownTotal counts them over all samples since the agent was started.
	NotShownTotal uint64 `json:"not_shown_total"`
	// SeriesNotShownTotal counts what was left out of shown workloads: peers, statuses and the like beyond the limit of the history.
	SeriesNotShownTotal uint64 `json:"series_not_shown_total"`
}

// Identity names a workload as the metrics' labels do.
type Identity struct {
	// ID stands for the labels in /api/v1/workload. It is the same on all agents, and after their restart. Hexadecimal digits.
	ID           string `json:"id"`
	Namespace    string `json:"namespace"`
	Workload     string `json:"workload"`
	WorkloadKind string `json:"workload_kind"`
	Pod          string `json:"pod"`
	Container    string `json:"container"`
	// Labels are label_* and annotation_* that the user chose. Left out where there are none.
	Labels map[string]string `json:"labels,omitempty"`
}

// Workloads is the answer of /api/v1/workloads.
type Workloads struct {
	Head
	// StepSeconds and Times are those of [Workload.Series]: 31 steps at most.
	StepSeconds float64   `json:"step_seconds"`
	Times       []float64 `json:"times"`
	// Workloads are all that the metrics show or that counted something in the window, those with most requests first.
	Workloads []Workload `json:"workloads"`
}

// Workload is a row of the overview.
type Workload struct {
	Identity
	// Gone: the metrics do not show it any more. Its numbers leave with the window.
	Gone bool `json:"gone"`

	// What it serves.
	Served Requests `json:"served"`
	// QueueRatio is the share of the time of its requests between their arrival and the read that fetched them.
	QueueRatio Number `json:"queue_ratio"`

	// Client is what it asks of others.
	Client Requests `json:"client"`

	// TLSRatio is the share of its requests, served and made, that were encrypted and read at the TLS library.
	TLSRatio Number `json:"tls_ratio"`
	// OpaqueRatio is the share of its TCP bytes on connections that Fathom cannot read: all classes but idle and those of protocols that it knows. See [CoverageReport].
	OpaqueRatio Number `json:"opaque_ratio"`

	TCP TCP `json:"tcp"`
	// WorstLink is the link on which the largest share of segments was sent again; null if that were fewer than 5 on each. In the
	// sums of TCP one bad link of many may drown.
	WorstLink *Link `json:"worst_link"`

	// Protocols are what it serves and asks in other protocols than HTTP, most first.
	Protocols []Spoken `json:"protocols"`

	// Series are for a sparkline.
	Series Sparkline `json:"series"`
}

// Amount are requests of one role and protocol.
type Amount struct {
	// Count is how many ended in the window.
	Count uint64 `json:"count"`
	// PerSecond is their rate. It is 0 without any.
	PerSecond Number `json:"per_second"`
	// ErrorRatio is the share that failed: of HTTP with a status of 5xx, or without one, such as "aborted". docs/metrics.md says which do in other
	// protocols, and what client libraries do by themselves there, which is left out.
	ErrorRatio Number `json:"error_ratio"`
	// Latency of all of them, but for operations that last until something happens.
	Latency Latency `json:"latency"`
}

// Requests are the HTTP requests of one role.
type Requests struct {
	Amount
	// Active are those without a final status yet at the last sample, OldestSeconds the age of the oldest (null if there is none).
	Active        uint64 `json:"active"`
	OldestSeconds Number `json:"oldest_seconds"`
}

// Spoken are the requests of one role in a protocol other than HTTP.
type Spoken struct {
	// Protocol is the class of such connections, Title its name for people.
	Protocol string `json:"protocol"`
	Title    string `json:"title"`
	Role     string `json:"role"` // server or client
	Amount
	// QueueRatio is as that of HTTP, for the role server.
	QueueRatio Number `json:"queue_ratio"`
}

// Latency is a distribution, in seconds. Quantiles are those of Prometheus 3's histogram_quantile over the native histogram.
type Latency struct {
	Mean Number `json:"mean"`
	P50  Number `json:"p50"`
	P90  Number `json:"p90"`
	P99  Number `json:"p99"`
}

// TCP sums up the connections of a workload, or of one with a peer.
type TCP struct {
	BytesSentPerSecond     Number `json:"bytes_sent_per_second"`
	BytesReceivedPerSecond Number `json:"bytes_received_per_second"`
	SegmentsSent           uint64 `json:"segments_sent"`
	// Retransmits by kind: timeout, fast, probe, syn, synack. All kinds are there.
	Retransmits map[string]uint64 `json:"retransmits"`
	// RetransmitRatio is the share of the segments sent that were sent again: the kinds timeout, fast and probe, by SegmentsSent.
	RetransmitRatio Number `json:"retransmit_ratio"`
	// ConnectFailures by reason: refused, timed_out, unreachable, reset, abandoned, other. Those that are not 0.
	ConnectFailures map[string]uint64 `json:"connect_failures"`
	ResetsSent      uint64            `json:"resets_sent"`
	ResetsReceived  uint64            `json:"resets_received"`
	Opened          uint64            `json:"opened"`
	Closed          uint64            `json:"closed"`
	// RTT is the smoothed round-trip time. Quantiles are those of histogram_quantile over classic buckets, whose bounds double.
	RTT Latency `json:"rtt"`
}

// Link sums up the connections of a workload with a peer, in few numbers.
type Link struct {
	Role string `json:"role"` // server, client or unknown
	End
	SegmentsSent uint64 `json:"segments_sent"`
	// Resent are the segments that were sent again: the retransmits of the kinds timeout, fast and probe.
	Resent          uint64 `json:"resent"`
	RetransmitRatio Number `json:"retransmit_ratio"`
}

// Sparkline holds the few numbers per step that an overview plots.
type Sparkline struct {
	// Served requests.
	PerSecond  []Number `json:"per_second"`
	P99        []Number `json:"p99"`
	ErrorRatio []Number `json:"error_ratio"`
	// ClientPerSecond are the requests that it made.
	ClientPerSecond []Number `json:"client_per_second"`
}

// WorkloadDetails is the answer of /api/v1/workload.
type WorkloadDetails struct {
	Head
	// StepSeconds and Times are those of all that is over time: 61 steps at most.
	StepSeconds float64   `json:"step_seconds"`
	Times       []float64 `json:"times"`
	// Workload has the numbers of the whole window; its Series are empty.
	Workload Workload `json:"workload"`

	// Heatmap is the latency of the requests that it served, Client.Heatmap of those that it made.
	Heatmap Heatmap `json:"heatmap"`
	// Served requests over time.
	Series DetailSeries `json:"series"`
	// Statuses are the served requests by method, status and TLS, most first.
	Statuses []Status `json:"statuses"`
	// Peers are its TCP connections by role and peer, those with most bytes first.
	Peers []Peer `json:"peers"`
	// Listeners are its listening sockets.
	Listeners []Listener `json:"listeners"`
	// Client are the requests that it made.
	Client Client `json:"client"`
	// Protocols are what it serves and asks in other protocols than HTTP, most first.
	Protocols []SpokenDetails `json:"protocols"`
	// Classes are its connections and bytes by what Fathom recognised on them.
	Classes []Class `json:"classes"`
}

// DetailSeries are plotted over time. Latencies are null in steps without requests.
type DetailSeries struct {
	PerSecond  []Number `json:"per_second"`
	ErrorRatio []Number `json:"error_ratio"`
	P50        []Number `json:"p50"`
	P90        []Number `json:"p90"`
	P99        []Number `json:"p99"`
	// Queue is the mean time between a request's arrival and the read that fetched it, Service the rest of
	// its mean latency: together, the mean latency.
	Queue   []Number `json:"queue"`
	Service []Number `json:"service"`
	// Active are requests without a final status, the most at any sample of the step.
	Active          []Number `json:"active"`
	RetransmitRatio []Number `json:"retransmit_ratio"`
}

// Heatmap counts requests by time and latency.
type Heatmap struct {
	// Bounds are the latencies between rows, ascending: row i is what took more than Bounds[i] and at most Bounds[i+1]. There is one
	// more than rows; 4 rows per power of two. Empty without requests. The lowest possible is 0, the highest 2^8.25 s (304 s), which
	// stands for all that is longer.
	Bounds []float64 `json:"bounds"`
	// Counts are by step (as Times), then by row.
	Counts [][]uint64 `json:"counts"`
}

// Status is a kind of request.
type Status struct {
	// Method is of other protocols than HTTP the operation; empty where they have none.
	Method string `json:"method"`
	Status string `json:"status"`
	// Failed: they count as errors.
	Failed bool   `json:"failed"`
	TLS    bool   `json:"tls"`
	Count  uint64 `json:"count"`
	// Mean latency in seconds.
	Mean Number `json:"mean"`
	// PerSecond over time.
	PerSecond []Number `json:"per_second"`
}

// End is the other end of connections. Outside of Kubernetes it has Peer, in Kubernetes the other labels, which may be empty.
type End struct {
	Peer          string `json:"peer"`
	PeerNamespace string `json:"peer_namespace"`
	PeerWorkload  string `json:"peer_workload"`
	PeerService   string `json:"peer_service"`
}

// Peer is the TCP of a workload with a peer.
type Peer struct {
	Role string `json:"role"` // server, client or unknown
	End
	TCP
	// RetransmitRatios are RetransmitRatio over time.
	RetransmitRatios []Number `json:"retransmit_ratios"`
}

// Listener is a listening socket, or several at one address.
type Listener struct {
	Address string `json:"address"`
	// Queue are connections that wait for accept at the last sample, QueueLimit how many may.
	Queue      uint64 `json:"queue"`
	QueueLimit uint64 `json:"queue_limit"`
	// Drops are connection attempts that it dropped in the window.
	Drops uint64 `json:"drops"`
}

// Client are the requests that a workload made.
type Client struct {
	PerSecond []Number `json:"per_second"`
	P50       []Number `json:"p50"`
	P90       []Number `json:"p90"`
	P99       []Number `json:"p99"`
	Heatmap   Heatmap  `json:"heatmap"`
	// Peers are whom it asked, most requests first.
	Peers []ClientPeer `json:"peers"`
}

// SpokenDetails are the requests of one role in a protocol other than HTTP, over time and in parts.
type SpokenDetails struct {
	Spoken
	// Details has Peers for the role client.
	Details Client `json:"details"`
	// Statuses are by operation, status and TLS, most first; PerSecond of them is empty but for the role server.
	Statuses []Status `json:"statuses"`
}

// ClientPeer are the requests to a peer.
type ClientPeer struct {
	End
	Amount
	// Statuses are by method, status and TLS, most first; PerSecond of them is empty.
	Statuses []Status `json:"statuses"`
}

// Class are connections of one class.
type Class struct {
	// Class is as in docs/metrics.md: http1, tls, other and so on. Title is the same for people.
	Class string `json:"class"`
	Title string `json:"title"`
	// Readable: metrics of requests are made of it. TLS that is read at its library is of the class of what is inside.
	Readable bool `json:"readable"`
	// Advice is what can be done about connections that are not readable, in English, with Markdown's backquotes. May be empty.
	Advice             string `json:"advice"`
	BytesReceived      uint64 `json:"bytes_received"`
	BytesSent          uint64 `json:"bytes_sent"`
	BytesReceivedTotal uint64 `json:"bytes_received_total"`
	BytesSentTotal     uint64 `json:"bytes_sent_total"`
	// Reasons are by reason. Those without any connection since the start are left out.
	Reasons []ClassReason `json:"reasons"`
}

// ClassReason tells why connections are in a class, or what is special about them.
type ClassReason struct {
	Reason string `json:"reason"` // may be empty: nothing special
	// Why is an English sentence or two, as in docs/metrics.md; Markdown's backquotes may be in it. May be empty.
	Why string `json:"why"`
	// Connections of the window, and since the metrics show the workload.
	Connections      uint64 `json:"connections"`
	ConnectionsTotal uint64 `json:"connections_total"`
}

// CoverageReport is the answer of /api/v1/coverage. What is opaque, and why; what is lost; which limits are full.
type CoverageReport struct {
	Head
	// OpaqueRatio is the share of all TCP bytes on connections that Fathom cannot read.
	OpaqueRatio Number `json:"opaque_ratio"`
	// Classes are those of all workloads together, most bytes first.
	Classes []Class `json:"classes"`
	// Workloads are the classes of each, the most opaque bytes first.
	Workloads []WorkloadCoverage `json:"workloads"`
	// Lost are events that are missing from the numbers, of every reason that there can be. All 0: the numbers are exact.
	Lost []Lost `json:"lost"`
	// LostBytes are bytes that TCP carried and Fathom did not see, could not read, or could not attribute. Of every direction and reason.
	LostBytes []LostBytes `json:"lost_bytes"`
	// Tables are the bounded tables in the kernel.
	Tables []Table `json:"tables"`
}

// WorkloadCoverage are the connections of a workload by class.
type WorkloadCoverage struct {
	Identity
	OpaqueRatio Number  `json:"opaque_ratio"`
	Classes     []Class `json:"classes"`
}

// Lost are events that are missing.
type Lost struct {
	Reason string `json:"reason"`
	Why    string `json:"why"`
	Count  uint64 `json:"count"`
	// Total is since the agent was started.
	Total uint64 `json:"total"`
}

// LostBytes are bytes that are missing.
type LostBytes struct {
	Direction string `json:"direction"` // received or sent
	Reason    string `json:"reason"`
	Why       string `json:"why"`
	Bytes     uint64 `json:"bytes"`
	Total     uint64 `json:"total"`
}

// Table is a bounded table in the kernel.
type Table struct {
	Name string `json:"name"`
	// Used entries at the last sample, of Limit.
	Used  int `json:"used"`
	Limit int `json:"limit"`
	// Overflowed is how often something found no room in the window.
	Overflowed      uint64 `json:"overflowed"`
	OverflowedTotal uint64 `json:"overflowed_total"`
	MemoryBytes     uint64 `json:"memory_bytes"`
	// Full: there is no room, or there was none at some time of the window.
	Full bool `json:"full"`
}

// AgentReport is the answer of /api/v1/agent: what the agent is, and what it takes.
type AgentReport struct {
	Head
	Version      string `json:"version"`
	Revision     string `json:"revision"`
	GoVersion    string `json:"go_version"`
	Architecture string `json:"architecture"` // as uname -m
	Kernel       string `json:"kernel"`       // release, as uname -r
	CPUs         int    `json:"cpus"`
	// AttachMode is tracepoint, trampoline or kprobe if most taps are attached so; see Taps.
	AttachMode string `json:"attach_mode"`
	Taps       []Tap  `json:"taps"`
	// TLS tells whether the agent was asked to read TLS.
	TLS           bool    `json:"tls"`
	Started       float64 `json:"started"`
	UptimeSeconds float64 `json:"uptime_seconds"`

	// CPURatio is the CPU time of the agent's process in the window, as a share of one core.
	CPURatio Number `json:"cpu_ratio"`
	// ResidentBytes is its resident memory at the last sample.
	ResidentBytes Number `json:"resident_bytes"`
	// BPFRatio is the CPU time of its programs in the kernel, as a share of one core. Estimated from a sample of one run in 1,000.
	BPFRatio Number `json:"bpf_ratio"`
	// Programs are its parts.
	Programs []Program `json:"programs"`
	// Series are those of requests in the kernel at the last sample, and how many there may be.
	Series      int `json:"series"`
	SeriesLimit int `json:"series_limit"`
	// TableBytes is the memory of the tables in the kernel. It is not part of ResidentBytes.
	TableBytes uint64 `json:"table_bytes"`

	// Over time: 61 steps at most.
	StepSeconds float64   `json:"step_seconds"`
	Times       []float64 `json:"times"`
	CPURatios   []Number  `json:"cpu_ratios"`
	BPFRatios   []Number  `json:"bpf_ratios"`
	// ResidentBytesAt is the resident memory at the end of each step.
	ResidentBytesAt []Number `json:"resident_bytes_at"`
}

// Tap is a place in the kernel that Fathom hooks.
type Tap struct {
	Name string `json:"name"`
	Mode string `json:"mode"` // tracepoint, trampoline, kprobe or none
	// Error says why it is not attached; empty if it is.
	Error string `json:"error"`
}

// Program is the cost of a program in the kernel.
type Program struct {
	Name          string `json:"name"`
	RunsPerSecond Number `json:"runs_per_second"`
	Ratio         Number `json:"ratio"`
}
