package doctor

import (
	"fmt"
	"io/fs"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/fathomhq/fathom/internal/hostfile"
	"github.com/fathomhq/fathom/internal/preemption"
	"github.com/fathomhq/fathom/internal/privileges"
)

// host is what the files of a host tell.
type host struct {
	release, version, machine string // of uname(2)
	preemption                preemption.Model
	btf                       error
	lockdown                  string // the mode; empty if there is none
	filtered                  bool   // a seccomp filter is in force
	cgroup                    cgroups
	tracefs                   tracefs
	memlock                   uint64   // RLIMIT_MEMLOCK, soft, in bytes
	foreign                   []string // the namespaces that are not the host's own
}

// cgroups are the hierarchies that are mounted.
type cgroups struct {
	v2 string // where version 2 is mounted; empty: it is not
	v1 bool
}

// tracefs is where and whether tracefs can be used.
type tracefs struct {
	mount    string // empty: it is not mounted
	readable error
	writable error // of what return probes are made with
}

// readHost reads what is below ROOT and asks the kernel about this process.
func readHost(root fs.ReadLinkFS) (host, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return host{}, fmt.Errorf("ask for the kernel's release: %w", err)
	}
	h := host{
		release: unix.ByteSliceToString(u.Release[:]),
		version: unix.ByteSliceToString(u.Version[:]),
		machine: unix.ByteSliceToString(u.Machine[:]),
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
		return host{}, fmt.Errorf("ask for the limit of locked memory: %w", err)
	}
	h.memlock = limit.Cur
	h.readFiles(root)
	return h, nil
}

func (h *host) readFiles(root fs.ReadLinkFS) {
	h.preemption = preemption.Read(root, h.release, h.version)
	_, h.btf = fs.Stat(root, "sys/kernel/btf/vmlinux")
	h.lockdown = bracketed(hostfile.Read(root, "sys/kernel/security/lockdown"))
	h.filtered = privileges.Filtered(root)
	h.readMounts(hostfile.Read(root, "proc/self/mounts"))
	if h.tracefs.mount != "" {
		_, h.tracefs.readable = fs.Stat(root, path.Join(h.tracefs.mount[1:], "events"))
		h.tracefs.writable = unix.Faccessat(unix.AT_FDCWD, path.Join(h.tracefs.mount, "kprobe_events"), unix.W_OK, unix.AT_EACCESS)
	}
	h.foreign = foreignNamespaces(root)
}

// readMounts reads /proc/self/mounts, of which the first mount of each kind counts.
func (h *host) readMounts(mounts string) {
	for line := range strings.Lines(mounts) {
		fields := strings.Fields(line) // source, place, type, options
		if len(fields) < 4 {
			continue
		}
		switch fields[2] {
		case "cgroup2":
			if h.cgroup.v2 == "" {
				h.cgroup.v2 = fields[1]
			}
		case "cgroup":
			h.cgroup.v1 = true
		case "tracefs":
			if h.tracefs.mount == "" {
				h.tracefs.mount = fields[1]
			}
		}
	}
}

// The numbers of the namespaces that a kernel starts with (include/uapi/linux/nsfs.h; before 6.18 in
// include/linux/proc_ns.h).
var firstNamespaces = []struct{ file, name, link string }{
	{"user", "user", "user:[4026531837]"},
	{"pid", "PID", "pid:[4026531836]"},
	{"cgroup", "cgroup", "cgroup:[4026531835]"},
}

func foreignNamespaces(root fs.ReadLinkFS) (foreign []string) {
	for _, n := range firstNamespaces {
		if link, err := root.ReadLink("proc/self/ns/" + n.file); err == nil && link != n.link {
			foreign = append(foreign, n.name)
		}
	}
	return foreign
}

// bracketed returns the [chosen] one of several values, as the kernel writes them.
func bracketed(s string) string { return between(s, "[", "]") }

func between(s, left, right string) string {
	_, rest, _ := strings.Cut(s, left)
	value, _, found := strings.Cut(rest, right)
	if !found {
		return ""
	}
	return value
}
