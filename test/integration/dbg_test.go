package integration

import (
	"fmt"
	"os"
	"testing"
)

func dbg(t *testing.T, f *fathom) {
	if os.Getenv("DBG") == "" {
		return
	}
	s := f.snapshot()
	for _, c := range s.Coverage {
		fmt.Printf("  cov %q %+v\n", s.Workloads[c.Workload].Command, c)
	}
	for _, e := range s.Edges {
		fmt.Printf("  edge %q %+v\n", s.Workloads[e.Workload].Command, e)
	}
}
