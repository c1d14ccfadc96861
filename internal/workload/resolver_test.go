package workload

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fathomhq/fathom/internal/kernel"
)

// fakeHost is a directory tree that looks like a cgroup2 mount and a procfs.
type fakeHost struct {
	t            *testing.T
	cgroup, proc string
	now          time.Time
	pid          int
}

func newFakeHost(t *testing.T) (*fakeHost, *Resolver) {
	t.Helper()
	h := &fakeHost{t: t, cgroup: t.TempDir(), proc: t.TempDir(), now: time.Unix(1000, 0)}
	r, err := NewResolver(Options{CgroupRoot: h.cgroup, ProcRoot: h.proc})
	if err != nil {
		t.Fatal(err)
	}
	r.tree.now = func() time.Time { return h.now }
	return h, r
}

// add makes a cgroup with processes and returns its id.
func (h *fakeHost) add(path string, commands ...string) uint64 {
	h.t.Helper()
	dir := filepath.Join(h.cgroup, path)
	h.check(os.MkdirAll(dir, 0o755))
	var procs strings.Builder
	for _, c := range commands {
		h.pid++
		pid := strconv.Itoa(h.pid)
		procs.WriteString(pid + "\n")
		h.check(os.MkdirAll(filepath.Join(h.proc, pid), 0o755))
		h.check(os.WriteFile(filepath.Join(h.proc, pid, "comm"), []byte(c+"\n"), 0o644))
	}
	h.check(os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(procs.String()), 0o644))
	var st syscall.Stat_t
	h.check(syscall.Stat(dir, &st))
	return st.Ino
}

func (h *fakeHost) check(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func TestResolve(t *testing.T) {
	h, r := newFakeHost(t)
	nginx := h.add("system.slice/nginx.service/worker", "nginx")
	session := h.add("user.slice/session-1.scope", "curl")

	for _, tt := range []struct {
		name string
		w    kernel.Workload
		want Labels
	}{
		{"walks up to the unit", kernel.Workload{ID: 1, CgroupID: nginx, Command: "nginx"}, Labels{Workload: "nginx.service", Kind: KindUnit}},
		{"session", kernel.Workload{ID: 2, CgroupID: session, Command: "curl"}, Labels{Workload: "curl", Kind: KindProcess}},
		{"gone, named by the kernel", kernel.Workload{ID: 3, CgroupID: 1 << 60, CgroupNames: []string{"job", "backup.service", "system.slice"}, Command: "sh"}, Labels{Workload: "backup.service", Kind: KindUnit}},
		{"gone, names unknown", kernel.Workload{ID: 4, CgroupID: 1 << 61, Command: "sh"}, Labels{Workload: "sh", Kind: KindProcess}},
		{"file system before names", kernel.Workload{ID: 5, CgroupID: nginx, CgroupNames: []string{"other.service"}}, Labels{Workload: "nginx.service", Kind: KindUnit}},
		{"id used again", kernel.Workload{ID: 1, CgroupID: session, Command: "wget"}, Labels{Workload: "wget", Kind: KindProcess}},
		{"same cgroup, other command", kernel.Workload{ID: 1, CgroupID: session, Command: "ssh"}, Labels{Workload: "ssh", Kind: KindProcess}},
	} {
		if got, _ := r.Resolve(tt.w); got != tt.want {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

// However deep a unit is and however long its name, the file system tells it, if it must, one walk later. The kernel
// side's names are four, of up to 95 bytes: they serve while they decide, and when the cgroup has gone.
func TestResolveBeyondNames(t *testing.T) {
	long := strings.Repeat("n", 200) + ".service"
	const connection = "sshd@4294967295-18446744073709551615-2001:db8:1111:2222:3333:4444:5555:6666:22-2001:db8:7777:8888:9999:aaaa:bbbb:cccc:65535.service"
	deep := []string{"d5", "d4", "d3", "d2", "d1", "deep.service", "system.slice"}
	for _, tt := range []struct {
		name  string
		names []string // as they are, the innermost first
		late  State    // what is said between two walks
		want  string
		gone  string // if the cgroup has gone before the next walk
	}{
		{"whole", []string{"a.service", "system.slice"}, Final, "a.service", "a.service"},
		{"deep", deep, Pending, "deep.service", "x"},
		{"four", []string{"b.service", "c.slice", "d.slice", "ci.service"}, Pending, "ci.service", "ci.service"},
		{"long", []string{long, "system.slice"}, Pending, long, "x"},
		{"connection with a long name", []string{connection, "system-sshd.slice", "system.slice"}, Pending, "sshd@.service", "sshd@.service"},
		{"deep container", []string{"d3", "d2", "d1", "docker-" + idA + ".scope", "system.slice"}, Final, idA[:12], idA[:12]},
	} {
		for _, gone := range []bool{false, true} {
			h, r := newFakeHost(t)
			h.add("system.slice")
			r.Resolve(kernel.Workload{ID: 9, CgroupID: 1 << 60}) // walks
			w := kernel.Workload{ID: 1, Command: "x"}
			path := ""
			for i, name := range tt.names {
				path = filepath.Join(name, path)
				if i < kernel.MaxCgroupNames {
					w.CgroupNames = append(w.CgroupNames, name[:min(len(name), kernel.MaxCgroupName)])
				}
			}
			want := tt.want
			w.CgroupID = h.add(path, "x")
			if gone {
				want = tt.gone
				h.check(os.RemoveAll(filepath.Join(h.cgroup, path)))
			}
			if _, state := r.Resolve(w); state != tt.late {
				t.Errorf("%s: state %d, want %d", tt.name, state, tt.late)
			}
			h.now = h.now.Add(walkInterval)
			if got, state := r.Resolve(w); got.Workload != want || state != Final {
				t.Errorf("%s, gone %t: %q, state %d, want %q", tt.name, gone, got.Workload, state, want)
			}
		}
	}
}

// A cgroup made after the last walk is found, but the tree is not walked more often than once a second.
func TestResolveRefreshes(t *testing.T) {
	h, r := newFakeHost(t)
	h.add("system.slice")
	r.Resolve(kernel.Workload{ID: 1, CgroupID: 1 << 60})
	id := h.add("system.slice/late.service")

	h.now = h.now.Add(walkInterval / 2)
	w := kernel.Workload{ID: 2, CgroupID: id, Command: "x"}
	if got, state := r.Resolve(w); got.Kind != KindProcess || state != Pending {
		t.Errorf("walked again after half a second: %+v, state %d", got, state)
	}
	h.now = h.now.Add(walkInterval)
	if got, state := r.Resolve(w); got.Workload != "late.service" || state != Final {
		t.Errorf("not found after a second: %+v, state %d", got, state)
	}
}

func TestGone(t *testing.T) {
	h, r := newFakeHost(t)
	unit := h.add("system.slice/a.service", "a", "a-worker")
	removed := h.add("system.slice/b.service", "b")
	empty := h.add("system.slice/c.service")
	foreign := h.add("system.slice/d.service")
	h.check(os.WriteFile(filepath.Join(h.cgroup, "system.slice/d.service/cgroup.procs"), []byte("0\n"), 0o644))
	r.tree.path(removed, 0) // known before it goes
	h.check(os.RemoveAll(filepath.Join(h.cgroup, "system.slice/b.service")))

	ws := []kernel.Workload{
		{ID: 1, CgroupID: unit, Command: "a"},
		{ID: 2, CgroupID: unit, Command: "a-helper"},
		{ID: 3, CgroupID: unit},
		{ID: 4, CgroupID: removed, Command: "b"},
		{ID: 5, CgroupID: empty, Command: "c"},
		{ID: 6, CgroupID: empty},
		{ID: 7, CgroupID: foreign, Command: "d"},
		{ID: 8, CgroupID: 1 << 60, Command: "e"},
	}
	// Nobody knows about id 8 so soon after a walk.
	if diff := cmp.Diff([]kernel.WorkloadID{2, 4, 5, 6}, r.Gone(ws)); diff != "" {
		t.Error(diff)
	}
	h.now = h.now.Add(walkInterval)
	if diff := cmp.Diff([]kernel.WorkloadID{2, 4, 5, 6, 8}, r.Gone(ws)); diff != "" {
		t.Error(diff)
	}
}

// A removed cgroup stays removed, also when many went at once, and when something else was
// looked for just before.
func TestManyGone(t *testing.T) {
	h, r := newFakeHost(t)
	h.add("system.slice")
	var ws []kernel.Workload
	var want []kernel.WorkloadID
	for id := range kernel.WorkloadID(10) {
		ws = append(ws, kernel.Workload{ID: id, CgroupID: 1<<60 + uint64(id)})
		want = append(want, id)
		r.Resolve(ws[id])
	}
	for i := range 5 {
		h.now = h.now.Add(walkInterval)
		r.Resolve(kernel.Workload{ID: kernel.WorkloadID(100 + i), CgroupID: 1<<61 + uint64(i)})
		if diff := cmp.Diff(want, r.Gone(ws)); diff != "" {
			t.Error(diff)
		}
	}
}

// The path of a unit that was restarted leads to another cgroup.
func TestGoneRestarted(t *testing.T) {
	h, r := newFakeHost(t)
	before := kernel.Workload{ID: 1, CgroupID: h.add("system.slice/a.service", "a"), Command: "a"}
	r.Resolve(before)
	after := kernel.Workload{ID: 2, CgroupID: h.add("system.slice/new", "a"), Command: "a"}
	unit := filepath.Join(h.cgroup, "system.slice/a.service")
	h.check(os.RemoveAll(unit))
	h.check(os.Rename(filepath.Join(h.cgroup, "system.slice/new"), unit))
	for range 2 {
		if diff := cmp.Diff([]kernel.WorkloadID{1}, r.Gone([]kernel.Workload{before, after})); diff != "" {
			t.Error(diff)
		}
		h.now = h.now.Add(walkInterval)
	}
}

func TestConcurrent(t *testing.T) {
	h, r := newFakeHost(t)
	id := h.add("system.slice/a.service", "a")
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 200 {
				w := kernel.Workload{ID: kernel.WorkloadID(i % 7), CgroupID: id + uint64(g%2), Command: "a"}
				r.Resolve(w)
				r.Gone([]kernel.Workload{w})
			}
		})
	}
	wg.Wait()
}

func TestCgroupRoot(t *testing.T) {
	const v2 = "26 23 0:22 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
	const hybrid = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n" +
		"32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n" +
		"41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
	for _, tt := range []struct{ name, mountinfo, want string }{
		{"v2", v2, "/sys/fs/cgroup"},
		{"hybrid", hybrid, "/sys/fs/cgroup/unified"},
		{"v1", "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n", ""},
		{"a part is mounted", "26 23 0:22 /../.. /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", ""},
		{"the host's beside a part", "26 23 0:22 /x /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n27 23 0:22 / /host/cg rw - cgroup2 cgroup2 rw\n", "/host/cg"},
		{"two mounts", "50 23 0:22 / /run/long/cgroup rw - cgroup2 none rw\n" + v2, "/sys/fs/cgroup"},
		{"blank in the path", `26 23 0:22 / /mnt/a\040b rw - cgroup2 none rw`, "/mnt/a b"},
		{"garbage", "\n - cgroup2 \na b c - cgroup2 x", ""},
	} {
		if got := cgroupRoot(strings.NewReader(tt.mountinfo)); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

// On a real cgroup2 mount, ids are inode numbers and processes are found.
func TestRealCgroup(t *testing.T) {
	r, err := NewResolver(Options{})
	if err != nil {
		t.Fatal(err)
	}
	if r.CgroupRoot() == "" {
		t.Skip("this host has no cgroup2 mount")
	}
	dir := filepath.Join(r.CgroupRoot(), "fathom-test.service")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Skipf("not allowed to make a cgroup: %v", err)
	}
	var st syscall.Stat_t
	if err := syscall.Stat(dir, &st); err != nil {
		t.Fatal(err)
	}
	w := kernel.Workload{ID: 1, CgroupID: st.Ino, Command: "x"}
	want := Labels{Workload: "fathom-test.service", Kind: KindUnit}
	if got, _ := r.Resolve(w); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if gone := r.Gone([]kernel.Workload{w}); len(gone) != 1 {
		t.Error("a removed cgroup is not gone")
	}
}
