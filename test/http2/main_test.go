package http2

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/test/process"
)

// programs are what the test binary is when it was started under the name of a workload, by its first argument.
var programs = map[string]func(args []string) error{
	"serve": serveHTTP, "ask": askHTTP,
	"serve-grpc": serveGRPC, "ask-grpc": askGRPC,
	"serve-connect": serveConnect, "ask-connect": askConnect,
	"serve-raw": serveRaw, "ask-raw": askRaw,
	"busy": func([]string) error { process.KeepBusy(); return nil },
}

func TestMain(m *testing.M) {
	if isWorkload(filepath.Base(os.Args[0])) {
		if err := programs[os.Args[1]](os.Args[2:]); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[0], err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	code := m.Run()
	if modules != "" {
		_ = os.RemoveAll(filepath.Dir(modules))
	}
	os.Exit(code)
}

// row is a way in which servers and clients speak HTTP/2.
type row struct {
	name string
	run  func(*run)
	// lost is what has to be counted as lost at all ends together, by reason.
	lost map[string]uint64
}

func TestRows(t *testing.T) {
	f := load(t)
	for i, w := range slices.Concat(goRows(), grpcRows(), connectRows(), serverRows(), proxyRows(), clientRows(), orderRows(), otherRows(), busyRows(), longRows()) {
		t.Run(w.name, func(t *testing.T) {
			r := start(t, f, fmt.Sprintf("%03d", i))
			r.lost = w.lost
			w.run(r)
			r.compare()
		})
	}
}

// load attaches Fathom's kernel side, with room for the workloads of all rows.
func load(t *testing.T, more ...func(*kernel.Options)) *fathom {
	t.Helper()
	if os.Getenv("FATHOM_TRUTH") == "1" {
		return nil
	}
	o := kernel.Options{MaxPeersPerWorkload: 2048, MaxSeries: 20000, MaxWorkloads: 8192}
	for _, f := range more {
		f(&o)
	}
	return attach(t, o)
}
