package integration

import (
	"github.com/fathomhq/fathom/internal/kernel"
)

// edges sums the TCP counters of a helper's edges in one role, by name.
func edges(s *kernel.Snapshot, name string, role kernel.Role) tally {
	out := tally{}
	for _, e := range s.Edges {
		if side(s.Workloads[e.Workload]) != name || e.Role != role {
			continue
		}
		out["segments sent"] += e.SegmentsSent
		out["bytes sent"] += e.BytesSent
		out["bytes received"] += e.BytesReceived
		out["opened"] += e.Opened
		out["closed"] += e.Closed
		out["resets sent"] += e.ResetsSent
		out["resets received"] += e.ResetsReceived
		out["rtt samples"] += e.RTT.Count()
		for kind, n := range e.Retransmits {
			out["retransmits"] += n
			out["retransmits "+kernel.RetransmitKind(kind).String()] += n
		}
		for reason, n := range e.ConnectFailures {
			out["failed "+kernel.ConnectFailure(reason).String()] += n
		}
	}
	return out
}
