package https

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// Named by their first 15 bytes, as the kernel does.
const (
	beforeName = "https-before"
	afterName  = "https-after"
	loadName   = "https-load"
	staticName = "https-static"
)

const requests = 500

// TestLibraryReplaced replaces the library of a running container by one of another release. Both the process
// that has the old one and the next, which has the new one, are read.
func TestLibraryReplaced(t *testing.T) {
	trixie, sid := release(t, "trixie"), release(t, "sid")
	a := startAgent(t)
	c := newContainer(t, trixie)
	before := c.serve(beforeName)
	ask(t, before.address, requests)
	a.served(beforeName, requests)

	old := digest(t, filepath.Join(c.libs, "libssl.so.3"))
	c.replace(sid, "libssl.so.3", "libcrypto.so.3", "libc.so.6", "ld-linux-x86-64.so.2")
	if digest(t, filepath.Join(c.libs, "libssl.so.3")) == old {
		t.Fatal("both releases have the same library")
	}
	after := c.serve(afterName)
	ask(t, after.address, requests)
	ask(t, before.address, requests)
	a.served(afterName, requests)
	a.served(beforeName, 2*requests)
	for _, name := range []string{beforeName, afterName} {
		a.becomes("fathom_connections_total", labels{"workload": name, "class": "tls"}, 0)
	}
}

// TestKilled kills the agent while requests run. None fails, and the next agent counts what is new, and says what
// it cannot read since it came late.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	compile(t, filepath.Join(dir, loadName), "-ldl")
	certificate(t, dir)
	s := serve(t, syscall.SysProcAttr{}, filepath.Join(dir, loadName), "/usr/lib/"+multiarch+"/libssl.so.3", "ex", "serve",
		filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
	const clients = 4
	var enough atomic.Bool
	failed := make(chan error, clients)
	var answered atomic.Uint64
	for range clients {
		c := newClient(t)
		go func() {
			defer c.close()
			for !enough.Load() {
				n, err := c.get(s.address, 50)
				answered.Add(n)
				if err != nil {
					failed <- err
					return
				}
			}
			failed <- nil
		}()
	}
	for range 3 {
		a := startAgent(t)
		ask(t, s.address, requests)
		a.kill()
		ask(t, s.address, requests)
	}
	a := startAgent(t)
	a.becomes("fathom_connections_total", labels{"workload": loadName, "class": "tls", "reason": "opaque_attached_late"}, clients)
	ask(t, s.address, requests)
	a.served(loadName, requests)
	enough.Store(true)
	for range clients {
		if err := <-failed; err != nil {
			t.Errorf("a request failed: %v", err)
		}
	}
	t.Logf("%d requests were answered meanwhile", answered.Load())
}

// TestOpaque has a server that no probe can read: its library is part of the program, which has no symbols. The
// metrics and the doctor say so.
func TestOpaque(t *testing.T) {
	a := startAgent(t)
	dir := t.TempDir()
	path := filepath.Join(dir, staticName)
	compile(t, path, "-DSTATIC", "-static", "-w", "-lssl", "-lcrypto", "-ldl")
	if out, err := exec.Command("strip", path).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	certificate(t, dir)
	s := serve(t, syscall.SysProcAttr{}, path, "none", "plain", "serve", filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
	ask(t, s.address, 10)
	a.becomes("fathom_connections_total", labels{"workload": staticName, "class": "tls", "reason": "opaque_no_symbols"}, 1)
	a.becomes("http_request_duration_seconds", labels{"workload": staticName}, 0)

	out, err := exec.Command(binary, "doctor", "--pid", strconv.Itoa(s.pid)).CombinedOutput()
	text := string(out)
	if !strings.Contains(text, "no_symbols") || !strings.Contains(text, staticName) {
		t.Errorf("the doctor does not say why: %v\n%s", err, text)
	}
}

func digest(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}
