package tlswatch

import (
	"container/list"
	"context"
	"errors"
	"io"
	"sync"

	"github.com/fathomhq/fathom/internal/tlslib"
)

// maxInspected bounds how many files' results are kept, those that were not asked for longest given up
// first. A host has some hundred libraries, and each image brings its own.
const maxInspected = 8192

// inspected is what is known of one version of a file. Its fields are set when done is closed.
type inspected struct {
	of       version
	done     chan struct{}
	libs     *tlslib.File
	err      error // of Inspect
	explain  sync.Mutex
	why      error // of Explain, nil before
	lastUsed *list.Element
}

// inspector inspects each version of a file once, however many processes map it and ask at once. A
// file that was changed in place has another version: its ctime cannot be set at will.
type inspector struct {
	mu    sync.Mutex
	known map[version]*inspected
	used  *list.List // of *inspected, the last used in front
	count uint64     // how many were inspected

	faults *faults // nil if nobody counts
}

func newInspector() *inspector {
	return &inspector{known: make(map[version]*inspected), used: list.New()}
}

// inspect returns what is known of a file, and waits for it until the context ends.
func (i *inspector) inspect(ctx context.Context, m *mapped) (*inspected, error) {
	e, mine := i.entry(m.version)
	if mine {
		i.fill(ctx, e, m)
	}
	select {
	case <-e.done:
		return e, nil
	case <-ctx.Done():
		return nil, errSlow
	}
}

// entry returns a version's entry, and whether the caller has to fill it.
func (i *inspector) entry(v version) (*inspected, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if e, ok := i.known[v]; ok {
		i.used.MoveToFront(e.lastUsed)
		return e, false
	}
	e := &inspected{of: v, done: make(chan struct{})}
	e.lastUsed = i.used.PushFront(e)
	i.known[v] = e
	i.count++
	if i.used.Len() > maxInspected {
		i.remove(i.used.Back().Value.(*inspected))
	}
	return e, true
}

func (i *inspector) remove(e *inspected) {
	if i.known[e.of] == e {
		delete(i.known, e.of)
		i.used.Remove(e.lastUsed)
	}
}

// fill inspects a file. What could not be read, for lack of time or for an error of the device, is not
// kept: it may be read the next time.
func (i *inspector) fill(ctx context.Context, e *inspected, m *mapped) {
	e.libs, e.err = readWith(ctx, m, tlslib.Inspect)
	if e.err != nil && !tlslib.IsNoTLS(e.err) && i.faults != nil {
		i.faults.count("inspect", e.err)
	}
	if e.err != nil && !isLasting(e.err) {
		i.mu.Lock()
		i.remove(e)
		i.mu.Unlock()
	}
	close(e.done)
}

// isLasting tells whether the error is the file's own.
func isLasting(err error) bool {
	e, ok := errors.AsType[*tlslib.Error](err)
	return ok && e.Reason != tlslib.Unreadable
}

// explained says why Inspect found nothing, see [tlslib.Explain]. It reads the file once.
func (e *inspected) explained(ctx context.Context, m *mapped) error {
	e.explain.Lock()
	defer e.explain.Unlock()
	if e.why != nil {
		return e.why
	}
	_, err := readWith(ctx, m, func(r io.ReaderAt, size int64) (struct{}, error) {
		return struct{}{}, tlslib.Explain(r, size)
	})
	if isLasting(err) {
		e.why = err
	}
	return err
}

// readWith opens a file and reads it until the context ends.
func readWith[T any](ctx context.Context, m *mapped, read func(io.ReaderAt, int64) (T, error)) (T, error) {
	f, err := m.read()
	if err != nil {
		var none T
		return none, err
	}
	defer f.Close()
	return read(timed{ctx, f}, m.size)
}

// timed fails once the context has ended.
type timed struct {
	ctx context.Context
	io.ReaderAt
}

// ReadAt reads, unless it is too late.
func (t timed) ReadAt(p []byte, offset int64) (int, error) {
	if t.ctx.Err() != nil {
		return 0, errSlow
	}
	return t.ReaderAt.ReadAt(p, offset)
}
