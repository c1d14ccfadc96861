package http2

import (
	"context"
	"os"
	"testing"

	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/internal/protocol"
)

// fathom is the kernel side under test. Nil: there is none, and only what programs say is compared.
type fathom struct {
	t *testing.T
	k *kernel.Kernel
}

// attach attaches the kernel side until the test ends.
func attach(t *testing.T, o kernel.Options) *fathom {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("loading BPF programs needs root")
	}
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
	if f == nil {
		return &kernel.Snapshot{}
	}
	s, err := f.k.Snapshot()
	if err != nil {
		f.t.Fatalf("snapshot: %v", err)
	}
	return s
}

// counted returns what was counted of a workload in one role.
func counted(s *kernel.Snapshot, workload string, role kernel.Role) counts {
	out := counts{}
	for _, x := range s.Exchanges {
		if s.Workloads[x.Workload].Command != workload || x.Role != role {
			continue
		}
		operation := x.Operation
		if x.Protocol == protocol.GRPC {
			operation = gRPC
		}
		out.add(operation, x.Protocol.Status(x.Status), x.Duration.Count())
	}
	return out
}

// active returns how many exchanges of a workload wait for the end of their response.
func active(s *kernel.Snapshot, workload string) (n int) {
	for _, a := range s.Active {
		if s.Workloads[a.Workload].Command == workload {
			n += a.Count
		}
	}
	return n
}

// losses returns all that was lost, by reason.
func losses(s *kernel.Snapshot) map[string]uint64 {
	lost := map[string]uint64{}
	for _, l := range s.Lost {
		lost[l.Reason] += l.Count
	}
	for _, p := range s.Programs {
		lost["missed_run"] += p.Missed
	}
	for _, t := range s.Tables {
		lost["overflow "+t.Name] += t.Overflowed
	}
	for _, l := range s.LostBytes {
		lost[l.Direction+" bytes "+l.Reason] += l.Bytes
	}
	return lost
}

func grown(now, before map[string]uint64) map[string]uint64 {
	out := map[string]uint64{}
	for reason, n := range now {
		if n > before[reason] {
			out[reason] = n - before[reason]
		}
	}
	return out
}
