package integration

import (
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fathomhq/fathom/internal/kernel"
)

// BenchmarkTLSAttach has Node's program, of some 100 MB, inspected, probed and left again: CPU time of this process, and what it
// allocates.
func BenchmarkTLSAttach(b *testing.B) {
	path, err := exec.LookPath("node")
	if err != nil {
		b.Skip("node is not installed")
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		b.Fatal(err)
	}
	f := load(b, kernel.Options{TLS: true})
	var inspected, attached, detached time.Duration
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for b.Loop() {
		start := cpuTime(b)
		libraries := inspect(b, path)
		inspected += cpuTime(b) - start
		for _, l := range libraries {
			start = cpuTime(b)
			probes, err := f.k.AttachTLS(path, l)
			if err != nil {
				b.Fatal(err)
			}
			attached += cpuTime(b) - start
			start = cpuTime(b)
			if err := probes.Close(); err != nil {
				b.Fatal(err)
			}
			detached += cpuTime(b) - start
		}
	}
	runtime.ReadMemStats(&after)
	for what, d := range map[string]time.Duration{"inspect": inspected, "attach": attached, "detach": detached} {
		b.ReportMetric(float64(d.Microseconds())/1e3/float64(b.N), what+"-cpu-ms/op")
	}
	b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/1e6/float64(b.N), "MB-allocated/op")
}

// cpuTime is what this process has taken so far.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
