package doctor

import (
	"bytes"
	"compress/gzip"
	"io/fs"
	"slices"
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
			got := readPreemption(c.files, "6.12", c.version)
			if got.model != c.want || got.possible() != c.possible || got.source == "" {
				t.Errorf("got %+v, possible: %t", got, got.possible())
			}
		})
	}
}

func TestMounts(t *testing.T) {
	const v1 = "cgroup /sys/fs/cgroup/cpu cgroup rw,relatime,cpu 0 0\n"
	for _, c := range []struct {
		name, mounts string
		cgroup       cgroups
		tracefs      string
	}{
		{"version 2", "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\ntracefs /sys/kernel/tracing tracefs rw 0 0\n", cgroups{v2: "/sys/fs/cgroup"}, "/sys/kernel/tracing"},
		{"hybrid", v1 + "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n", cgroups{v2: "/sys/fs/cgroup/unified", v1: true}, ""},
		{"version 1", v1, cgroups{v1: true}, ""},
		{"mounted twice", "a /a cgroup2 rw 0 0\nb /b cgroup2 rw 0 0\nc /c tracefs rw 0 0\nd /d tracefs rw 0 0\n", cgroups{v2: "/a"}, "/c"},
		{"short lines", "cgroup2\n\ncgroup2 /a cgroup2", cgroups{}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var h host
			h.readMounts(c.mounts)
			if h.cgroup != c.cgroup || h.tracefs.mount != c.tracefs {
				t.Errorf("got %+v, %+v", h.cgroup, h.tracefs)
			}
		})
	}
}

func TestFiles(t *testing.T) {
	link := func(to string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(to), Mode: fs.ModeSymlink} }
	var h host
	h.readFiles(fstest.MapFS{
		"sys/kernel/btf/vmlinux":       file("BTF"),
		"sys/kernel/security/lockdown": file("none [integrity] confidentiality\n"),
		"proc/self/ns/user":            link("user:[4026531837]"),
		"proc/self/ns/pid":             link("pid:[4026532001]"),
		"proc/self/ns/cgroup":          link("cgroup:[4026532002]"),
	})
	if h.btf != nil || h.lockdown != "integrity" || !slices.Equal(h.foreign, []string{"PID", "cgroup"}) {
		t.Errorf("got %+v", h)
	}
	h = host{}
	h.readFiles(fstest.MapFS{})
	if h.btf == nil || h.lockdown != "" || h.foreign != nil {
		t.Errorf("of an empty host: %+v", h)
	}
}
