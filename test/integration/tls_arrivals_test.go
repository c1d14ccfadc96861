package integration

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/test/selfsigned"
)

// TestTLSArrivals makes requests on new connections, together with the end of the handshake and long after it: none is lost, and a
// duration contains neither the handshake nor the time in which the client did nothing.
func TestTLSArrivals(t *testing.T) {
	connections := 100
	switch {
	case long():
		connections = 5000
	case testing.Short():
		connections = 20 // in a guest
	}
	b := newTLSBench(t, 2*connections)
	for _, s := range []struct {
		name  string
		serve func(*tlsBench) string
	}{
		{"go", serveGoPeer}, {"nginx", serveNginxPeer}, {"node", serveNodePeer}, {"haproxy", serveHAProxyPeer}, {"apache", serveApachePeer},
		{"python asyncio", servePythonAsyncio}, {"python threads", servePythonPeer},
		{"python threads, no tickets", servePythonWithoutTickets},
	} {
		t.Run(s.name, func(t *testing.T) {
			b := b.in(t)
			addr := s.serve(b)
			for _, how := range []string{"together", "apart", "resumed"} {
				t.Run(how, func(t *testing.T) { b.in(t).arrive(how, addr, connections) })
			}
		})
	}
}

func (b *tlsBench) arrive(how, addr string, connections int) {
	b.Helper()
	before, served := b.f.count(), b.f.served()
	counts := ask(b.T, python(b), "testdata/tls/arrive.py", how, port(addr), strconv.Itoa(connections))
	waited := time.Duration(counts["NANOSECONDS 0"])
	delete(counts, "NANOSECONDS 0")
	if n := counts["GET 200"]; n != uint64(2*connections) {
		b.Errorf("%d of %d requests were answered: %v", n, 2*connections, counts)
	}
	b.f.mustMatch(b.T, before, bothEnds(counts), exchangesAndLost)
	if served = b.f.served() - served; served > waited {
		b.Errorf("the server took %v, and its client waited %v", served, waited)
	}
}

// TestTLSUnread sends requests one by one, each in a record of its own, to a server that is stopped meanwhile. Its library may receive
// several at once then, and read them one after the other: each has its own arrival. Bounds follow from when the client's calls were
// made.
func TestTLSUnread(t *testing.T) {
	const requests, pause = 50, 4 * time.Millisecond
	b := newTLSBench(t, 10)
	for _, s := range []struct {
		name  string
		serve func(*tlsBench) string
	}{
		{"go", serveGoPeer}, {"nginx", serveNginxPeer}, {"node", serveNodePeer}, {"haproxy", serveHAProxyPeer}, {"apache", serveApachePeer},
		{"python asyncio", servePythonAsyncio}, {"python threads", servePythonPeer},
	} {
		t.Run(s.name, func(t *testing.T) {
			b := b.in(t)
			addr := s.serve(b)
			all := dialTLS(t, addr, 1)
			shake(t, all)
			askEach(t, all)
			b.f.rest()
			before, served := b.f.count(), b.f.served()
			stopped := listening(t, addr)
			signal(t, stopped, unix.SIGSTOP)
			var least, most time.Duration // by which all arrivals are before a time that is `since` then
			began := time.Now()
			for range requests {
				most -= time.Since(began)
				if _, err := all[0].Write([]byte(getOK)); err != nil {
					t.Error(err)
				}
				least -= time.Since(began)
				time.Sleep(pause)
			}
			least += requests * time.Since(began)
			signal(t, stopped, unix.SIGCONT)
			answers := bufio.NewReader(all[0])
			for range requests {
				r, err := http.ReadResponse(answers, nil)
				if err != nil {
					t.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, r.Body)
				_ = r.Body.Close()
			}
			most += requests * time.Since(began)
			b.f.mustMatch(t, before, tally{"server GET 200": requests}, exchangesAndLost)
			if served = b.f.served() - served; served < least || served > most {
				t.Errorf("the requests took %v, want between %v and %v", served, least, most)
			}
		})
	}
}

// listening returns the processes that listen at an address of this host, by ss(8).
func listening(t *testing.T, addr string) (processes []int) {
	t.Helper()
	out, err := exec.Command("ss", "-Htlnp", "sport", "=", ":"+port(addr)).Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range regexp.MustCompile(`pid=(\d+)`).FindAllSubmatch(out, -1) {
		pid, err := strconv.Atoi(string(found[1]))
		if err != nil {
			t.Fatal(err)
		}
		processes = append(processes, pid)
	}
	if len(processes) == 0 {
		t.Fatalf("nobody listens at %s: %s", addr, out)
	}
	return processes
}

func signal(t *testing.T, processes []int, s syscall.Signal) {
	t.Helper()
	for _, pid := range processes {
		if err := unix.Kill(pid, s); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTLSLate has connections of which Fathom learns late: they were opened unseen, and have carried nothing; or nobody has looked at
// the process yet, and they rest behind the handshake for so long that they are called opaque. Their first requests are counted.
func TestTLSLate(t *testing.T) {
	const connections = 5
	// Other connections of the host may have passed bytes meanwhile.
	watch := func(name string) bool { return exchangesAndLost(name) && !strings.Contains(name, " bytes ") }
	b := newTLSBenchOf(t, connections, loadTLSUntold(t, kernel.Options{}))
	for _, s := range []struct {
		name  string
		serve func(*tlsBench) string
		early bool // the call that reads the first request begins when the connection is accepted, unseen
	}{{"go", serveGoPeer, false}, {"nginx", serveNginxPeer, false}, {"python threads", servePythonPeer, true}} {
		t.Run(s.name, func(t *testing.T) {
			b := b.in(t)
			addr := s.serve(b)
			if !s.early {
				t.Run("opened unseen", func(t *testing.T) {
					if err := b.f.k.Detach(); err != nil {
						t.Fatal(err)
					}
					all := dialTLS(t, addr, connections)
					if err := b.f.k.Attach(); err != nil {
						t.Fatal(err)
					}
					before := b.f.count()
					shake(t, all)
					askEach(t, all)
					b.f.mustMatch(t, before, tally{"server GET 200": connections}, watch)
				})
			}
			t.Run("opaque at first", func(t *testing.T) {
				before, opaque := b.f.count(), b.f.opaque()
				all := dialTLS(t, addr, connections)
				shake(t, all)
				if !b.f.until(func(*kernel.Snapshot) bool { return b.f.opaque()-opaque >= connections }) {
					t.Fatalf("%d connections are called opaque, want %d", b.f.opaque()-opaque, connections)
				}
				askEach(t, all)
				b.f.mustMatch(t, before, tally{"server GET 200": connections}, exchangesAndLost)
			})
		})
	}
}

// TestTLSLeftOver detaches the probes while goroutines wait in calls, whose ends nobody sees then. Others get their places, and
// read their first requests with the end of the handshake.
func TestTLSLeftOver(t *testing.T) {
	const connections = 20
	b := newTLSBench(t, 2*connections)
	addr := serveGoPeer(b)
	waiting := dialTLS(t, addr, connections)
	askEach(t, waiting)
	for path, detach := range b.files {
		detach()
		for _, c := range waiting {
			_ = c.NetConn().Close()
		}
		b.f.until(func(*kernel.Snapshot) bool { return len(connectionsOf(t, addr)) == 0 })
		b.files[path] = b.attach(path)
	}
	b.f.rest()
	b.arrive("together", addr, connections)
}

// connectionsOf lists what is open at an address of this host, by ss(8).
func connectionsOf(t *testing.T, addr string) []string {
	t.Helper()
	out, err := exec.Command("ss", "-Htn", "state", "established", "state", "close-wait", "sport", "=", ":"+port(addr)).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}

// dialTLS opens connections, and sends nothing on them.
func dialTLS(t *testing.T, addr string, connections int) (all []*tls.Conn) {
	t.Helper()
	for range connections {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		all = append(all, tls.Client(c, &tls.Config{InsecureSkipVerify: true})) //nolint:gosec // a server of this test
	}
	return all
}

func shake(t *testing.T, all []*tls.Conn) {
	t.Helper()
	for _, c := range all {
		if err := c.Handshake(); err != nil {
			t.Fatal(err)
		}
	}
}

const getOK = "GET /200 HTTP/1.1\r\nHost: x\r\n\r\n"

// askEach makes a request on each connection.
func askEach(t *testing.T, all []*tls.Conn) {
	t.Helper()
	for _, c := range all {
		if _, err := c.Write([]byte(getOK)); err != nil {
			t.Fatal(err)
		}
		r, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = r.Body.Close()
		if r.StatusCode != http.StatusOK {
			t.Errorf("answered %s", r.Status)
		}
	}
}

// opaque is how many connections of servers are TLS that is not read.
func (f *fathom) opaque() (connections uint64) {
	for _, c := range f.snapshot().Coverage {
		if c.Class == "tls" && c.Reason != "" {
			connections += c.Connections
		}
	}
	return connections
}

// served is the sum of all durations at servers.
func (f *fathom) served() (sum time.Duration) {
	s := f.snapshot()
	for _, e := range s.Exchanges {
		if e.Role == kernel.RoleServer && side(s.Workloads[e.Workload]) == "server" {
			sum += e.Duration.Sum
		}
	}
	return sum
}

func servePythonPeer(b *tlsBench) string {
	python(b)
	return servePythonTLS(b.T, 2)
}

func servePythonWithoutTickets(b *tlsBench) string {
	python(b)
	return servePythonTLS(b.T, 0)
}

// TestTLSPassedOn has a proxy that reads TLS of its own pass on what others encrypt: that is no idle connection.
func TestTLSPassedOn(t *testing.T) {
	b := newTLSBench(t, 0)
	behind := start(t, "it-behind", nil).load("Serve", LoadCall{TLS: true}).Addr
	b.probe(libssl(t))
	certificate := certificateFile(t)
	ends, passes := freeAddr(t), freeAddr(t)
	serveHAProxy(t, fmt.Sprintf(`
frontend ends
	mode http
	bind %s ssl crt %s
	http-request return status 200
listen passes
	mode tcp
	bind %s
	server behind %s`, ends, certificate, passes, behind))
	ask := func(addr string) {
		client := start(t, "it-beside", nil)
		client.get(LoadCall{Addr: addr, Requests: 20, Connections: 5, Fresh: true, TLS: true, Kinds: []Kind{{"GET", "/200", 0}}})
		client.stop()
	}
	waitListening(t, ends)
	waitListening(t, passes)
	ask(ends) // its process is read from now on
	before := b.f.unread()
	ask(passes)
	// At the client's side and at the server's.
	if !b.f.until(func(*kernel.Snapshot) bool { return b.f.unread()-before == 40 }) {
		t.Errorf("%d connections are tls/no_session, want 40", b.f.unread()-before)
	}
}

// unread is how many connections of servers no session uses.
func (f *fathom) unread() (connections uint64) {
	s := f.snapshot()
	for _, c := range s.Coverage {
		if c.Class == "tls" && c.Reason == "no_session" && side(s.Workloads[c.Workload]) == "server" {
			connections += c.Connections
		}
	}
	return connections
}

// serveHAProxyPeer answers by itself.
func serveHAProxyPeer(b *tlsBench) string {
	b.probe(libssl(b.T))
	addr := freeAddr(b.T)
	serveHAProxy(b.T, fmt.Sprintf(`
frontend ends
	mode http
	bind %s ssl crt %s alpn http/1.1
	http-request return status 200 content-type text/plain string ok`, addr, certificateFile(b.T)))
	waitListening(b.T, addr)
	return addr
}

// serveApachePeer answers with a file.
func serveApachePeer(b *tlsBench) string {
	b.probe(libssl(b.T))
	addr, dir := freeAddr(b.T), b.TempDir()
	path, config := filepath.Join(dir, "200"), filepath.Join(dir, "conf")
	var modules strings.Builder
	for _, m := range []string{"mpm_event", "authz_core", "ssl"} {
		fmt.Fprintf(&modules, "LoadModule %[1]s_module /usr/lib/apache2/modules/mod_%[1]s.so\n", m)
	}
	text := fmt.Sprintf(`%[1]sServerRoot %[2]s
ServerName localhost
Listen %[3]s
PidFile %[2]s/pid
DefaultRuntimeDir %[2]s
ErrorLog %[2]s/error.log
StartServers 1
ThreadsPerChild 25
MaxKeepAliveRequests 0
SSLEngine on
SSLCertificateFile %[4]s
DocumentRoot %[2]s
`, &modules, dir, addr, certificateFile(b.T))
	if err := errors.Join(os.WriteFile(path, []byte("ok"), 0o644), os.WriteFile(config, []byte(text), 0o600)); err != nil { //nolint:gosec // a server reads it
		b.Fatal(err)
	}
	cmd := exec.Command(linked(b.T, serverName, program(b.T, "apache2", "/usr/sbin/apache2")), "-f", config, "-DFOREGROUND")
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGTERM}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Signal(unix.SIGTERM) // which ends its children
		_ = cmd.Wait()
	})
	waitListening(b.T, addr)
	return addr
}

// serveHAProxy runs it with these frontends, and waits until it has read them.
func serveHAProxy(t *testing.T, frontends string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "haproxy.cfg")
	config := "defaults\n\ttimeout connect 5s\n\ttimeout client 30s\n\ttimeout server 30s" + frontends + "\n"
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(linked(t, serverName, program(t, "haproxy", "/usr/sbin/haproxy")), "-db", "-f", path)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}

// certificateFile is a certificate with its key.
func certificateFile(t *testing.T) string {
	t.Helper()
	certificate, key, err := selfsigned.Make()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "both.pem")
	if err := os.WriteFile(path, append(certificate, key...), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
