package tlswatch

import (
	"os"
	"testing"
	"time"
)

// TestProcessNumbers keeps apart the processes that had one number.
func TestProcessNumbers(t *testing.T) {
	p := newProcesses()
	first, second := &known{pid: 5}, &known{pid: 5, about: Process{Opaque: Read}}
	p.set(first)
	if old, replaced, ok := p.set(second); !ok || !replaced || old.token != first.token {
		t.Errorf("%+v, %v, %v", old, replaced, ok)
	}
	if _, ok := p.end(first.token); ok {
		t.Error("the end of the first ended the second")
	}
	if k, ok := p.end(second.token); !ok || k.about.Opaque != Read || len(p.counts()) != 0 {
		t.Errorf("%+v, %v", k, ok)
	}
}

// TestHeldAgain does not detach what is held again within its grace.
func TestHeldAgain(t *testing.T) {
	f := newFake()
	w := New(f, Options{Grace: time.Hour})
	file, err := os.Open(libssl(t, "libssl.so.3"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	m := &mapped{fd: int(file.Fd())}
	if m.status, err = statOf(m.fd); err != nil {
		t.Fatal(err)
	}
	entry, err := w.inspector.inspect(t.Context(), m)
	if err != nil || entry.err != nil {
		t.Fatal(err, entry.err)
	}
	hold := func() *attachment {
		a, err := w.attachments.hold(t.Context(), m, entry.libs.Libraries)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	a := hold()
	w.attachments.release(a)
	if a.idle == nil || a.refs != 0 {
		t.Errorf("%+v", a)
	}
	if b := hold(); b != a || a.idle != nil || a.refs != 1 {
		t.Errorf("%+v", b)
	}
	w.attachments.close()
	if _, err := w.attachments.hold(t.Context(), m, entry.libs.Libraries); err != errClosing || len(f.attached) != 0 {
		t.Errorf("after the end: %v, %v", err, f.attached)
	}
}

// TestEndedProcesses tells processes that run from zombies and from others with their numbers.
func TestEndedProcesses(t *testing.T) {
	p := run(t, "python3", "-c", waits)
	dir, err := openProcess("/proc", p.pid())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.close()
	started, err := dir.started()
	if err != nil {
		t.Fatal(err)
	}
	is := func(started uint64) bool { return watched{pid: p.pid(), started: started}.isRunning("/proc") }
	if !is(started) || is(started+1) {
		t.Errorf("running: %v, another with its number: %v", is(started), is(started+1))
	}
	p.Process.Kill()
	for dir.isAlive() {
		if _, err := dir.started(); isGone(err) {
			break // a zombie until it is waited for
		}
		time.Sleep(time.Millisecond)
	}
	if !dir.isAlive() || is(started) {
		t.Error("a zombie counts as running")
	}
	p.Wait()
	if dir.isAlive() || is(started) {
		t.Error("a process that is gone counts as running")
	}
}
