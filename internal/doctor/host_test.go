package doctor

import (
	"io/fs"
	"slices"
	"testing"
	"testing/fstest"
)

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

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
		"proc/thread-self/status":      file("Seccomp:\t2\n"),
		"proc/self/ns/user":            link("user:[4026531837]"),
		"proc/self/ns/pid":             link("pid:[4026532001]"),
		"proc/self/ns/cgroup":          link("cgroup:[4026532002]"),
	})
	if h.btf != nil || h.lockdown != "integrity" || !h.filtered || !slices.Equal(h.foreign, []string{"PID", "cgroup"}) {
		t.Errorf("got %+v", h)
	}
	h = host{}
	h.readFiles(fstest.MapFS{})
	if h.btf == nil || h.lockdown != "" || h.filtered || h.foreign != nil {
		t.Errorf("of an empty host: %+v", h)
	}
}
