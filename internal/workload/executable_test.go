package workload

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/fathomhq/fathom/internal/kernel"
)

// process is one in a [fakeHost].
type process struct {
	comm, exe, line string // no exe: it may not be read
}

// run adds processes to a cgroup of their own.
func (h *fakeHost) run(path string, ps ...process) uint64 {
	h.t.Helper()
	var commands []string
	for _, p := range ps {
		commands = append(commands, p.comm)
	}
	id := h.add(path, commands...)
	for i, p := range ps {
		dir := filepath.Join(h.proc, strconv.Itoa(h.pid-len(ps)+1+i))
		if p.exe != "" {
			h.check(os.Symlink(p.exe, filepath.Join(dir, "exe")))
		}
		h.check(os.WriteFile(filepath.Join(dir, "cmdline"), []byte(p.line), 0o644))
	}
	return id
}

func TestVagueNames(t *testing.T) {
	const session = "/user.slice/user-0.slice/session-1.scope"
	for _, tt := range []struct {
		name    string
		path    string
		command string
		ps      []process
		want    string
	}{
		{"Node.js 24", session, "MainThread", []process{{"MainThread", "/usr/bin/node", ""}}, "node"},
		{"Node.js 26", session, "node-MainThread", []process{{"node-MainThread", "/opt/node-26/bin/node", ""}}, "node"},
		{"single executable application", session, "MainThread", []process{{"MainThread", "/usr/bin/copilot", ""}}, "copilot"},
		{"updated meanwhile", session, "MainThread", []process{{"MainThread", "/usr/bin/node (deleted)", ""}}, "node"},
		{"without a capability", session, "MainThread", []process{{"MainThread", "", "/usr/bin/node\x00/srv/shop.js\x00--token=s3cret\x00"}}, "node"},
		{"without a capability, by name", session, "MainThread", []process{{"MainThread", "", "node\x00shop.js\x00"}}, "node"},
		{"no command line", session, "MainThread", []process{{"MainThread", "", ""}}, "MainThread"},
		{"a directory for a command", session, "MainThread", []process{{"MainThread", "", "/\x00x"}}, "MainThread"},
		{"blank", session, "  ", []process{{"  ", "/usr/bin/odd", ""}}, "odd"},
		{"blank, and gone", session, "  ", nil, "\uFFFD"},
		{"no process seen", session, "", []process{{"MainThread", "/usr/bin/node", ""}}, Unknown},
		{"beside others", session, "MainThread", []process{{"bash", "/bin/bash", ""}, {"MainThread", "/usr/bin/node", ""}}, "node"},
		{"several of the same", session, "MainThread", []process{{"MainThread", "/usr/bin/node", ""}, {"MainThread", "/opt/bin/node", ""}}, "node"},
		{"several programs", session, "MainThread", []process{{"MainThread", "/usr/bin/node", ""}, {"MainThread", "/usr/bin/copilot", ""}}, "MainThread"},
		{"ended", session, "MainThread", []process{{"bash", "/bin/bash", ""}}, "MainThread"},
		{"one that tells who it is", session, "java", []process{{"java", "/usr/lib/jvm/bin/java-21", ""}}, "java"},
		{"one that says so itself", session, "shop", []process{{"shop", "/usr/bin/node", ""}}, "shop"},
		{"unit", "/system.slice/shop.service", "MainThread", []process{{"MainThread", "/usr/bin/node", ""}}, "shop.service"},
		{"container", "/docker/" + idA, "MainThread", []process{{"MainThread", "/usr/bin/node", ""}}, idA[:12]},
		{"hostile", session, "MainThread", []process{{"MainThread", "/a\nb", ""}}, "a\uFFFDb"},
	} {
		h, r := newFakeHost(t)
		w := kernel.Workload{ID: 1, CgroupID: h.run(tt.path, tt.ps...), Command: tt.command}
		got, state := r.Resolve(w)
		if got.Workload != tt.want || state != Final {
			t.Errorf("%s: %q, state %d, want %q", tt.name, got.Workload, state, tt.want)
		}
		if len(tt.ps) > 0 && tt.command == tt.ps[0].comm && len(r.Gone([]kernel.Workload{w})) > 0 {
			t.Errorf("%s: gone", tt.name)
		}
	}
}

// The executable's name is asked for once: what the process becomes later does not change its labels.
func TestVagueNameStays(t *testing.T) {
	h, r := newFakeHost(t)
	w := kernel.Workload{ID: 1, CgroupID: h.run("/x.scope", process{"MainThread", "/usr/bin/node", ""}), Command: "MainThread"}
	r.Resolve(w)
	h.check(os.RemoveAll(filepath.Join(h.proc, strconv.Itoa(h.pid))))
	if got, _ := r.Resolve(w); got.Workload != "node" {
		t.Errorf("%+v", got)
	}
}

// A host without cgroup2 has no processes of a cgroup: all are looked at.
func TestVagueNameWithoutCgroups(t *testing.T) {
	h, r := newFakeHost(t)
	h.run("/x", process{"MainThread", "/usr/bin/node", ""}, process{"cat", "/bin/cat", ""})
	r.tree.root = ""
	if got, state := r.Resolve(kernel.Workload{ID: 1, CgroupID: 1, Command: "MainThread"}); got.Workload != "node" || state != Final {
		t.Errorf("%+v, state %d", got, state)
	}
}

// On a real procfs the link of the own process can be read, and another process of another user need not be.
func TestExecutableOfSelf(t *testing.T) {
	r, err := NewResolver(Options{})
	if err != nil {
		t.Fatal(err)
	}
	comm, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Skip("no procfs")
	}
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if got := r.executableOf(strconv.Itoa(os.Getpid()), string(comm[:len(comm)-1])); got != filepath.Base(path) {
		t.Errorf("%q, want %q", got, filepath.Base(path))
	}
}
