package integration

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/internal/protocol"
)

// tally counts things by name, for example "server GET 200" or "lost late bytes".
type tally map[string]uint64

// sub returns what was counted since before.
func (a tally) sub(before tally) tally {
	out := tally{}
	for k, n := range a {
		if n != before[k] {
			out[k] = n - before[k]
		}
	}
	return out
}

// parseTally reads "2 GET 200, POST 413, some PUT 500, any DELETE 200" and puts prefix before
// each name. Some is any number above 0, any also 0.
func parseTally(prefix, s string) tally {
	out := tally{}
	for item := range strings.SplitSeq(s, ",") {
		item = strings.TrimSpace(item)
		if item == "" {
			continue
		}
		n := uint64(1)
		if first, rest, ok := strings.Cut(item, " "); ok {
			if v, err := strconv.ParseUint(first, 10, 64); err == nil {
				n, item = v, rest
			} else if v := map[string]uint64{"some": some, "any": whatever}[first]; v != 0 {
				out[prefix+rest] = v
				continue
			}
		}
		out[prefix+item] += n
	}
	return out
}

func statusName(s uint16) string {
	switch s {
	case kernel.StatusAborted:
		return "aborted"
	case kernel.StatusOther:
		return "other"
	}
	return strconv.Itoa(int(s))
}

// statusOf is a status as its protocol names it.
func statusOf(e kernel.ExchangeSeries) string {
	if e.Protocol == protocol.HTTP1 {
		return statusName(e.Status)
	}
	return e.Protocol.Status(e.Status)
}

// side is the helper whose workload this is, or "". Nobody is the workload of connections
// that no process has used: those which a server accepted at most.
func side(w kernel.Workload) string {
	switch w.Command {
	case serverName:
		return "server"
	case clientName:
		return "client"
	case "":
		return nobody
	}
	return ""
}

const nobody = "nobody"

// missedRun counts the runs of programs that the kernel skipped.
const missedRun = "lost missed_run"

// missedArrival counts those of the tap that sees bytes arrive, which the kernel may skip where the tap is not attached
// twice (internal/kernel/mode.go): __release_sock() hands over what came while a process had the socket, and a softirq that
// interrupts the program there brings other sockets' bytes. What is missed is said, and costs a time of arrival at most.
const (
	arrivals      = "data_arrived"
	missedArrival = "missed_run of " + arrivals
)

// count flattens a snapshot. Exchanges are named "SIDE METHOD STATUS", where the
// side is the helper and the role has to agree; connections "SIDE class CLASS".
func count(s *kernel.Snapshot) tally {
	out := tally{}
	for _, h := range s.Exchanges {
		name := side(s.Workloads[h.Workload])
		if name == "" || name == nobody {
			continue
		}
		if h.Role.String() != name {
			name += " as " + h.Role.String()
		}
		if h.Overflow && (h.Operation == "" || h.Workload == 0) {
			name += " overflow"
		}
		out[name+" "+h.Operation+" "+statusOf(h)] += h.Duration.Count()
	}
	for _, q := range s.Queue {
		if name := side(s.Workloads[q.Workload]); name != "" {
			out[name+" queued"] += q.Delay.Count()
		}
	}
	for _, c := range s.Coverage {
		if name := side(s.Workloads[c.Workload]); name != "" {
			out[name+" class "+c.Class] += c.Connections
			out[name+" bytes received"] += c.BytesReceived
			out[name+" bytes sent"] += c.BytesSent
		}
	}
	for _, l := range s.Lost {
		out["lost "+l.Reason] += l.Count
	}
	for _, p := range s.Programs {
		out[missedRun] += p.Missed
		if p.Name == arrivals {
			out[missedArrival] += p.Missed
		}
	}
	for _, l := range s.LostBytes {
		out["lost "+l.Direction+" bytes "+l.Reason] += l.Bytes
	}
	return out
}

// names returns all names of two tallies in order.
func names(a, b tally) []string {
	return slices.Compact(slices.Sorted(func(yield func(string) bool) {
		for _, t := range []tally{a, b} {
			for k := range t {
				if !yield(k) {
					return
				}
			}
		}
	}))
}

// diff says what differs, one line per name; empty if nothing does.
func diff(want, got tally) string {
	var out strings.Builder
	for _, k := range names(want, got) {
		w, g := want[k], got[k]
		if w == g || w == some && g > 0 || w == whatever {
			continue
		}
		if w == some {
			fmt.Fprintf(&out, "\n  %s: want some, got none", k)
		} else {
			fmt.Fprintf(&out, "\n  %s: want %d, got %d", k, w, g)
		}
	}
	return out.String()
}

// tooMany says which exchanges were counted more often than they were made, one line per name, and by how many in all.
func tooMany(want, got tally) (n uint64, lines string) {
	var out strings.Builder
	for _, k := range names(want, got) {
		if w, g := want[k], got[k]; exchanges(k) && g > w && w < whatever {
			n += g - w
			fmt.Fprintf(&out, "\n  %s: there were %d, got %d", k, w, g)
		}
	}
	return n, out.String()
}

// missing sums up by how many exchanges the counts fall short.
func missing(want, got tally) uint64 {
	var n uint64
	for k, w := range want {
		if g := got[k]; exchanges(k) && w < whatever && g < w {
			n += w - g
		}
	}
	return n
}

// What a wanted count may be besides a number.
const (
	some     = ^uint64(0) // any number above 0
	whatever = some - 1   // any number
)
