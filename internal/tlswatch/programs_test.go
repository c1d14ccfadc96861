package tlswatch

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// program is a process that waits for lines.
type program struct {
	*exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
}

func (p *program) pid() uint32 { return uint32(p.Process.Pid) }

// run starts a program, and returns when it has written "ready".
func run(t testing.TB, name string, args ...string) *program {
	t.Helper()
	p := &program{Cmd: exec.Command(need(t, name), args...)}
	p.Stderr = os.Stderr
	stdout, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.stdout = bufio.NewReader(stdout)
	if p.stdin, err = p.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.end)
	p.awaitReady(t)
	return p
}

func (p *program) awaitReady(t testing.TB) {
	t.Helper()
	if line, err := p.stdout.ReadString('\n'); line != "ready\n" {
		t.Fatalf("%s: %q %v", p.Path, line, err)
	}
}

// continues makes the program go on, until it is ready again.
func (p *program) continues(t testing.TB) {
	t.Helper()
	if _, err := io.WriteString(p.stdin, "go on\n"); err != nil {
		t.Fatal(err)
	}
	p.awaitReady(t)
}

// end kills the program and waits for it. It may be called twice.
func (p *program) end() {
	p.Process.Kill()
	p.Wait()
}

func need(t testing.TB, tool string) string {
	t.Helper()
	path, err := exec.LookPath(tool)
	if err != nil {
		t.Skipf("%s is missing", tool)
	}
	return path
}

// waits is the end of a program in Python.
const waits = `
import sys
print("ready", flush=True)
sys.stdin.readline()
`

// loads is a program in Python that maps the library at a path.
func loads(t testing.TB, path string) *program {
	return run(t, "python3", "-c", "import ctypes, sys; ctypes.CDLL(sys.argv[1])"+waits+waits, path)
}

// libssl returns the path of a copy of the host's OpenSSL, so that nobody else maps it.
func libssl(t testing.TB, name string) string {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/*-linux-gnu/libssl.so.3")
	if len(found) == 0 {
		t.Skip("libssl.so.3 is missing")
	}
	path := filepath.Join(t.TempDir(), name)
	copyTo(t, found[0], path)
	return path
}

func copyTo(t testing.TB, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, text, 0o755); err != nil {
		t.Fatal(err)
	}
}

// compile builds a static program in C that waits. The text is within it.
func compile(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	build := exec.Command(need(t, "gcc"), "-O2", "-static", "-s", "-x", "c", "-o", path, "-")
	build.Stdin = strings.NewReader(`
#include <stdio.h>
const char *volatile text = "` + text + `";
int main(void) { puts(text[0] ? "ready" : "ready"); fflush(stdout); return getchar(); }`)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// compileGo builds a program that has crypto/tls, stripped.
func compileGo(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gotls")
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", path, ".")
	build.Dir = "testdata/gotls"
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}
