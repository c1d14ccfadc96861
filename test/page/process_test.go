package page

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long something may take to come true on a busy machine.
const patience = 30 * time.Second

// binary is what `make build` makes. The test does not build it itself: under sudo there is
// often no Go.
const binary = "../../bin/fathom"

// startDemo starts the demonstration and returns the address of its agent.
func startDemo(t *testing.T) string {
	t.Helper()
	address := freeAddress(t)
	start(t, address, "demo", "--web.listen-address="+address)
	return address
}

// startAgent starts an agent of its own, and returns what stops it.
func startAgent(t *testing.T, address string) (stop func()) {
	t.Helper()
	return start(t, address, "agent", "--web.listen-address="+address)
}

// start starts fathom, and returns when an agent is ready at the address. It ends with the test at the latest.
func start(t *testing.T, address string, args ...string) (stop func()) {
	t.Helper()
	var output bytes.Buffer
	cmd := exec.Command(binary, args...)
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	stop = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(patience):
			t.Errorf("fathom %s does not end", args[0])
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			<-ended
		}
		if t.Failed() {
			t.Logf("fathom %s said:\n%s", args[0], &output)
		}
	})
	t.Cleanup(stop)
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		select {
		case <-ended:
			t.Fatalf("fathom %s ended", args[0])
		default:
		}
		resp, err := http.Get("http://" + address + "/readyz")
		if err != nil {
			continue
		}
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return stop
		}
	}
	t.Fatalf("%s is not ready after %s", address, patience)
	return nil
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// startOpaque makes requests over TLS, which an agent without --tls cannot read, until the test ends.
func startOpaque(t *testing.T) {
	t.Helper()
	body := bytes.Repeat([]byte("opaque "), 2000)
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) }))
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	end := make(chan struct{})
	var asking sync.WaitGroup
	asking.Go(func() {
		for {
			select {
			case <-end:
				return
			case <-time.After(100 * time.Millisecond):
			}
			if resp, err := client.Get(server.URL); err == nil {
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
		}
	})
	t.Cleanup(func() {
		close(end)
		asking.Wait()
		server.Close()
	})
}

// serve serves a handler until the test ends.
func serve(t *testing.T, handler http.HandlerFunc) (address string) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}
