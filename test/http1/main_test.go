package http1

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/fathomhq/fathom/internal/kernel"
)

// TestMain turns the binary into a Go server or client if it was started under the name of a row's workload.
func TestMain(m *testing.M) {
	if isWorkload(filepath.Base(os.Args[0])) {
		if err := goProgram(os.Args[1:]); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[0], err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// row is one way in which a server and a client speak HTTP/1.
type row struct {
	name string
	run  func(*run)
	// lost is what has to be counted as lost beside the exchanges, by reason: responses that answer nothing.
	lost map[string]uint64
	// mayLose is the reason for which exchanges may be lost here, as more of them are open at a time than Fathom keeps apart, or as
	// they are in more buffers than it looks into. Then what is missing has to be counted as lost for this reason.
	mayLose string
}

// anyNumber is a number of losses that depends on how the bytes fall into reads and writes.
const anyNumber = ^uint64(0)

func rows() []row {
	var all []row
	for _, family := range [][]row{
		plainRows(), earlyRows(), lineRows(), orphanRows(), pipelineRows(), bodyRows(), interimRows(), expectRows(), chunkRows(),
		lengthRows(), switchRows(), proxyRows(), loadRows(), packageRows(), headRows(), abortRows(),
	} {
		all = append(all, family...)
	}
	return all
}

func TestRows(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("loading BPF programs needs root")
	}
	t.Setenv("NODE_PATH", "/usr/share/nodejs") // of Debian's modules, also for another Node than Debian's
	// Each row has listeners of its own, to each of which this process connects: many peers.
	f := load(t, kernel.Options{MaxPeersPerWorkload: 2048})
	var done table
	for i, w := range rows() {
		t.Run(w.name, func(t *testing.T) {
			r := &run{T: t, f: f, row: w, number: i, before: f.snapshot(), dir: folder(t)}
			w.run(r)
			if !t.Failed() {
				done = append(done, r.compare())
			}
		})
	}
	done.write(t, os.Getenv("FATHOM_OUT"))
}
