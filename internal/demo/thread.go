package demo

import "runtime"

// thread runs functions on one OS thread that lives until close. Two things
// need it: a network namespace belongs to a thread, and a child's
// "kill me when my parent dies" (prctl(2), PR_SET_PDEATHSIG) means the
// thread that started it.
type thread struct {
	calls chan func()
	ended chan struct{}
}

func newThread() *thread {
	t := &thread{calls: make(chan func()), ended: make(chan struct{})}
	go func() {
		// Never unlocked: the thread ends with the goroutine, and nothing else
		// comes to run in its namespace.
		runtime.LockOSThread()
		defer close(t.ended)
		for f := range t.calls {
			f()
		}
	}()
	return t
}

// do runs f on the thread and waits for it.
func (t *thread) do(f func() error) error {
	result := make(chan error, 1)
	t.calls <- func() { result <- f() }
	return <-result
}

// close ends the thread, and with it the children that it started.
func (t *thread) close() {
	close(t.calls)
	<-t.ended
}
