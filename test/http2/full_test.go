package http2

import (
	"testing"

	"github.com/fathomhq/fathom/internal/kernel"
)

// TestTableFull has more connections than there is room for: those that find none are said not to be read, and nothing is made up.
func TestTableFull(t *testing.T) {
	const room, connections = 2, 4
	f := load(t, func(o *kernel.Options) { o.MaxHTTP2Connections = room })
	if f == nil { // only programs are compared, and this is about the table
		t.Skip("FATHOM_TRUTH=1: there is no table")
	}
	r := start(t, f, "000")
	r.both(r.goAsk(r.goServe(server), []string{"GET /now/404", "POST /read/200 100"}, "-n", "100", "-c", "4", "-conns", number(connections)))
	r.stop()
	for _, line := range r.until(quiet, func(s *kernel.Snapshot) (lines []string) {
		classes := counts{}
		for _, x := range s.Coverage {
			if isWorkload(s.Workloads[x.Workload].Command) && x.Class != "idle" { // as when the server was waited for
				classes[x.Class+" "+x.Reason] += x.Connections
			}
		}
		full := uint64(2*connections - room)
		lines = differences(counts{"http2 ": room, "unreadable table_full": full}, classes)
		lost := grown(losses(s), losses(r.before))
		lines = append(lines, differences(counts{"overflow http2_connections": full}, lost)...)
		for _, e := range r.ends {
			for key, n := range counted(s, e.workload, e.role) {
				if n > e.truth()[key] {
					lines = append(lines, key+" is more than there was")
				}
			}
		}
		return lines
	}) {
		t.Error(line)
	}
}
