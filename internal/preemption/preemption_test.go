package preemption

import (
	"bytes"
	"compress/gzip"
	"testing"
	"testing/fstest"
)

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

func zipped(t *testing.T, text string) *fstest.MapFile {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &fstest.MapFile{Data: b.Bytes()}
}

func TestPreemption(t *testing.T) {
	const debugfs = "sys/kernel/debug/sched/preempt"
	const dynamic = "#1 SMP PREEMPT_DYNAMIC Debian 6.12.107-1 (2026-08-29)"
	for _, c := range []struct {
		name, version string
		files         fstest.MapFS
		want          string
		possible      bool
	}{
		{"debugfs", dynamic, fstest.MapFS{debugfs: file("none (voluntary) full \n")}, "voluntary", false},
		{"debugfs, lazy", dynamic, fstest.MapFS{debugfs: file("full (lazy) \n")}, "lazy", true},
		{"fixed, none", "#1 SMP Debian 5.10.223-1 (2024-08-10)", nil, "none or voluntary", false},
		{"fixed, full", "#1 SMP PREEMPT Wed May 1 00:00:00 UTC 2024", nil, "lazy or full", true},
		{"fixed, and configured so", "#1 SMP PREEMPT", fstest.MapFS{"boot/config-6.12": file("#\nCONFIG_PREEMPT=y\n")}, "full", true},
		{"real-time", "#1 SMP PREEMPT_RT Debian", nil, "real-time", true},
		{"command line", dynamic, fstest.MapFS{
			"proc/cmdline":     file("quiet preempt=none preempt=full\n"),
			"boot/config-6.12": file("\nCONFIG_PREEMPT_VOLUNTARY=y\n"),
		}, "full", true},
		{"configuration", dynamic, fstest.MapFS{
			"proc/cmdline":   file("quiet\n"),
			"proc/config.gz": zipped(t, "# CONFIG_PREEMPT_NONE is not set\nCONFIG_PREEMPT_LAZY=y\nCONFIG_PREEMPT_COUNT=y\n"),
		}, "lazy", true},
		{"configuration in /boot", dynamic, fstest.MapFS{"boot/config-6.12": file("#\nCONFIG_PREEMPT_VOLUNTARY=y\n")}, "voluntary", false},
		{"another kernel's configuration", dynamic, fstest.MapFS{"boot/config-6.1": file("#\nCONFIG_PREEMPT_VOLUNTARY=y\n")}, "unknown", true},
		{"garbage", dynamic, fstest.MapFS{debugfs: file("(("), "proc/config.gz": file("no gzip")}, "unknown", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Read(c.files, "6.12", c.version)
			if got.Name != c.want || got.Possible() != c.possible || got.Source == "" {
				t.Errorf("got %+v, possible: %t", got, got.Possible())
			}
		})
	}
}
