package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestParseMounts(t *testing.T) {
	const v1 = "cgroup /sys/fs/cgroup/cpu cgroup rw,relatime,cpu 0 0\ncgroup /sys/fs/cgroup/cpuset cgroup rw,cpuset 0 0\n"
	for _, c := range []struct {
		name, text string
		v2         string
		v1         []string
		wrong      bool
	}{
		{"v2", "sysfs /sys sysfs rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n", "/sys/fs/cgroup", nil, false},
		{"both", v1 + "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n", "/sys/fs/cgroup/unified", []string{"/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpuset"}, false},
		{"twice", "a /first cgroup2 rw 0 0\nb /second cgroup2 rw 0 0\n", "/first", nil, false},
		{"v1", v1, "", nil, true},
		{"nothing", "\n", "", nil, true},
	} {
		h, err := parseMounts(strings.NewReader(c.text))
		if (err != nil) != c.wrong {
			t.Errorf("%s: error %v", c.name, err)
		}
		if err == nil && (h.V2 != c.v2 || !slices.Equal(h.V1, c.v1)) {
			t.Errorf("%s: %+v", c.name, h)
		}
	}
}

func TestCgroups(t *testing.T) {
	for _, c := range []struct {
		index     int
		pods, own []string
	}{
		{0, []string{"/kubepods", "/kubepods.slice", "/x-node2/kubepods", "/x-node2/kubepods.slice"}, []string{"/x-node2"}},
		{1, []string{"/x-node1/kubepods", "/x-node1/kubepods.slice", "/x-node2/kubepods", "/x-node2/kubepods.slice"}, []string{"/x-node1", "/x-node2"}},
	} {
		o := &options{Name: "x", Index: c.index, Nodes: 2}
		if got := o.podCgroups(); !slices.Equal(got, c.pods) {
			t.Errorf("index %d: pods in %v, want %v", c.index, got, c.pods)
		}
		want := slices.Concat([]string{"/fathom-nodes-x"}, c.pods, c.own)
		if got := o.ownCgroups(); !slices.Equal(got, want) {
			t.Errorf("index %d: made %v, want %v", c.index, got, want)
		}
	}
}

// What is removed is the whole tree, and nothing if it is not there. A folder stands for a hierarchy.
func TestRemove(t *testing.T) {
	h := hierarchies{V2: t.TempDir(), V1: []string{t.TempDir()}}
	keep := filepath.Join(h.V2, "other")
	for _, dir := range []string{filepath.Join(h.V2, "x/kubepods/a/b"), filepath.Join(h.V1[0], "x/kubepods/c"), keep} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := h.remove([]string{"/x/kubepods", "/x"}); err != nil {
			t.Fatal(err)
		}
	}
	for _, mount := range []string{h.V2, h.V1[0]} {
		if _, err := os.Stat(filepath.Join(mount, "x")); err == nil {
			t.Errorf("%s/x is still there", mount)
		}
	}
	if _, err := os.Stat(keep); err != nil {
		t.Error(err)
	}
}

// Processes are found below a cgroup, too.
func TestProcesses(t *testing.T) {
	h := hierarchies{V2: t.TempDir()}
	for dir, pids := range map[string]string{"a": "", "a/b": "12\n34\n", "a/b/c": "56\n", "d": "78\n"} {
		path := filepath.Join(h.V2, dir)
		if err := os.MkdirAll(path, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(path, "cgroup.procs"), []byte(pids), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for cgroup, want := range map[string][]int{"/a": {12, 34, 56}, "/d": {78}, "/gone": nil} {
		if got := h.processes(cgroup); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", cgroup, got, want)
		}
	}
}

func TestHasLimits(t *testing.T) {
	for controllers, want := range map[string]bool{
		"cpuset cpu io memory hugetlb pids rdma\n": true, "\n": false, "cpuset io\n": false, "cpu pids\n": false,
	} {
		if got := hasLimits(controllers); got != want {
			t.Errorf("%q: %v", controllers, got)
		}
	}
}
