package tlswatch

import (
	"context"
	"errors"
	"time"
)

// How long anybody waits for what a process or its files are asked. It is long: what takes a
// millisecond elsewhere takes a hundred on a busy node.
const (
	patience        = time.Second
	explainPatience = 5 * time.Second // reads a whole file; see [tlslib.Explain]
)

// maxStuck bounds how many calls may run at once, each perhaps with a thread of its own: those that
// nobody waits for any more are among them, as on a network file system whose server is gone.
const maxStuck = 64

var (
	errSlow = errors.New("no answer in time")
	errBusy = errors.New("too many calls that do not return")
)

// guard bounds calls that may block for ever: open, stat and read of a file system in user space or of
// an unreachable server, or of the maps of a process that such a file system holds up.
type guard chan struct{}

func newGuard() guard { return make(guard, maxStuck) }

// start runs call in a goroutine of its own, or returns errBusy.
func (g guard) start(call func()) error {
	select {
	case g <- struct{}{}:
	default:
		return errBusy
	}
	go func() {
		defer func() { <-g }()
		call()
	}()
	return nil
}

// within runs call and returns what it returns, or errSlow when the time is up. In that case call still
// runs, and what it returns at last goes to discard.
func within[T any](ctx context.Context, g guard, limit time.Duration, call func(context.Context) (T, error), discard func(T)) (T, error) {
	type result struct {
		value T
		err   error
	}
	var none T
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	done, left := make(chan result), make(chan struct{})
	defer close(left)
	err := g.start(func() {
		value, err := call(ctx)
		select {
		case done <- result{value, err}:
		case <-left:
			discard(value)
		}
	})
	if err != nil {
		return none, err
	}
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		return none, errSlow
	}
}
