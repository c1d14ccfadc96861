package https

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/fathomhq/fathom/test/process"
)

// Named by their first 15 bytes, as the kernel does.
const (
	beforeName = "https-before"
	afterName  = "https-after"
	loadName   = "https-load"
	staticName = "https-static"
	javaName   = "https-java"
)

const requests = 500

// TestLibraryReplaced replaces the library of a running container by one of another release. Both the process
// that has the old one and the next, which has the new one, are read.
func TestLibraryReplaced(t *testing.T) {
	trixie, sid := release(t, "trixie"), release(t, "sid")
	a := startAgent(t)
	c := newContainer(t, trixie)
	before := c.serve(beforeName)
	a.finds(before, beforeName)
	ask(t, before, http.StatusOK, requests)
	a.served(beforeName, requests)

	old := digest(t, filepath.Join(c.libs, "libssl.so.3"))
	c.replace(sid, "libssl.so.3", "libcrypto.so.3", "libc.so.6", "ld-linux-x86-64.so.2")
	if digest(t, filepath.Join(c.libs, "libssl.so.3")) == old {
		t.Fatal("both releases have the same library")
	}
	after := c.serve(afterName)
	a.finds(after, afterName)
	ask(t, after, http.StatusOK, requests)
	ask(t, before, http.StatusOK, requests)
	a.served(afterName, requests)
	a.served(beforeName, 2*requests)
}

// TestKilled kills the agent while requests run. None fails, and each agent counts what there is when it has begun.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	compile(t, filepath.Join(dir, loadName), "-ldl")
	certificate(t, dir)
	s := serve(t, syscall.SysProcAttr{}, filepath.Join(dir, loadName), "/usr/lib/"+multiarch+"/libssl.so.3", "plain", "serve",
		filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
	l := startLoad(t, s, 4)
	for range 3 {
		a := startAgent(t)
		a.finds(s, loadName)
		ask(t, s, http.StatusOK, requests)
		a.served(loadName, requests)
		a.Kill()
		ask(t, s, http.StatusOK, requests)
	}
	l.stop()
}

// load is clients that make requests, which are answered with 202, until they are stopped.
type load struct {
	t        *testing.T
	clients  errgroup.Group
	enough   atomic.Bool
	answered atomic.Uint64
}

func startLoad(t *testing.T, s server, clients int) *load {
	t.Helper()
	l := &load{t: t}
	for range clients {
		c := newClient(t)
		l.clients.Go(func() error {
			for !l.enough.Load() {
				if err := get(c, s, http.StatusAccepted); err != nil {
					return err
				}
				l.answered.Add(1)
			}
			return nil
		})
	}
	return l
}

func (l *load) stop() {
	l.t.Helper()
	l.enough.Store(true)
	if err := l.clients.Wait(); err != nil {
		l.t.Errorf("a request failed: %v", err)
	}
	l.t.Logf("%d requests were answered meanwhile", l.answered.Load())
}

// TestOpaque has servers that no probe can read. The metrics and the doctor say so, and why.
func TestOpaque(t *testing.T) {
	for _, c := range []struct {
		name   string
		serve  func(*testing.T) server
		reason string
	}{
		{staticName, serveStatic, "no_symbols"},
		{javaName, serveJava, "java"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := startAgent(t)
			s := c.serve(t)
			a.meets(s, "fathom_connections_total", labels{"workload": c.name, "class": "tls", "reason": c.reason})
			ask(t, s, http.StatusOK, requests)
			if n := a.sum("http_request_duration_seconds", labels{"workload": c.name}); n != 0 {
				t.Errorf("%d requests were counted", n)
			}
			out, err := exec.Command(process.Fathom, "doctor", "--pid", strconv.Itoa(s.pid)).CombinedOutput()
			if text := string(out); !strings.Contains(text, c.reason) || !strings.Contains(text, c.name) {
				t.Errorf("the doctor does not say why: %v\n%s", err, text)
			}
		})
	}
}

// serveStatic serves with a library that is part of the program, which has no symbols.
func serveStatic(t *testing.T) server {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, staticName)
	compile(t, path, "-DSTATIC", "-static", "-w", "-lssl", "-lcrypto", "-ldl")
	if out, err := exec.Command("strip", path).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	certificate(t, dir)
	return serve(t, syscall.SysProcAttr{}, path, "none", "plain", "serve", filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
}

// serveJava serves with a real Java virtual machine.
func serveJava(t *testing.T) server {
	t.Helper()
	java, err := exec.LookPath("java")
	if err == nil {
		java, err = filepath.EvalSymlinks(java)
	}
	if err != nil {
		if os.Getenv("FATHOM_REQUIRE_TOOLS") != "" {
			t.Fatal(err)
		}
		t.Skip(err) // without Java, which `make test` installs where it can
	}
	dir := t.TempDir()
	path, store := filepath.Join(dir, javaName), filepath.Join(dir, "store.p12")
	if err := os.Symlink(java, path); err != nil {
		t.Fatal(err)
	}
	const password = "only for tests"
	if out, err := exec.Command("keytool", "-genkeypair", "-keyalg", "EC", "-dname", "CN=localhost", "-storetype", "PKCS12",
		"-keystore", store, "-storepass", password).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return serve(t, syscall.SysProcAttr{}, path, "testdata/Server.java", store, password)
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
