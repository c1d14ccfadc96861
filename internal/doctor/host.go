package doctor

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// host is what the files of a host tell.
type host struct {
	release, version, machine string // of uname(2)
	preemption                preemption
	btf                       error
	lockdown                  string // the mode; empty if there is none
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
	h.preemption = readPreemption(root, h.release, h.version)
	_, h.btf = fs.Stat(root, "sys/kernel/btf/vmlinux")
	h.lockdown = bracketed(read(root, "sys/kernel/security/lockdown"))
	h.readMounts(read(root, "proc/self/mounts"))
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

// preemption is when this kernel takes the CPU from a task that runs in it.
type preemption struct {
	model  string // none, voluntary, lazy, full, real-time; with "or" if either; unknown
	source string // where that stands
}

const unknown = "unknown"

// possible tells whether a task can be preempted inside a program; in doubt it can.
func (p preemption) possible() bool {
	return !slices.Contains([]string{"none", "voluntary", "none or voluntary"}, p.model)
}

// readPreemption asks, in this order: debugfs, which only root may read; the kernel's version string (see
// init/Makefile of Linux); where that says that the model is chosen at boot, the command line and the
// kernel's configuration.
func readPreemption(root fs.FS, release, version string) preemption {
	const debugfs = "sys/kernel/debug/sched/preempt"
	if model := parenthesized(read(root, debugfs)); model != "" {
		return preemption{model, "/" + debugfs}
	}
	words := strings.Fields(version)
	switch {
	case slices.Contains(words, "PREEMPT_RT"):
		return preemption{"real-time", "uname -v"}
	case slices.Contains(words, "PREEMPT_DYNAMIC"):
		return chosenPreemption(root, release)
	case slices.Contains(words, "PREEMPT"):
		if p := configured(root, release); p.model != unknown {
			return p
		}
		return preemption{"lazy or full", "uname -v"}
	default:
		return preemption{"none or voluntary", "uname -v"}
	}
}

func chosenPreemption(root fs.FS, release string) preemption {
	var chosen preemption
	for word := range strings.FieldsSeq(read(root, "proc/cmdline")) {
		if model, ok := strings.CutPrefix(word, "preempt="); ok {
			chosen = preemption{model, "/proc/cmdline"} // the last one counts
		}
	}
	if chosen.model != "" {
		return chosen
	}
	return configured(root, release)
}

// configured returns the model that the kernel was configured with.
func configured(root fs.FS, release string) preemption {
	for _, config := range []struct{ name, text string }{
		{"/proc/config.gz", gunzip(read(root, "proc/config.gz"))},
		{"/boot/config-" + release, read(root, "boot/config-"+release)},
	} {
		for option, model := range map[string]string{ // one of them is set
			"CONFIG_PREEMPT_NONE=y": "none", "CONFIG_PREEMPT_VOLUNTARY=y": "voluntary",
			"CONFIG_PREEMPT_LAZY=y": "lazy", "CONFIG_PREEMPT=y": "full",
		} {
			if strings.Contains(config.text, "\n"+option+"\n") {
				return preemption{model, config.name}
			}
		}
	}
	return preemption{unknown, "chosen at boot; root can read /sys/kernel/debug/sched/preempt"}
}

// maxFile bounds what is read of a file. A kernel's configuration has 300 KB.
const maxFile = 4 << 20

// read returns a file's text, empty if it cannot be read.
func read(root fs.FS, name string) string {
	f, err := root.Open(name)
	if err != nil {
		return ""
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile))
	if errors.Join(err, f.Close()) != nil {
		return ""
	}
	return string(text)
}

func gunzip(compressed string) string {
	r, err := gzip.NewReader(bytes.NewReader([]byte(compressed)))
	if err != nil {
		return ""
	}
	text, err := io.ReadAll(io.LimitReader(r, maxFile))
	if err != nil {
		return ""
	}
	return string(text)
}

// bracketed returns the [chosen] one of several values, as the kernel writes them.
func bracketed(s string) string { return between(s, "[", "]") }

// parenthesized is the same for a (chosen) one.
func parenthesized(s string) string { return between(s, "(", ")") }

func between(s, left, right string) string {
	_, rest, _ := strings.Cut(s, left)
	value, _, found := strings.Cut(rest, right)
	if !found {
		return ""
	}
	return value
}
