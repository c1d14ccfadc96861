package tlswatch

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/fathomhq/fathom/internal/tlslib"
)

// next is what has to be done with a job that was worked on.
type next uint8

const (
	finished next = iota
	later         // nothing was found: a program that has just begun may load its library yet
	explain       // nothing was found, and nothing will be: the reason takes reading whole files
)

// examine looks at a process, has its libraries probed and tells about it.
func (w *Watch) examine(ctx context.Context, j job) next {
	p, err := openProcess(w.options.Proc, j.pid)
	if err != nil {
		w.leave(j, err)
		return finished
	}
	defer p.close()
	v, err := w.look(ctx, p)
	if err != nil {
		if isPassing(err) && j.asked && j.try < len(w.pauses) {
			return later // what was inspected is remembered: the next look gets further
		}
		w.fail(j, p, err)
		return finished
	}
	defer v.close()
	held, err := w.attach(ctx, v)
	if len(held) > 0 {
		w.learn(j.pid, p, readBy(held), held)
		if j.asked && w.options.Lag != nil {
			w.options.Lag(time.Since(j.at))
		}
		return finished
	}
	if !j.asked {
		return finished
	}
	return w.giveReason(ctx, j, p, v, err)
}

// giveReason tells why nothing of a process is probed, once it is clear.
func (w *Watch) giveReason(ctx context.Context, j job, p procdir, v *view, attach error) next {
	final := v.java || attach != nil && !isPassing(attach)
	switch {
	case !final && j.try < len(w.pauses):
		return later
	case attach != nil:
		w.learn(j.pid, p, Process{Opaque: NotPermitted}, nil)
	case !j.explain:
		return explain
	default:
		w.learn(j.pid, p, Process{Opaque: v.opaque(ctx, explainer(w.guard, p))}, nil)
	}
	return finished
}

// isPassing tells whether it may go better the next time.
func isPassing(err error) bool { return errors.Is(err, errSlow) || errors.Is(err, errBusy) }

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
			about.Libraries = append(about.Libraries, l)
		}
	}
	return about
}

// fail tells that a process could not be looked at.
func (w *Watch) fail(j job, p procdir, err error) {
	if isGone(err) || !p.isAlive() {
		w.leave(j, fs.ErrNotExist)
		return
	}
	w.faults.count("maps", err)
	w.log.Debug("looking at a process failed", "pid", j.pid, "error", err)
	if j.asked {
		w.learn(j.pid, p, Process{Opaque: opaqueOf(err)}, nil)
	}
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
