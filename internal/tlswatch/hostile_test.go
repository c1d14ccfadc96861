package tlswatch

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fathomhq/fathom/internal/tlslib"
)

// TestWithin leaves calls behind that do not return, and refuses more when there are too many.
func TestWithin(t *testing.T) {
	g := newGuard()
	release := make(chan struct{})
	var discarded atomic.Int32
	stuck := func() error {
		_, err := within(t.Context(), g, time.Millisecond, func(context.Context) (int, error) {
			<-release
			return 1, nil
		}, func(n int) { discarded.Add(int32(n)) })
		return err
	}
	for range maxStuck {
		if err := stuck(); !errors.Is(err, errSlow) {
			t.Fatal(err)
		}
	}
	if err := stuck(); !errors.Is(err, errBusy) {
		t.Errorf("one too many: %v", err)
	}
	close(release)
	for len(g) > 0 {
		time.Sleep(time.Millisecond)
	}
	if discarded.Load() != maxStuck {
		t.Errorf("discarded %d", discarded.Load())
	}
	n, err := within(t.Context(), g, time.Minute, func(context.Context) (int, error) { return 2, io.EOF }, nil)
	if n != 2 || !errors.Is(err, io.EOF) {
		t.Errorf("%d, %v", n, err)
	}
}

// slow is a kernel side that attaches to one library when it is let.
type slow struct {
	*fake
	first   atomic.Bool
	release chan struct{}
}

func (s *slow) Attach(path string, library tlslib.Library) (io.Closer, error) {
	if s.first.CompareAndSwap(false, true) {
		<-s.release
	}
	return s.fake.Attach(path, library)
}

// TestStuckAttach has one file's attaching take for ever. It holds up nobody else, who asks about the same
// file again waits for the same attaching, and in the end it is one.
func TestStuckAttach(t *testing.T) {
	f := newFake()
	s := &slow{fake: f, release: make(chan struct{})}
	f.start(t, func(w *Watch) {
		w.probes, w.attachments.probes = s, s
		w.pauses = nil
	})
	path := libssl(t, "libssl.so.3")
	stuck, other := loads(t, path), loads(t, libssl(t, "libssl.so.3"))
	f.asked <- stuck.pid()
	for !s.first.Load() {
		time.Sleep(time.Millisecond)
	}
	if about := f.ask(t, other.pid()); about.Opaque != Read {
		t.Errorf("another file: %+v", about)
	}
	if about := f.awaitTold(t, stuck.pid()); about.Opaque != NotPermitted {
		t.Errorf("while it is stuck: %+v", about)
	}
	close(s.release)
	f.await(t, "the attaching", func() bool { return f.attached[ino(t, path)] == 1 })
	f.asked <- stuck.pid()
	f.await(t, "the second answer", func() bool { return f.told[stuck.pid()].Opaque == Read })
	if f.attaches != 2 {
		t.Errorf("attached %d times", f.attaches)
	}
}

// TestAsksAtOnce asks for many processes of one file at once.
func TestAsksAtOnce(t *testing.T) {
	f := newFake()
	w := f.start(t, nil)
	path := libssl(t, "libssl.so.3")
	var all []*program
	for range 8 {
		all = append(all, loads(t, path))
	}
	for range 3 {
		for _, p := range all {
			f.asked <- p.pid()
		}
	}
	f.await(t, "all answers", func() bool { return len(f.told) == len(all) && w.Snapshot().Waiting == 0 })
	if f.attaches != 1 {
		t.Errorf("attached %d times", f.attaches)
	}
	f.await(t, "a reference for each process", func() bool {
		w.attachments.mu.Lock()
		defer w.attachments.mu.Unlock()
		for _, a := range w.attachments.all {
			return a.refs == len(all)
		}
		return false
	})
}

// TestRetried attaches again to a file where it failed long ago.
func TestRetried(t *testing.T) {
	f := newFake()
	f.fail = syscall.ENOMEM
	f.start(t, func(w *Watch) { w.attachments.grace = time.Nanosecond })
	path := libssl(t, "libssl.so.3")
	one := loads(t, path)
	if about := f.ask(t, one.pid()); about.Opaque != NotPermitted {
		t.Errorf("%+v", about)
	}
	f.mu.Lock()
	f.fail = nil
	f.mu.Unlock()
	f.asked <- one.pid()
	f.await(t, "the second answer", func() bool { return f.told[one.pid()].Opaque == Read })
}

// TestMalformed inspects a program that contradicts itself. None such runs: the kernel refuses it, and to
// write to one that runs.
func TestMalformed(t *testing.T) {
	path := compile(t, "nothing")
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteAt([]byte{0xff, 0xff}, 56); err != nil { // e_phnum
		t.Fatal(err)
	}
	m := &mapped{fd: int(file.Fd())}
	if m.status, err = statOf(m.fd); err != nil {
		t.Fatal(err)
	}
	entry, err := newInspector().inspect(t.Context(), m)
	if err != nil || opaqueOf(entry.err) != ELF {
		t.Errorf("%v, %+v", err, entry)
	}
}

// TestChroot finds the program of a process with a root of its own, by its name too, and follows no
// link out of that root.
func TestChroot(t *testing.T) {
	path := compile(t, "nothing")
	p := run(t, "chroot", filepath.Dir(path), "/"+filepath.Base(path))
	number := ino(t, path)
	located(t, p.pid(), procdir.byName, func(m *mapped) bool { return m.ino == number })
	dir, m := mapsOf(t, p.pid(), path)
	root, err := unix.Openat(dir.fd, "root", unix.O_PATH, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer closeFD(root)
	if err := os.Symlink(path, filepath.Join(filepath.Dir(path), "link")); err != nil {
		t.Fatal(err)
	}
	if _, err := openByName(root, "/link", m); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("out of the root: %v", err)
	}
	if _, err := openByName(root, "/../../"+filepath.Base(path), m); err != nil {
		t.Errorf("above the root: %v", err)
	}
}

// TestAskedEnds ends the watch with the kernel side, and with its error.
func TestAskedEnds(t *testing.T) {
	f := newFake()
	close(f.asked)
	w := New(f, Options{})
	w.scanned = func() ([]uint32, error) { return nil, nil }
	if err := w.Run(t.Context()); err != nil {
		t.Errorf("closed: %v", err)
	}
	broken := New(failing{f}, Options{})
	broken.scanned = w.scanned
	if err := broken.Run(t.Context()); !errors.Is(err, syscall.EIO) {
		t.Errorf("broken: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := New(failing{f}, Options{Disabled: true}).Run(ctx); err != nil {
		t.Errorf("disabled: %v", err)
	}
}

type failing struct{ *fake }

func (failing) Asked(context.Context) (uint32, error) { return 0, syscall.EIO }

// TestLabels keeps what files say of themselves out of labels.
func TestLabels(t *testing.T) {
	for version, want := range map[string]string{
		"": "", "go1.26.8": "go1.26.8", "libssl.so.3": "libssl.so.3", "a\nb": "other", "a b": "other", "\xff": "other",
		"go1.27-20261122-RC00 cl/123": "other", "0123456789012345678901234567890123456789x": "other",
	} {
		if got := cleanVersion(version); got != want {
			t.Errorf("%q: %q", version, got)
		}
	}
	if Opaque(99).String() != "unknown" || ELF.String() != "malformed_file" || Late.String() != "attached_late" {
		t.Error("names")
	}
}

// BenchmarkAsked is the cost of one question about a Python process: with everything known, and with nothing.
func BenchmarkAsked(b *testing.B) {
	p := run(b, "python3", "-c", "import ssl"+waits)
	for _, cold := range []bool{false, true} {
		name := map[bool]string{false: "known", true: "cold"}[cold]
		b.Run(name, func(b *testing.B) {
			f := newFake()
			w := New(f, Options{Grace: time.Hour})
			if err := w.ends.open(); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if cold {
					w.inspector = newInspector()
				}
				if w.examine(b.Context(), job{pid: p.pid(), asked: true}) != finished || f.told[p.pid()].Opaque != Read {
					b.Fatalf("%+v", f.told)
				}
			}
			b.ReportMetric(float64(w.Snapshot().Inspected), "files")
			w.attachments.close()
			w.ends.close()
		})
	}
}
