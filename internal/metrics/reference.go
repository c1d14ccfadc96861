package metrics

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/fathomhq/fathom/internal/protocol"
)

//go:generate go run ./gen -o ../../docs/metrics.md

// workloadLabel stands for the five labels of a workload in the reference.
const workloadLabel = "*workload*"

// labelDoc says what a label's values are. Those of a family's own labels are in familyLabelDoc.
var labelDoc = map[string]string{
	"address":       "Local address and port of a listening socket.",
	"class":         "What the first bytes of a connection are: " + classList() + "; `idle` without any; `unreadable` where they could not be read.",
	"container":     "Short id (12 digits) of the container, name of the LXC container or of the machine (`systemd-nspawn`), or name of the container in its pod. Empty outside of containers.",
	"direction":     "`received` or `sent`, as the workload sees it.",
	"goversion":     "Version of Go.",
	"kind":          "`timeout` (retransmission timer), `fast` (duplicate ACKs, SACK, RACK), `probe` (tail loss probe), `syn` (clients only), `synack` (servers only).",
	"map":           "Name of a table in the kernel. `http_series` has the series of requests of all protocols.",
	"mode":          "`tracepoint`, `trampoline`, `kprobe`, or `none`.",
	"namespace":     "Kubernetes namespace. Empty outside of Kubernetes.",
	"peer":          "The other end: `address:port` for the role client, `address` for the role server; `overflow` for peers beyond the limit; `unknown` where it was not seen.",
	"pod":           "Kubernetes pod. Empty outside of Kubernetes.",
	"program":       "Name of a program in the kernel.",
	"reason":        "Why; see [Reasons](#reasons). For failed connects: `refused`, `timed_out`, `unreachable`, `reset`, `abandoned` (closed by the application while connecting: its own timeout), `other`.",
	"revision":      "Commit that the agent was built from.",
	"role":          "`server` or `client`: which end of the connection the workload is.",
	"tls":           "`true` for exchanges that were encrypted, and read at the TLS library. Empty for others.",
	"tap":           "Name of a place in the kernel that Fathom hooks.",
	"version":       "Version of the agent.",
	"workload":      "Name of the systemd unit with its suffix (`nginx.service`; of units for single connections that of their template, `sshd@.service`), short container id, or name of the process. `overflow` for workloads beyond the limit, `unknown` where no process was seen.",
	"workload_kind": "`unit` (of the system), `user_unit` (of a user's own systemd, who chose its name), `container`, `process` or `overflow`.",
}

// familyLabelDoc says what the labels hold that only one family has.
func familyLabelDoc() map[string]string {
	const rest = "`OTHER` for unusual ones; `overflow` for what exceeded the limit of series."
	doc := make(map[string]string)
	statuses := make(map[string][]*protocol.Protocol)
	for _, f := range protocol.Families() {
		statuses[f.StatusLabel] = append(statuses[f.StatusLabel], f.Protocols()...)
		switch {
		case f == protocol.HTTP:
			doc[f.OperationLabel] = "Request method in upper case; `UNKNOWN` where HTTP/2 refers to a header that passed before the agent came, or unseen; " + rest
		case f.OperationLabel != "":
			doc[f.OperationLabel] = "What was asked for, in upper case; " + rest
		}
		if f.SystemLabel != "" {
			var names []string
			for _, p := range f.Protocols() {
				names = append(names, fmt.Sprintf("`%s` (%s)", p.System, p.Title))
			}
			doc[f.SystemLabel] = "What was asked: " + strings.Join(names, ", ") + "."
		}
	}
	for label, protocols := range statuses {
		doc[label] = statusDoc(protocols)
	}
	return doc
}

// allLabelDoc is labelDoc and familyLabelDoc.
func allLabelDoc() map[string]string {
	doc := familyLabelDoc()
	maps.Copy(doc, labelDoc)
	return doc
}

// classList names the classes that the first bytes tell apart.
func classList() string {
	var names []string
	for _, c := range protocol.Classes() {
		if c.Name != protocol.Idle && c.Name != "unreadable" {
			names = append(names, "`"+c.Name+"`")
		}
	}
	return strings.Join(names, ", ")
}

// statusDoc says what the label has for the status of some protocols.
func statusDoc(protocols []*protocol.Protocol) string {
	var are []string
	codes, carried := false, false
	for _, p := range protocols {
		carried = carried || p.Class() == protocol.HTTP2.Name
		if p.Statuses.AreCodes() {
			codes = true
			continue
		}
		are = append(are, fmt.Sprintf("of %s %s", p.Title, p.StatusesAre))
	}
	aborted, other := "`aborted` where the connection ended before one was seen", "`other` for what has no name"
	if codes {
		are = slices.Insert(are, 0, "Three-digit status code")
		other += ", of HTTP what is not between 100 and 599"
	}
	are[0] = strings.ToUpper(are[0][:1]) + are[0][1:]
	if carried {
		aborted += "; of HTTP/2 `reset_by_client` and `reset_by_server` where a stream was, before one was seen, and `refused` where the server says that it has done nothing for the request"
		are = append(are, "`unknown`, in lower case, where HTTP/2 refers to a header that [passed before the agent came, or unseen](how-it-works.md#http2-and-grpc)")
	}
	return strings.Join(append(are, aborted, other), "; ") + "; `overflow` for what exceeded the limit of series."
}

// writeProtocols describes the list of protocols.
func writeProtocols(b *strings.Builder) {
	b.WriteString("\n## Protocols\n\nWhat is recognised on a connection, without ports, and counted.\n\n" +
		"| protocol | `class` | known by | a response finds its request | an exchange ends |\n|---|---|---|---|---|\n")
	for _, p := range protocol.All() {
		fmt.Fprintf(b, "| %s | `%s` | %s | %s | %s |\n", p.Title, p.Class(), p.Recognised, p.Matched, p.Ended)
	}
	for _, p := range protocol.All() {
		if p.Family == protocol.HTTP {
			continue
		}
		fmt.Fprintf(b, "\n### %s\n\n", p.Title)
		for _, list := range []struct {
			what  string
			names []string
		}{
			{"Operations", p.Operations.All()},
			{"Operations that last until something happens, whose time says how patient the caller is", p.Waits},
			{"Operations that client libraries do by themselves; in shares of errors, the page, `fathom top` and the dashboards leave them out", p.Housekeeping},
			{"Statuses", p.Statuses.All()},
			{"Statuses that are no failures", p.Success},
		} {
			if len(list.names) > 0 {
				fmt.Fprintf(b, "- %s: `%s`.\n", list.what, strings.Join(list.names, "`, `"))
			}
		}
	}
}

// intro precedes the tables.
const intro = `# Metrics

<!-- Generated from internal/metrics by "go generate ./internal/metrics". Do not edit. -->

Every metric that Fathom exports, with what it measures. Beside these, the agent exports the usual ` + "`go_*` and `process_*`" + `
metrics about itself, and ` + "`fathom_history_*`" + ` about [what it keeps](api.md#how-much-it-keeps) for the page and ` + "`fathom top`" + `; with ` + "`--tls` `fathom_tls_*`" + ` about
[what it probes](running.md#https); in Kubernetes ` + "`fathom_kubernetes_*` and `fathom_peers_*`" + ` about [its sources](kubernetes.md#when-something-is-wrong).

- **Histograms** carry classic buckets (bounds set by ` + "`--buckets`" + `; databases have
  [bounds of their own](how-it-works.md#other-protocols-than-http)) and, where Prometheus scrapes protobuf, native
  buckets of schema 3 as well (8 per power of two) from 2<sup>-17</sup> s (7.6 µs) to 2<sup>8</sup> s (256 s). What is
  shorter is in the zero bucket; what is longer is in the bucket next to 256 s, so a native quantile reads 279 s at
  most. Both forms are sums over the same counters: they never disagree. ` + "`tcp_rtt_seconds`" + ` is classic only.
- **Counters** do not fall while their series lives. A restarted unit goes on where it was. Series of workloads that are
  gone leave after five minutes; if the workload comes back later, its counters start from zero.
- **Peers** that have been silent for five minutes leave the kernel's table where it fills up. What was counted for them stays.
- **Nothing is hidden.** What exceeds a limit is counted in series with the value ` + "`overflow`" + `, and in
  ` + "`fathom_overflow_total`" + `. What could not be measured is counted in ` + "`fathom_lost_total`, `fathom_lost_bytes_total`" + ` and, by class of
  connection, in ` + "`fathom_connections_total`" + `.
`

// inKubernetes says how labels differ there.
const inKubernetes = `
### In Kubernetes

Workloads have one more label, ` + "`node`" + `, and ` + "`label_*` and `annotation_*`" + ` for what ` + "`--pod-labels` and `--pod-annotations`" + `
choose. The workload of a pod is what made it, with Kubernetes' name for its kind: ` + "`workload=\"web\"`, `workload_kind=\"Deployment\"`" + `.
Only pods are read, not what made them: [how the one tells the other](kubernetes.md#what-made-a-pod).
Numbers of a pod that the API server has not told of yet are held back, for 30 s at most, and then shown under the id of their
container until it has; then all of them go to the pod's own labels.

Instead of ` + "`peer`" + ` there are three labels:

| the other end is | ` + "`peer_namespace` | `peer_workload` | `peer_service`" + ` |
|---|---|---|---|
| a pod's address | its namespace | what made it | the service that selects it, at a client by the port; the first in the alphabet of several |
| a service's address | its namespace | what made its pods, if that is one | its name |
| a node's address | of a pod in the host's network that declares the port, else of a service with it as node port, else empty | likewise, else ` + "`node`" + ` | likewise |
| another address of the agent's own node, as that of its end of the pod network, from which the kubelet probes | | ` + "`node`" + ` (without a directory: if it is the client) | |
| a loopback address | | ` + "`localhost`" + ` | |
| an address in one of ` + "`--networks`" + ` | | the network's name | |
| any other | | ` + "`external`" + ` | |
| not known, as no directory answers | | ` + "`unknown`" + ` | |
| beyond the limit of peers | | ` + "`overflow`" + ` | |

When an address becomes another pod's, what was counted until then stays with the one before.
`

// reasons say what the values of the label are, by metric.
var reasons = []struct{ metric, reason, meaning string }{
	{"fathom_lost_total", "connections_full", "A connection found the table of connections full. Nothing on it is measured."},
	{"fathom_lost_total", "no_arrival", "The time at which an exchange's request arrived is not known: it was not seen, or there was no room for it, as more than the server had read for too long."},
	{"fathom_lost_total", "gap", "Bytes passed without a tap seeing them, so that the status of an exchange, or its end, is not known. Where several were open, all that follow are lost, too: until the connection has rested for `--settle-after`, or to its end if its client pipelines. Of HTTP/2: the streams that were open."},
	{"fathom_lost_total", "invalid", "Something passed that breaks the rules of HTTP/2 (RFC 9113, RFC 7541), behind which nobody can follow that direction of the connection. Of a server: the streams that were open."},
	{"fathom_lost_total", "pipelined", "More exchanges were open on a connection than it has room for (64; 8 where 1,024 other connections have that many): those beyond. With more than 64 all of them, and what follows on that connection is lost as `gap`. Of HTTP/2: streams beyond 64 that find no room in the table of streams."},
	{"fathom_lost_total", "no_request", "A response came that answers nothing: no request was open, or none that was seen. Such are a `408` on an idle connection and a second answer."},
	{"fathom_lost_total", "missed_end", "The end of a connection was missed; a sweep, or the next socket in its memory, showed it."},
	{"fathom_lost_total", "tls_socket", "A TLS library moved what looks like a request, and on which connection is not known. Of HTTP/2: as many requests as the numbers of streams say, once one is seen."},
	{"fathom_lost_total", "tls_asked", "A process that speaks TLS could not be asked about: the queue was full. Its next connection asks again."},
	{"fathom_lost_total", "tls_caller", "A call of a TLS library found the table of callers (131,072) full. It is lost with all that was open on its connection, of which nothing is read any more."},
	{"fathom_lost_total", "unreadable_*", unreadableHead + ", and why: " + faultList() + "."},
	{"fathom_lost_total", "map_*", "The kernel refused to add to a table, with this errno."},
	{"fathom_lost_total", "missed_run", "The kernel skipped a program because it was running on that CPU already."},
	{"fathom_lost_bytes_total", "untapped", "TCP's sequence numbers moved on without a tap: `splice`, zero-copy receive, a missed run."},
	{"fathom_lost_bytes_total", "late", "They belong to an exchange that is counted already: its response has no length, or its place is not known, and it paused for longer than `--settle-after`; or the exchange was counted as lost before they came."},
	{"fathom_lost_bytes_total", "connections_full", "They belong to a connection that found the table full."},
	{"fathom_lost_bytes_total", "unreadable", "The head of a message was looked for in them, and they could not be read, lie behind more messages in one buffer than are followed, or are as likely the body that `Expect` had asked about as an unusual request."},
	{"fathom_connections_total", "(empty)", "Nothing special."},
	{"fathom_connections_total", "joined", "The connection is older than the agent."},
	{"fathom_connections_total", "upgraded", "It spoke HTTP/1 until `101`, or 2xx to `CONNECT` and then something unknown. Always 0 here: it was counted when it began."},
	{"fathom_connections_total", "server_first", "The server spoke first."},
	{"fathom_connections_total", "table_full", "HTTP/2, and more connections than `--max-http2-connections` carried it at the same time: nothing of it is counted."},
	{"fathom_connections_total", "untapped", "Bytes passed that no tap saw."},
	{"fathom_connections_total", "attached_late", "TLS: opened before the probes were there, and nothing was exchanged since."},
	{"fathom_connections_total", "java", "TLS: the Java runtime encrypts by itself, in code that it makes while it runs."},
	{"fathom_connections_total", "malformed_file", "TLS: a file of the process could not be understood."},
	{"fathom_connections_total", "no_session", "TLS of a process that is read, but no session of it is known to use this connection: it passes on what others encrypt (a proxy), its session could not be bound, or it ended in the handshake."},
	{"fathom_connections_total", "no_symbols", "TLS: a library is linked into the program, and nothing tells where."},
	{"fathom_connections_total", "not_permitted", "TLS: the probes could not be attached, or the process not be looked at."},
	{"fathom_connections_total", "not_yet", "TLS: it ended before the process was looked at."},
	{"fathom_connections_total", "unknown_library", "TLS: no library that Fathom knows."},
	{"fathom_connections_total", "...", "Why the first bytes were unreadable, as for `unreadable_*`."},
}

// WriteReference writes the reference of all metrics in Markdown.
func WriteReference(w io.Writer) error {
	var b strings.Builder
	b.WriteString(intro)
	type section struct{ title, prefix string }
	var sections []section
	for _, f := range protocol.Families() {
		sections = append(sections, section{f.Title, f.Prefix})
	}
	for _, section := range append(sections, section{"TCP", "tcp_"}, section{"Fathom itself", "fathom_"}) {
		fmt.Fprintf(&b, "\n## %s\n\n| metric | type | unit | labels | what |\n|---|---|---|---|---|\n", section.title)
		for _, d := range Families() {
			if strings.HasPrefix(d.Name, section.prefix) {
				writeRow(&b, d)
			}
		}
	}
	b.WriteString("\n## Labels\n\n" + workloadLabel + " stands for the labels `" + strings.Join(ofWorkload(), "`, `") + "`.\n\n| label | values |\n|---|---|\n")
	doc := allLabelDoc()
	for _, name := range slices.Sorted(maps.Keys(doc)) {
		fmt.Fprintf(&b, "| `%s` | %s |\n", name, doc[name])
	}
	b.WriteString(inKubernetes)
	writeProtocols(&b)
	b.WriteString("\n## Reasons\n\n| metric | `reason` | what |\n|---|---|---|\n")
	for _, r := range reasons {
		fmt.Fprintf(&b, "| `%s` | `%s` | %s |\n", r.metric, r.reason, r.meaning)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func writeRow(b *strings.Builder, d Desc) {
	names := d.Labels
	var shown []string
	if common := ofWorkload(); len(names) >= len(common) && slices.Equal(names[:len(common)], common) {
		shown, names = append(shown, workloadLabel), names[len(common):]
	}
	for _, n := range names {
		shown = append(shown, "`"+n+"`")
	}
	fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s |\n", d.Name, d.Type, d.Unit, strings.Join(shown, ", "), d.Help)
}
