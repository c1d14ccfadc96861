package history

import (
	"slices"
	"time"

	"github.com/fathomhq/fathom/internal/kernel"
)

// totals are cumulative numbers of the whole host at one moment.
type totals struct {
	cost     cost
	lost     []uint64 // by hostNames.lost
	bytes    []uint64 // lost, by hostNames.bytes
	overflow []uint64 // by hostNames.tables
	runs     []uint64 // by hostNames.programs
	runTime  []time.Duration
}

// cost is what the agent's process takes.
type cost struct {
	cpu      time.Duration // since its start
	resident uint64        // bytes; 0: not known
}

// hostNames are what the positions in totals mean. The kernel side lists all that there can be, in one order.
type hostNames struct {
	lost     []string
	bytes    []lostBytesName
	tables   []string
	programs []string
}

type lostBytesName struct{ direction, reason string }

// missedRun is the reason by which the metrics show skipped runs.
const missedRun = "missed_run"

// totals reads a snapshot. Names that are new are added.
func (n *hostNames) totals(s *kernel.Snapshot, c cost) totals {
	t := totals{cost: c}
	for _, l := range s.Lost {
		add(&n.lost, &t.lost, l.Reason, l.Count)
	}
	for _, p := range s.Programs {
		add(&n.lost, &t.lost, missedRun, p.Missed)
		add(&n.programs, &t.runs, p.Name, p.Runs)
		add(&n.programs, &t.runTime, p.Name, p.Time)
	}
	for _, l := range s.LostBytes {
		direction := "received"
		if l.Direction == "write" {
			direction = "sent"
		}
		add(&n.bytes, &t.bytes, lostBytesName{direction, l.Reason}, l.Bytes)
	}
	for _, table := range s.Tables {
		add(&n.tables, &t.overflow, table.Name, table.Overflowed)
	}
	return t
}

// add adds to the number of a name.
func add[N comparable, V uint64 | time.Duration](names *[]N, values *[]V, name N, v V) {
	i := slices.Index(*names, name)
	if i < 0 {
		i = len(*names)
		*names = append(*names, name)
	}
	for len(*values) <= i {
		*values = append(*values, 0)
	}
	(*values)[i] += v
}

// at returns a value, 0 where there was none yet.
func at[V uint64 | time.Duration](values []V, i int) V {
	if i < len(values) {
		return values[i]
	}
	return 0
}
