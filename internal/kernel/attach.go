package kernel

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

// returnsFollowed is how many calls of one function a return probe can follow at one time: a thread
// that waits in recv() takes one. It is the most that the kernel allows (KRETPROBE_MAXACTIVE_MAX).
const returnsFollowed = 4096

// attachedTap is a tap with the way that was found for it.
type attachedTap struct {
	tap
	way      *way // nil if there is none
	programs []*ebpf.Program
	links    []link.Link
	passed   []string         // why the ways before this one were passed over
	filters  []*FilteredError // what seccomp filters refused on the way
	err      error            // without a way: why
}

// findWays loads and attaches each tap in the first way that this kernel takes.
func (k *Kernel) findWays(l *loader) {
	for _, t := range k.table {
		a := &attachedTap{tap: t}
		k.taps = append(k.taps, a)
		var reasons refusals
		for _, w := range t.waysFor(k.options.Mode, l.facts.release, l.facts.preempted) {
			err := a.try(l, w)
			if err == nil {
				break
			}
			reasons = append(reasons, err)
			a.filters = append(a.filters, filtersOf(err)...)
			a.passed = append(a.passed, fmt.Sprintf("%s: %s", w.mode, oneLine(err)))
		}
		if a.way == nil {
			a.err = reasons
			if reasons == nil {
				a.err = fmt.Errorf("%w: attach mode %s has no way to hook this tap", ErrUnsupported, k.options.Mode)
			}
		}
	}
	k.dropHalf()
}

// refusals are why each way of a tap was refused, in one line.
type refusals []error

func (r refusals) Error() string {
	var lines []string
	for _, err := range r {
		lines = append(lines, oneLine(err))
	}
	return strings.Join(lines, "; ")
}

func (r refusals) Unwrap() []error { return r }

// dropHalf detaches the data tap whose other half is missing: with one direction only, every
// exchange would count as lost.
func (k *Kernel) dropHalf() {
	read, written := k.tap("data_read"), k.tap("data_written")
	for _, half := range []struct{ a, b *attachedTap }{{read, written}, {written, read}} {
		if half.a == nil || half.b == nil || half.a.way == nil || half.b.way != nil {
			continue
		}
		_ = half.a.close() // whatever it says, the tap does not count
		half.a.way = nil
		half.a.err = fmt.Errorf("useless without %s, which cannot be attached", half.b.name)
	}
}

func (k *Kernel) tap(name string) *attachedTap {
	for _, t := range k.taps {
		if t.name == name {
			return t
		}
	}
	return nil
}

// try loads and attaches the tap in one way, which becomes its way.
func (a *attachedTap) try(l *loader, w way) error {
	if err := w.available(l.facts); err != nil {
		return err
	}
	loaded := make(map[string]*ebpf.Program)
	a.way = &way{mode: w.mode, since: w.since, twice: w.twice}
	for _, h := range w.all() {
		if h.until != 0 && l.facts.release >= h.until && !l.facts.hasFunction(h.target) {
			continue
		}
		p := loaded[h.program]
		if p == nil || w.twice {
			var err error
			if p, err = l.program(h.program); err != nil {
				return errors.Join(explainLoad(err), a.giveUp())
			}
			loaded[h.program] = p
		}
		a.way.hooks = append(a.way.hooks, h)
		a.programs = append(a.programs, p)
	}
	if err := a.attach(); err != nil {
		return errors.Join(explainAttach(err), a.giveUp())
	}
	return nil
}

// available tells cheaply why a way does not exist on this kernel: its tracepoint is missing, or its function.
func (w way) available(f *facts) error {
	for _, h := range w.hooks {
		switch h.kind {
		case rawTracepoint, perfTracepoint:
			if f.tracepointArguments(h.tracepoint()) < 0 {
				return fmt.Errorf("%w: no tracepoint %s (Linux %s has it)", ErrUnsupported, h.tracepoint(), w.since)
			}
		default:
			if h.until == 0 && !strings.HasPrefix(h.target, "inet6_") && !f.hasFunction(h.target) {
				return fmt.Errorf("%w: no function %s", ErrUnsupported, h.target)
			}
		}
	}
	return nil
}

// attach attaches the programs of the tap's way.
func (a *attachedTap) attach() error {
	if a.way == nil {
		return nil
	}
	for i, h := range a.way.hooks {
		l, err := h.attach(a.programs[i])
		if err != nil {
			if h.perf() {
				err = perfError{err}
			}
			return errors.Join(fmt.Errorf("attach %s: %w", h.target, err), a.detach())
		}
		a.links = append(a.links, l)
	}
	return nil
}

func (h hook) attach(p *ebpf.Program) (link.Link, error) {
	switch h.kind {
	case rawTracepoint:
		return link.AttachRawTracepoint(link.RawTracepointOptions{Name: h.target, Program: p})
	case perfTracepoint:
		group, name, _ := strings.Cut(h.target, "/")
		return link.Tracepoint(group, name, p, nil)
	case trampoline:
		return link.AttachTracing(link.TracingOptions{Program: p})
	case kprobe:
		return link.Kprobe(h.target, p, nil)
	default:
		// How many calls it follows can only be set through tracefs; else it is a handful.
		l, err := link.Kretprobe(h.target, p, &link.KprobeOptions{
			RetprobeMaxActive: returnsFollowed, TraceFSPrefix: probePrefix,
		})
		if err != nil {
			return link.Kretprobe(h.target, p, nil)
		}
		return l, nil
	}
}

// detach closes the links, in reverse order.
func (a *attachedTap) detach() error {
	var errs []error
	for _, l := range slices.Backward(a.links) {
		errs = append(errs, l.Close())
	}
	a.links = nil
	return errors.Join(errs...)
}

// close detaches and unloads the programs.
func (a *attachedTap) close() error {
	err := a.detach()
	for _, p := range a.programs {
		_ = p.Close() // the same program may stand there twice
	}
	a.programs = nil
	return err
}

func (a *attachedTap) giveUp() error {
	a.way = nil
	return a.close()
}

// Attach attaches the programs again after [Kernel.Detach].
func (k *Kernel) Attach() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.attached {
		return nil
	}
	for _, t := range k.taps {
		if err := t.attach(); err != nil {
			return errors.Join(explainAttach(err), k.detachLocked())
		}
	}
	return k.startLocked()
}

// start lets the programs count, now that all are attached.
func (k *Kernel) start() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.startLocked()
}

func (k *Kernel) startLocked() error {
	// What ended while nothing was attached must not be taken for what came in its place.
	if err := k.sweepLocked(); err != nil {
		return errors.Join(err, k.detachLocked())
	}
	k.attached = true
	return k.setAttached(true)
}

// setAttached tells the programs whether all of them run.
func (k *Kernel) setAttached(attached bool) error {
	if err := k.variables.Attached.Set(attached); err != nil {
		return fmt.Errorf("switch the programs: %w", err)
	}
	return nil
}

// Detach takes all programs off their taps; what was counted stays readable.
func (k *Kernel) Detach() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.detachLocked()
}

func (k *Kernel) detachLocked() error {
	if k.variables.Attached == nil {
		return nil // nothing was loaded
	}
	errs := []error{k.setAttached(false)}
	k.attached = false
	for _, t := range slices.Backward(k.taps) {
		errs = append(errs, t.detach())
	}
	return errors.Join(errs...)
}

// Taps tells how each tap is attached.
func (k *Kernel) Taps() []Tap {
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []Tap
	for _, t := range k.taps {
		tap := Tap{Name: t.name, Mode: string(ModeNone), Err: t.err, Passed: t.passed}
		if t.way != nil {
			tap.Mode = string(t.way.mode)
			for _, h := range t.way.hooks {
				tap.Hooks = append(tap.Hooks, h.String())
			}
			tap.Hooks = slices.Compact(tap.Hooks)
		}
		out = append(out, tap)
	}
	return out
}
