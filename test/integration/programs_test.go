package integration

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// program finds an executable; a machine without it is not one that these tests run on,
// except where the test binary runs alone.
func program(t *testing.T, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("FATHOM_ALONE") == "" {
		t.Fatalf("%s is not installed", names[0])
	}
	t.Skipf("%s is not in this guest", names[0])
	return ""
}

// serve runs a real server under the name by which Fathom's workload is recognised, and
// returns the first line it prints.
func serve(t *testing.T, path string, args ...string) string {
	t.Helper()
	line, _ := serveUntil(t, path, args...)
	return line
}

// serveUntil is serve for a server that is stopped before the test ends.
func serveUntil(t *testing.T, path string, args ...string) (line string, stop func()) {
	t.Helper()
	cmd := exec.Command(linked(t, serverName, path), args...)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL, Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	stop = sync.OnceFunc(func() {
		_ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL) // its own process group: workers too
		_ = cmd.Wait()
	})
	t.Cleanup(stop)
	if strings.HasSuffix(path, "nginx") {
		return "", stop
	}
	line, err = bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("%s did not say where it listens: %v", path, err)
	}
	return strings.TrimSpace(line), stop
}

// linked gives a program the name by which Fathom's workload is recognised.
func linked(t *testing.T, name, path string) string {
	t.Helper()
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), name)
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	return link
}

// ask runs a real client, and returns what it counted: it prints lines of METHOD STATUS COUNT.
func ask(t *testing.T, path string, args ...string) map[string]uint64 {
	t.Helper()
	cmd := exec.Command(linked(t, clientName, path), args...)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("%s: %v", path, err)
	}
	counts := make(map[string]uint64)
	for line := range strings.Lines(string(out)) {
		var method string
		var status, n uint64
		if _, err := fmt.Sscan(line, &method, &status, &n); err != nil {
			t.Fatalf("%s printed %q", path, line)
		}
		counts[fmt.Sprint(method, " ", status)] += n
	}
	return counts
}

// freeAddr returns an address that was free a moment ago.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func waitListening(t *testing.T, addr string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if c, err := net.Dial("tcp4", addr); err == nil {
			_ = c.Close()
			return
		}
	}
	t.Fatalf("nothing listens on %s", addr)
}
