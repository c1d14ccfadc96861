package https

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fathomhq/fathom/test/process"
	"github.com/fathomhq/fathom/test/selfsigned"
)

// sources are of the drivers of TLS libraries: an HTTPS server that loads the library that it is told.
const sources = "../integration/testdata/tls/"

// compile builds a driver.
func compile(t *testing.T, path string, args ...string) {
	t.Helper()
	args = append([]string{"-o", path, "-D_GNU_SOURCE", "-O2", "-pthread", sources + "peer.c", sources + "openssl.c"}, args...)
	if out, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// certificate writes a certificate and its key below a folder, as tls.crt and tls.key.
func certificate(t *testing.T, dir string) {
	t.Helper()
	if _, _, err := selfsigned.Write(dir); err != nil {
		t.Fatal(err)
	}
}

// server is a process that serves HTTPS.
type server struct {
	pid     int
	address string
}

// serve starts a server, which ends with the test. It prints where it listens.
func serve(t *testing.T, attributes syscall.SysProcAttr, path string, args ...string) server {
	t.Helper()
	cmd := exec.Command(path, args...)
	attributes.Pdeathsig = unix.SIGKILL
	cmd.SysProcAttr = &attributes
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	_, port, err := net.SplitHostPort(strings.TrimSpace(line))
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return server{cmd.Process.Pid, "127.0.0.1:" + port}
}

// newClient returns a client that keeps its connection.
func newClient(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // a test's own server
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: process.Patience}
}

// get asks a server to answer with a status.
func get(c *http.Client, s server, status int) error {
	resp, err := c.Get(fmt.Sprintf("https://%s/%d", s.address, status))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err = io.Copy(io.Discard, resp.Body); err == nil && resp.StatusCode != status {
		err = fmt.Errorf("%s: want %d", resp.Status, status)
	}
	return err
}

// ask makes requests that all have to be answered, on a connection of their own.
func ask(t *testing.T, s server, status, requests int) {
	t.Helper()
	c := newClient(t)
	defer c.CloseIdleConnections()
	for i := range requests {
		if err := get(c, s, status); err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
	}
}
