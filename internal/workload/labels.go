// Package workload tells who a workload of the kernel side is: from the cgroup
// and the command that the kernel saw to the labels that the user sees.
//
// On a plain host the innermost part of the cgroup's path that means something
// decides: a container, a systemd unit, otherwise the name of the process. No
// container runtime and no service manager is asked.
package workload

import (
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/fathomhq/fathom/internal/kernel"
)

// The values of [Labels.Kind] on a host without Kubernetes.
const (
	KindUnit      = "unit"      // a unit of the system's systemd
	KindUserUnit  = "user_unit" // a unit of a user's systemd, who chose its name
	KindContainer = "container" // a container known by its cgroup only
	KindProcess   = "process"   // neither: the name of the thread group leader, or of its program where a runtime chose the former
)

// Unknown is the name of a workload of which no process was seen.
const Unknown = "unknown"

// maxName bounds a label value in bytes. File names, and so cgroup directories and
// systemd units, have at most 255 (NAME_MAX).
const maxName = 255

// Labels name a workload. Empty fields make no sense for its kind.
type Labels struct {
	Namespace string // Kubernetes namespace
	Workload  string // unit with its suffix, short container id, or name of the process; in Kubernetes the name of what made the pod
	Kind      string // one of the Kind constants, or Kubernetes' kind of what made the pod, as Deployment
	Pod       string // Kubernetes pod
	Container string // short container id, or name of an LXC container or a machine; in Kubernetes the name of the container
	// Chosen are the values of [Pod.Chosen], each followed by a NUL.
	Chosen string
}

// State says what an answer of [Resolver.Resolve] is worth.
type State uint8

// The states.
const (
	// Final answers stay until the kernel side uses the id for another workload.
	Final State = iota
	// Pending labels are not to be shown: the pod, or the name of the container, is on its way.
	Pending
	// Provisional labels are shown for as long as the pod stays unknown: its numbers belong to its own
	// labels as soon as they are there.
	Provisional
	// Hidden workloads are not to be shown: the user excluded them, or they are of another node that shares this kernel.
	Hidden
)

// labelsOf applies the rules of the package to a parsed cgroup path and the name of
// a process.
func labelsOf(c Cgroup, process string) Labels {
	l := Labels{Container: clean(shortID(c.ContainerID))}
	switch {
	case c.Unit != "":
		l.Workload, l.Kind = clean(c.Unit), KindUnit
		if c.User {
			l.Kind = KindUserUnit
		}
	case c.ContainerID != "":
		l.Workload, l.Kind = l.Container, KindContainer
	default:
		l.Workload, l.Kind = clean(process), KindProcess
	}
	if l.Workload == "" {
		l.Workload = Unknown
	}
	return l
}

// pathOf joins the names that the kernel side noted, innermost first, to the end of a path, and tells whether they are
// all of it.
func pathOf(w kernel.Workload) (path string, whole bool) {
	var b strings.Builder
	whole = len(w.CgroupNames) > 0 && len(w.CgroupNames) < kernel.MaxCgroupNames
	for _, name := range slices.Backward(w.CgroupNames) {
		if len(name) >= kernel.MaxCgroupName {
			name, whole = mend(name), false
		}
		b.WriteByte('/')
		b.WriteString(name)
	}
	return b.String(), whole
}

// mend gives the name of a unit that was cut its end back where that is certain: what has a number and the local end of
// a connection is the service for it. With two long IPv6 addresses these names have up to 160 bytes.
func mend(cut string) string {
	name, instance, _ := strings.Cut(cut, "@")
	if local, _, ok := strings.Cut(endsOf(instance), "-"); name != "" && ok && isEnd(local) {
		return name + "@.service"
	}
	return cut
}

// clean makes a name that anybody could have chosen fit for a label value:
// UTF-8 without characters that are invisible or break lines, and at most
// maxName bytes. Different long names stay different. A name of nothing but blanks is still a name.
func clean(s string) string {
	empty := s == ""
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsGraphic(r) || unicode.In(r, unicode.Zl, unicode.Zp) {
			return '\uFFFD'
		}
		return r
	}, s)
	s = strings.TrimSpace(s)
	if s == "" && !empty {
		return "\uFFFD"
	}
	if len(s) <= maxName {
		return s
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(s)) // never fails
	tail := "~" + strconv.FormatUint(uint64(h.Sum32()), 16)
	cut := maxName - len(tail)
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + tail
}
