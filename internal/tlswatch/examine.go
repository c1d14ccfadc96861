package tlswatch

import (
	"context"
	"errors"
	"io/fs"

	"github.com/fathomhq/fathom/internal/tlslib"
)

// examine looks at a process, has its libraries probed and tells about it. It returns true if nothing
// was found and it is too early to say so: a program that has just begun may load its library later.
func (w *Watch) examine(ctx context.Context, j job) (again bool) {
	p, err := openProcess(w.options.Proc, j.pid)
	if err != nil {
		w.leave(j, err)
		return false
	}
	defer p.close()
	v, err := w.look(ctx, p)
	if err != nil {
		if !isGone(err) && errors.Is(err, errSlow) && j.asked && j.try < len(w.pauses) {
			return true // what was inspected is remembered: the next look gets further
		}
		return w.fail(j, p, err)
	}
	defer v.close()
	held, attachErr := w.attach(ctx, v)
	if len(held) > 0 {
		w.learn(j.pid, p, readBy(held), held)
		return false
	}
	if !j.asked {
		return false
	}
	mayChange := attachErr == nil && !v.java || errors.Is(attachErr, errSlow) || errors.Is(attachErr, errBusy)
	if mayChange && j.try < len(w.pauses) {
		return true
	}
	reason := NotPermitted
	if attachErr == nil {
		reason = v.opaque(ctx, explainer(w.guard, p))
	}
	w.learn(j.pid, p, Process{Opaque: reason}, nil)
	return false
}

// look looks at a process for as long as patience lasts.
func (w *Watch) look(ctx context.Context, p procdir) (*view, error) {
	mine, err := p.duplicate()
	if err != nil {
		return nil, err
	}
	v, err := within(ctx, w.guard, patience, func(ctx context.Context) (*view, error) {
		defer mine.close()
		v, err := w.inspector.look(ctx, mine)
		if err != nil {
			v.close()
			return nil, err
		}
		return v, nil
	}, func(late *view) {
		if late != nil {
			late.close()
		}
	})
	if errors.Is(err, errBusy) {
		mine.close()
	}
	return v, err
}

// attach has the libraries of a view probed. It returns those that are, of which the caller owns
// references, and an error of those that are not.
func (w *Watch) attach(ctx context.Context, v *view) (held []*attachment, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, s := range v.libraries() {
		a, holdErr := w.attachments.hold(ctx, s.file, s.entry.libs.Libraries)
		if holdErr != nil {
			w.faults.count("attach", holdErr)
			err = errors.Join(err, holdErr)
			continue
		}
		if a.err != nil {
			w.attachments.release(a)
			err = errors.Join(err, a.err)
			continue
		}
		held = append(held, a)
	}
	return held, err
}

// readBy describes a process whose libraries are probed.
func readBy(held []*attachment) Process {
	about := Process{Opaque: Read}
	for _, a := range held {
		about.AttachedAt = max(about.AttachedAt, a.at)
		for _, l := range a.libs {
			about.Goroutines = about.Goroutines || l.Kind == tlslib.Go
		}
	}
	return about
}

// fail tells that a process could not be looked at.
func (w *Watch) fail(j job, p procdir, err error) (again bool) {
	if isGone(err) || !p.isAlive() {
		w.leave(j, fs.ErrNotExist)
		return false
	}
	w.faults.count("maps", err)
	w.log.Debug("looking at a process failed", "pid", j.pid, "error", err)
	if j.asked {
		w.learn(j.pid, p, Process{Opaque: opaqueOf(err)}, nil)
	}
	return false
}

// leave gives up a process that cannot be opened.
func (w *Watch) leave(j job, err error) {
	if !isGone(err) {
		w.faults.count("maps", err)
	}
	if old, ok := w.processes.remove(j.pid); ok {
		w.drop(old)
	}
	if j.asked {
		w.forget(j.pid)
	}
}

// learn tells about a process, remembers it and what it refers to, and waits for its end. What was
// known of the process before is replaced: it may run another program now.
func (w *Watch) learn(pid uint32, p procdir, about Process, held []*attachment) {
	k := known{pid: pid, about: about, held: held}
	old, replaced, ok := w.processes.set(&k)
	if !ok {
		w.faults.count("watch", errTooMany)
		w.drop(k)
		w.forget(pid)
		return
	}
	if replaced {
		w.drop(old)
	}
	w.tell(pid, about)
	if err := w.ends.add(k.token, pid, p); err != nil {
		if !isGone(err) {
			w.faults.count("watch", err)
		}
		w.ended(k.token)
	}
}

// ended forgets a process that has ended, unless its number has been given to another one.
func (w *Watch) ended(token uint64) {
	if k, ok := w.processes.end(token); ok {
		w.forget(k.pid)
		w.drop(k)
	}
}

// drop gives back what a process referred to.
func (w *Watch) drop(k known) {
	w.ends.remove(k.token)
	for _, a := range k.held {
		w.attachments.release(a)
	}
}
