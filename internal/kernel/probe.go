package kernel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/fathomhq/fathom/internal/requirements"
)

// Probe is what [Open] would meet on this kernel.
type Probe struct {
	// Taps says how each tap can be attached. It is empty if that could not be tried.
	Taps []Tap
	// Situation says what the capabilities depend on.
	Situation requirements.Situation
	// Preemptible are the data taps whose programs a task can be preempted in, if the
	// kernel preempts tasks inside of it: runs are missed then.
	Preemptible []string
	// TLS says whether probes can be attached to libraries.
	TLS ProbeTLS
	// Filters are what seccomp filters have refused, one for each system call.
	Filters []*FilteredError
}

// Try loads and attaches what [Open] would, runs a sweep, and detaches all again. Nothing is
// counted meanwhile. The error is the one of Open; the result is valid with an error,
// too.
func Try(ctx context.Context, o Options) (Probe, error) {
	o, err := o.withDefaults()
	if err != nil {
		return Probe{}, err
	}
	k := newKernel(o, taps)
	short := memlockShort() // loading may raise the limit
	err = k.load()
	if err == nil {
		err = k.useful()
	}
	if err == nil {
		err = explainSweep(k.Sweep())
	}
	probe := k.Probe()
	if err == nil && o.TLS {
		probe.TLS.Err = k.TryTLS()
		if probe.TLS.Tried = !errors.Is(probe.TLS.Err, errNoSample); !probe.TLS.Tried {
			probe.TLS.Err = nil
		}
	}
	probe.Filters = filtersOf(append(k.refusals(), err, probe.TLS.Err)...)
	sufficed := err == nil && memlockShort()
	probe.Situation.MemlockShort = short && !sufficed
	return probe, errors.Join(err, ctx.Err(), k.Close())
}

// Probe tells what Open has met.
func (k *Kernel) Probe() Probe {
	return Probe{
		Taps: k.Taps(), Situation: k.situation(), Preemptible: k.preemptible(), TLS: ProbeTLS{Links: k.linksProbes()},
		Filters: filtersOf(k.refusals()...),
	}
}

// refusals are what seccomp filters have refused when taps were attached.
func (k *Kernel) refusals() (found []error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, t := range k.taps {
		for _, f := range t.filters {
			found = append(found, f)
		}
	}
	return found
}

// situation says what decides about the capabilities that are needed: this kernel's release, its
// settings, the limits of this process, and the ways of attaching that come first here.
func (k *Kernel) situation() requirements.Situation {
	s := requirements.Situation{
		Root:            os.Geteuid() == 0,
		PerfParanoid:    perfParanoid(),
		MemlockShort:    memlockShort(),
		ProcessesHidden: processesHidden(),
	}
	version, err := runningRelease()
	if err == nil {
		s.Release = uint32(version)
	}
	if s.TLS = k.options.TLS; s.TLS && !k.linksProbes() {
		s.Uses |= requirements.PerfUprobes
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, t := range k.taps {
		if w := t.preferred(k.options.Mode, version, k.preempted); w != nil {
			s.Uses |= w.uses()
		}
	}
	return s
}

// preferred returns the first way that this kernel has, whether or not this process may take it.
func (a *attachedTap) preferred(m Mode, r release, preempted bool) *way {
	ways := a.waysFor(m, r, preempted)
	for i, reason := range a.passed {
		if strings.Contains(reason, ErrPermission.Error()) && i < len(ways) {
			return &ways[i]
		}
	}
	return a.way
}

// uses says what attaching in this way takes beyond loading programs.
func (w *way) uses() (u requirements.Use) {
	for _, h := range w.hooks {
		switch h.kind {
		case perfTracepoint:
			u |= requirements.PerfEvents | requirements.TracepointIDs
		case kprobe:
			u |= requirements.PerfEvents
		case kretprobe:
			u |= requirements.PerfEvents | requirements.ReturnProbes
		}
	}
	return u
}

// preemptible returns the data taps that are attached in a way that runs programs with preemption enabled.
func (k *Kernel) preemptible() (names []string) {
	version, err := runningRelease()
	if err != nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, t := range k.taps {
		// The other taps are attached twice, run in softirqs only, or seldom.
		if t.way != nil && (t.name == "data_read" || t.name == "data_written") && t.way.hooks[0].preemptible(version) {
			names = append(names, t.name)
		}
	}
	return names
}

// preemptible tells whether a task can be preempted inside the program, and the kernel then skips the
// program on that CPU: trampolines only disable migration (__bpf_prog_enter(), which looks for
// recursion since 5.12).
func (h hook) preemptible(r release) bool {
	switch h.kind {
	case rawTracepoint:
		return r >= preemptibleTracepoints
	case trampoline:
		return r >= linux(5, 12)
	default:
		return false
	}
}

func memlockShort() bool {
	var limit unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit)
	return err == nil && limit.Cur != unix.RLIM_INFINITY
}

// processesHidden tells whether /proc hides the processes of others (hidepid of proc(5)).
func processesHidden() bool {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); len(fields) > 3 && fields[1] == "/proc" {
			return strings.Contains(fields[3], "hidepid=")
		}
	}
	return false
}

// runningRelease returns the major and minor version of this kernel. (The version that the library finds is
// that of the vDSO, which it reads from /proc/self/mem: a process that has its capabilities from its file
// may not open that.)
func runningRelease() (release, error) {
	text, err := releaseText()
	if err != nil {
		return 0, err
	}
	return parseRelease(text)
}

func releaseText() (string, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "", fmt.Errorf("ask for the kernel's release: %w", err)
	}
	return unix.ByteSliceToString(u.Release[:]), nil
}

// parseRelease reads the beginning of a release such as 6.1.0-50-cloud-amd64.
func parseRelease(text string) (release, error) {
	var major, minor uint32
	if _, err := fmt.Sscanf(text, "%d.%d", &major, &minor); err != nil {
		return 0, fmt.Errorf("kernel release %q: %w", text, err)
	}
	return linux(major, minor), nil
}

// harmlessReturns tells whether return probes do no harm on a release of the kernel. On x86-64 they are a system call from 6.11
// on (upstream ff474a78cef5), for which seccomp filters kill a process until 6.14 (upstream cf6cb56ef244, in the stable releases
// 6.12.14 and 6.13.3). A release that does not tell its third number is taken for one without.
func harmlessReturns(text, arch string) bool {
	r, err := parseRelease(text)
	if err != nil {
		return false
	}
	if arch != "amd64" || r < linux(6, 11) || r >= linux(6, 14) {
		return true
	}
	var major, minor, patch uint32
	if _, err := fmt.Sscanf(text, "%d.%d.%d", &major, &minor, &patch); err != nil {
		return false
	}
	return r == linux(6, 12) && patch >= 14 || r == linux(6, 13) && patch >= 3
}
