package tlswatch

import (
	"context"
	"errors"
	"io"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fathomhq/fathom/internal/tlslib"
)

// attachment is the probes of one file. The fields above ready are guarded by the table's lock, those
// below are set when ready is closed.
type attachment struct {
	of    version
	refs  int
	idle  *time.Timer   // runs while there are no refs
	dying bool          // it is not to be taken any more
	gone  chan struct{} // closed once it is detached

	ready   chan struct{}
	libs    []tlslib.Library // that are probed
	closers []io.Closer
	at      uint64 // CLOCK_MONOTONIC in nanoseconds, when all were attached
	since   time.Time
	err     error // nil if at least one library is probed
}

// attachments holds what is attached: once per file, for as long as processes refer to it and a grace
// longer, so that a program that cron runs each minute is not probed anew each time.
type attachments struct {
	probes Probes
	guard  guard
	grace  time.Duration
	faults *faults

	mu     sync.Mutex
	all    map[identity]*attachment
	closed bool
}

// maxAttachments bounds the files that are probed at once. Each has some ten probes, each of which is a
// descriptor in the agent at worst.
const maxAttachments = 1024

var (
	errTooMany = errors.New("too many files are probed")
	errClosing = errors.New("the watch ends")
)

// hold has a file probed and returns its attachment, of which the caller owns a reference.
func (t *attachments) hold(ctx context.Context, file *mapped, libs []tlslib.Library) (*attachment, error) {
	a, mine, err := t.take(ctx, file.version)
	if err != nil {
		return nil, err
	}
	if mine {
		if err := t.start(a, file, libs); err != nil {
			a.err = err
			close(a.ready)
		}
	}
	select {
	case <-a.ready:
		return a, nil
	case <-ctx.Done():
		t.release(a)
		return nil, errSlow
	}
}

// take returns the attachment of a version with a reference more, and whether the caller has to attach.
func (t *attachments) take(ctx context.Context, v version) (a *attachment, mine bool, err error) {
	for {
		t.mu.Lock()
		a := t.all[v.identity]
		switch {
		case t.closed:
			t.mu.Unlock()
			return nil, false, errClosing
		case a == nil && len(t.all) >= maxAttachments:
			t.mu.Unlock()
			return nil, false, errTooMany
		case a == nil:
			a = &attachment{of: v, refs: 1, gone: make(chan struct{}), ready: make(chan struct{})}
			t.all[v.identity] = a
			t.mu.Unlock()
			return a, true, nil
		case !a.dying && a.serves(v, t.grace):
			a.refs++
			if a.idle != nil {
				a.idle.Stop()
				a.idle = nil
			}
			t.mu.Unlock()
			return a, false, nil
		}
		t.drop(a)
		t.mu.Unlock()
		select {
		case <-a.gone:
		case <-ctx.Done():
			return nil, false, errSlow
		}
	}
}

// serves tells whether an attachment is right for a version of its file: not if the file was written to
// since, and not if it failed long enough ago to be tried again. Unlinking a file sets ctime alone.
func (a *attachment) serves(v version, patience time.Duration) bool {
	select {
	case <-a.ready:
		return a.of.size == v.size && a.of.modified == v.modified && (a.err == nil || time.Since(a.since) < patience)
	default:
		return true // being attached just now
	}
}

// start attaches in the background: reading the file's page in the kernel may block. The descriptor is
// one of its own, since the caller may leave before.
func (t *attachments) start(a *attachment, file *mapped, libs []tlslib.Library) error {
	fd, err := unix.FcntlInt(uintptr(file.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return err
	}
	err = t.guard.start(func() {
		defer closeFD(fd)
		t.attach(a, "/proc/self/fd/"+strconv.Itoa(fd), libs)
		close(a.ready)
	})
	if err != nil {
		closeFD(fd)
	}
	return err
}

func (t *attachments) attach(a *attachment, path string, libs []tlslib.Library) {
	var errs []error
	for _, l := range libs {
		c, err := t.probes.Attach(path, l)
		if err != nil {
			t.faults.count("attach", err)
			errs = append(errs, err)
			continue
		}
		a.libs = append(a.libs, l)
		a.closers = append(a.closers, c)
	}
	a.at, a.since = monotonic(), time.Now()
	if len(a.libs) == 0 {
		a.err = errors.Join(errs...)
	}
}

// monotonic returns the time as bpf_ktime_get_ns does.
func monotonic() uint64 {
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) != nil {
		return 0 // cannot fail: the clock exists and the address is valid
	}
	return uint64(now.Nano())
}
