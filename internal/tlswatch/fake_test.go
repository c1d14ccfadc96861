package tlswatch

import (
	"context"
	"io"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fathomhq/fathom/internal/tlslib"
)

// fake is a kernel side that notes what it is told. Like the kernel, it holds the inodes to which it
// attaches.
type fake struct {
	asked chan uint32
	fail  error // of Attach

	mu       sync.Mutex
	changed  chan struct{} // closed at each change, and made anew
	told     map[uint32]Process
	tells    int
	forgets  map[uint32]int
	attached map[uint64]int // by inode
	attaches int
	libs     []tlslib.Library
}

func newFake() *fake {
	return &fake{
		asked: make(chan uint32), changed: make(chan struct{}), told: make(map[uint32]Process),
		forgets: make(map[uint32]int), attached: make(map[uint64]int),
	}
}

func (f *fake) Asked(ctx context.Context) (uint32, error) {
	select {
	case pid, ok := <-f.asked:
		if !ok {
			return 0, os.ErrClosed
		}
		return pid, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// note changes something under the lock.
func (f *fake) note(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
	close(f.changed)
	f.changed = make(chan struct{})
}

// await waits until something holds.
func (f *fake) await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		f.mu.Lock()
		ok, changed := holds(), f.changed
		f.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-time.After(10 * time.Millisecond): // what the watch says is not noted here
		case <-deadline:
			t.Fatalf("waited for %s: %+v", what, f)
		}
	}
}

func (f *fake) Attach(path string, library tlslib.Library) (io.Closer, error) {
	if f.fail != nil {
		return nil, f.fail
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	var s unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &s); err != nil {
		return nil, err
	}
	f.note(func() {
		f.attached[s.Ino]++
		f.attaches++
		f.libs = append(f.libs, library)
	})
	return &attachedFile{f, file, s.Ino}, nil
}

type attachedFile struct {
	fake *fake
	file *os.File
	ino  uint64
}

func (a *attachedFile) Close() error {
	a.fake.note(func() {
		if a.fake.attached[a.ino]--; a.fake.attached[a.ino] == 0 {
			delete(a.fake.attached, a.ino)
		}
	})
	return a.file.Close()
}

func (f *fake) Tell(pid uint32, about Process) error {
	f.note(func() {
		f.told[pid] = about
		f.tells++
	})
	return nil
}

func (f *fake) Forget(pid uint32) error {
	f.note(func() {
		delete(f.told, pid)
		f.forgets[pid]++
	})
	return nil
}

// awaitTold waits until something was told about a process and returns it.
func (f *fake) awaitTold(t testing.TB, pid uint32) Process {
	t.Helper()
	var about Process
	f.await(t, "news of a process", func() bool {
		var ok bool
		about, ok = f.told[pid]
		return ok
	})
	return about
}

// ask asks about a process and returns what is told.
func (f *fake) ask(t testing.TB, pid uint32) Process {
	t.Helper()
	f.asked <- pid
	return f.awaitTold(t, pid)
}

func (f *fake) count(of func() int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return of()
}

// start runs a watch of the fake until the test ends. The processes that run already are not scanned.
func (f *fake) start(t testing.TB, change func(*Watch)) *Watch {
	t.Helper()
	w := New(f, Options{Grace: time.Hour})
	w.pauses = []time.Duration{time.Millisecond, time.Millisecond}
	w.scanned = func() ([]uint32, error) { return nil, nil }
	if change != nil {
		change(w)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		if n := f.count(func() int { return len(f.attached) }); n != 0 {
			t.Errorf("%d files are still probed", n)
		}
	})
	return w
}
