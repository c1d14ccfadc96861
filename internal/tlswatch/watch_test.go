package tlswatch

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"syscall"
	"testing"
	"time"

	"github.com/fathomhq/fathom/internal/tlslib"
)

// TestPrograms asks about programs of each kind.
func TestPrograms(t *testing.T) {
	tests := []struct {
		name  string
		begin func(*testing.T) *program
		want  Opaque
		kind  tlslib.Kind // if read
	}{
		{"Python", func(t *testing.T) *program { return run(t, "python3", "-c", "import ssl"+waits) }, Read, tlslib.OpenSSL},
		{"Python without TLS", func(t *testing.T) *program { return run(t, "python3", "-c", waits) }, UnknownLibrary, 0},
		{"Node", func(t *testing.T) *program {
			return run(t, "node", "-e", "console.log('ready'); process.stdin.resume()")
		}, Read, tlslib.OpenSSL},
		{"Go", func(t *testing.T) *program { return run(t, compileGo(t)) }, Read, tlslib.Go},
		{"C", func(t *testing.T) *program { return run(t, compile(t, "nothing")) }, UnknownLibrary, 0},
		{"static OpenSSL", func(t *testing.T) *program { return run(t, compile(t, `ssl/ssl_lib.c\0`)) }, NoSymbols, 0},
		{"rustls", func(t *testing.T) *program { return run(t, compile(t, "/rustls-0.23.1/src/conn.rs")) }, UnknownLibrary, 0},
		{"a library of another name", func(t *testing.T) *program { return loads(t, libssl(t, "data.bin")) }, Read, tlslib.OpenSSL},
		{"Java", beginJava, Java, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFake()
			w := f.start(t, nil)
			p := test.begin(t)
			before := monotonic()
			about := f.ask(t, p.pid())
			if about.Opaque != test.want || about.Goroutines != (test.kind == tlslib.Go) {
				t.Fatalf("told %+v", about)
			}
			if test.want == Read && (about.AttachedAt < before || about.AttachedAt > monotonic()) {
				t.Errorf("attached at %d, asked at %d", about.AttachedAt, before)
			}
			if test.want == Read && (len(f.libs) == 0 || f.libs[0].Kind != test.kind) {
				t.Errorf("attached %+v", f.libs)
			}
			s := w.Snapshot()
			if s.Processes[test.want] != 1 || len(s.Files) != len(f.libs) {
				t.Errorf("%+v", s)
			}
			found, err := Look("/proc", int(p.pid()))
			if err != nil || found.Opaque != test.want {
				t.Errorf("Look: %+v, %v", found, err)
			}
			p.end()
			f.await(t, "the end", func() bool { return f.forgets[p.pid()] == 1 })
		})
	}
}

func beginJava(t *testing.T) *program {
	path := filepath.Join(t.TempDir(), "Wait.java")
	const source = `class Wait { public static void main(String[] a) throws Exception { System.out.println("ready"); System.in.read(); } }`
	if err := os.WriteFile(path, []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	java := need(t, "java")
	if exec.Command(java, "--list-modules").Run() != nil {
		t.Skip("this Java does not run")
	}
	return run(t, java, "-XX:TieredStopAtLevel=1", path)
}

// TestOnceForAll has one file probed for several processes, until the last of them is gone.
func TestOnceForAll(t *testing.T) {
	f := newFake()
	f.start(t, func(w *Watch) { w.attachments.grace = time.Millisecond })
	path := libssl(t, "libssl.so.3")
	first, second := loads(t, path), loads(t, path)
	one, two := f.ask(t, first.pid()), f.ask(t, second.pid())
	if !reflect.DeepEqual(one, two) || one.Opaque != Read || f.attaches != 1 {
		t.Fatalf("%+v, %+v, attached %d times", one, two, f.attaches)
	}
	first.end()
	f.await(t, "the first end", func() bool { return f.forgets[first.pid()] == 1 })
	third := loads(t, path)
	if about := f.ask(t, third.pid()); !reflect.DeepEqual(about, one) {
		t.Errorf("%+v before, %+v now", one, about)
	}
	second.end()
	third.end()
	f.await(t, "the detaching", func() bool { return len(f.attached) == 0 })
}

// TestGrace finds a file still probed that a process of a moment ago had mapped.
func TestGrace(t *testing.T) {
	f := newFake()
	w := f.start(t, nil)
	path := libssl(t, "libssl.so.3")
	var inspected uint64
	for range 3 {
		p := loads(t, path)
		if f.ask(t, p.pid()).Opaque != Read {
			t.Error("not read")
		}
		if n := w.Snapshot().Inspected; inspected == 0 {
			inspected = n
		} else if n != inspected {
			t.Errorf("%d files inspected, %d before", n, inspected)
		}
		p.end()
		f.await(t, "the end", func() bool { return f.forgets[p.pid()] > 0 })
	}
	if f.attaches != 1 {
		t.Errorf("attached %d times", f.attaches)
	}
}

// TestLate asks about a process that loads its library afterwards.
func TestLate(t *testing.T) {
	f := newFake()
	w := f.start(t, func(w *Watch) {
		w.pauses = make([]time.Duration, 1<<16)
		for i := range w.pauses {
			w.pauses[i] = 10 * time.Millisecond
		}
	})
	p := run(t, "python3", "-c", waits+"import ctypes; ctypes.CDLL(sys.argv[1])"+waits, libssl(t, "libssl.so.3"))
	f.asked <- p.pid()
	for w.Snapshot().Inspected == 0 {
		time.Sleep(time.Millisecond)
	}
	p.continues(t)
	if about := f.awaitTold(t, p.pid()); about.Opaque != Read {
		t.Errorf("told %+v", about)
	}
}

// TestSecondLibrary asks again about a process that is read, and has loaded another library since.
func TestSecondLibrary(t *testing.T) {
	f := newFake()
	w := f.start(t, nil)
	p := run(t, "python3", "-c", "import ssl"+waits+"import ctypes; ctypes.CDLL(sys.argv[1])"+waits, libssl(t, "second.so"))
	if about := f.ask(t, p.pid()); about.Opaque != Read {
		t.Fatalf("told %+v", about)
	}
	files := len(w.Snapshot().Files)
	p.continues(t)
	f.asked <- p.pid()
	f.await(t, "the second library", func() bool { return len(f.told[p.pid()].Libraries) == files+1 })
}

// TestExec asks about a process again when it runs another program.
func TestExec(t *testing.T) {
	f := newFake()
	f.start(t, nil)
	p := run(t, "sh", "-c", "echo ready; read line; exec python3 -c '"+`import ssl, sys; print("ready", flush=True); sys.stdin.readline()'`)
	if about := f.ask(t, p.pid()); about.Opaque != UnknownLibrary {
		t.Errorf("the shell: %+v", about)
	}
	p.continues(t)
	f.asked <- p.pid()
	f.await(t, "the second program", func() bool { return f.told[p.pid()].Opaque == Read })
	p.end()
	f.await(t, "the end", func() bool { return f.forgets[p.pid()] == 1 })
}

// TestScan finds processes that run when the watch begins.
func TestScan(t *testing.T) {
	f := newFake()
	tls, other := loads(t, libssl(t, "libssl.so.3")), run(t, "python3", "-c", waits)
	f.start(t, func(w *Watch) {
		w.scanned = func() ([]uint32, error) { return []uint32{other.pid(), 1 << 30, tls.pid()}, nil }
	})
	if about := f.awaitTold(t, tls.pid()); about.Opaque != Read {
		t.Errorf("told %+v", about)
	}
	if n := f.count(func() int { return f.tells }); n != 1 {
		t.Errorf("told %d times", n)
	}
}

// TestNotPermitted tells of probes that may not be attached.
func TestNotPermitted(t *testing.T) {
	f := newFake()
	f.fail = syscall.EPERM
	w := f.start(t, nil)
	if about := f.ask(t, loads(t, libssl(t, "libssl.so.3")).pid()); about.Opaque != NotPermitted {
		t.Errorf("told %+v", about)
	}
	if w.Snapshot().Faults[Fault{"attach", "not_permitted"}] == 0 {
		t.Errorf("%+v", w.Snapshot().Faults)
	}
}

// TestShortLived asks about processes that are gone, or go.
func TestShortLived(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*Watch)
	}{
		{"pidfds", nil},
		{"few descriptors", func(w *Watch) { w.ends.limit, w.ends.sweepEvery = 3, 10*time.Millisecond }},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFake()
			w := f.start(t, test.change)
			before := descriptors(t)
			for range 200 {
				c := exec.Command(need(t, "true"))
				if err := c.Start(); err != nil {
					t.Fatal(err)
				}
				f.asked <- uint32(c.Process.Pid)
				c.Wait()
			}
			stays := run(t, "python3", "-c", "import ssl"+waits)
			f.ask(t, stays.pid())
			stays.end()
			f.await(t, "all ends", func() bool { return len(f.told) == 0 && len(f.forgets) >= 200 && w.Snapshot().Waiting == 0 })
			if s := w.Snapshot(); len(s.Processes) != 0 {
				t.Errorf("%+v", s)
			}
			// A process is forgotten before nobody waits for its end any more.
			f.await(t, "nobody is watched", func() bool {
				w.ends.mu.Lock()
				defer w.ends.mu.Unlock()
				return len(w.ends.watched) == 0 && w.ends.pidfds == 0
			})
			// The one file that is still probed, and the pipes and pidfd of the process that stayed longest.
			if after := descriptors(t); after > before+8 {
				t.Errorf("%d descriptors, %d before", after, before)
			}
		})
	}
}

func descriptors(t *testing.T) int {
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}
