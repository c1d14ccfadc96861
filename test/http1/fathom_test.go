package http1

import (
	"context"
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/fathomhq/fathom/internal/kernel"
)

// fathom is the kernel side under test, with the settings of an agent.
type fathom struct {
	t *testing.T
	k *kernel.Kernel
}

func load(t *testing.T, o kernel.Options) *fathom {
	t.Helper()
	o.Mode = kernel.Mode(os.Getenv("FATHOM_ATTACH_MODE"))
	k, err := kernel.Open(context.Background(), o)
	if err != nil {
		t.Fatalf("load: %+v", err)
	}
	t.Cleanup(func() {
		if err := k.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return &fathom{t, k}
}

func (f *fathom) snapshot() *kernel.Snapshot {
	s, err := f.k.Snapshot()
	if err != nil {
		f.t.Fatalf("snapshot: %v", err)
	}
	return s
}

// counted returns what was counted of a workload in one role.
func counted(s *kernel.Snapshot, workload string, role kernel.Role) counts {
	out := counts{}
	for _, h := range s.Exchanges {
		if s.Workloads[h.Workload].Command == workload && h.Role == role {
			out.add(h.Operation, statusName(h.Status), h.Duration.Count(), h.Duration.Sum.Seconds())
		}
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

// active returns how many exchanges of a workload wait for a response.
func active(s *kernel.Snapshot, workload string) (n int) {
	for _, a := range s.Active {
		if s.Workloads[a.Workload].Command == workload {
			n += a.Count
		}
	}
	return n
}

// losses returns all that was lost since before, events by their reason and bytes as "read bytes REASON".
func losses(s, before *kernel.Snapshot) (events, bytes map[string]uint64) {
	eventsBefore, bytesBefore := totalLosses(before)
	events, bytes = totalLosses(s)
	return grown(events, eventsBefore), grown(bytes, bytesBefore)
}

func totalLosses(s *kernel.Snapshot) (events, bytes map[string]uint64) {
	events, bytes = map[string]uint64{}, map[string]uint64{}
	for _, l := range s.Lost {
		events[l.Reason] += l.Count
	}
	for _, p := range s.Programs {
		events["missed_run"] += p.Missed
	}
	for _, t := range s.Tables {
		events["overflow "+t.Name] += t.Overflowed
	}
	for _, l := range s.LostBytes {
		bytes[l.Direction+" bytes "+l.Reason] += l.Bytes
	}
	return events, bytes
}

func grown(now, before map[string]uint64) map[string]uint64 {
	out := map[string]uint64{}
	for k, n := range now {
		if n > before[k] {
			out[k] = n - before[k]
		}
	}
	return out
}

func sum(m map[string]uint64) uint64 {
	var n uint64
	for _, v := range slices.Collect(maps.Values(m)) {
		n += v
	}
	return n
}

// strangers counts the exchanges of all processes that are in no row: whoever lost something may have been one of them.
func strangers(s *kernel.Snapshot) (n uint64) {
	for _, h := range s.Exchanges {
		if !isWorkload(s.Workloads[h.Workload].Command) {
			n += h.Duration.Count()
		}
	}
	return n
}
