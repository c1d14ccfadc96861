package integration

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fathomhq/fathom/internal/kernel"
)

// TestServers sends many requests to real servers and compares the counts with the
// client's.
func TestServers(t *testing.T) {
	f := load(t, kernel.Options{})
	n := 2000
	if long() {
		n = 100_000
	}
	for _, s := range []struct {
		name  string
		serve func(*testing.T) (addr string)
	}{
		{"go", serveGo}, {"nginx", serveNginx}, {"node", serveNode}, {"python", servePython},
	} {
		for _, busy := range []bool{false, true} {
			name := s.name
			if busy {
				name += ", CPUs oversubscribed"
			}
			t.Run(name, func(t *testing.T) {
				addr := s.serve(t)
				client := start(t, clientName, nil)
				if busy {
					oversubscribe(t)
				}
				before := f.count()
				r := client.get(LoadCall{Addr: addr, Requests: n, Connections: 16})
				client.stop()
				want := bothEnds(r.Counts)
				if d := f.match(before, want, exchangesAndLost); d != "" {
					t.Errorf("%d requests%s", n, d)
				}
			})
		}
	}
}

func serveGo(t *testing.T) string {
	return start(t, serverName, nil).load("Serve", LoadCall{}).Addr
}

func serveNginx(t *testing.T) string {
	dir, addr := t.TempDir(), freeAddr(t)
	var locations strings.Builder
	for _, k := range mix {
		if l := fmt.Sprintf("location = %s { return %s; }\n", k.Path, k.Path[1:]); !strings.Contains(locations.String(), l) {
			locations.WriteString(l)
		}
	}
	conf := fmt.Sprintf(`daemon off; worker_processes 1; pid %[1]s/pid; error_log %[1]s/error.log;
events { worker_connections 64; }
http {
	access_log off; keepalive_requests 1000000; default_type text/plain;
	client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
	server { listen %[2]s; %[3]s }
}
`, dir, addr, locations.String())
	path := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	serve(t, program(t, "nginx", "/usr/sbin/nginx"), "-c", path, "-p", dir, "-e", filepath.Join(dir, "error.log"))
	waitListening(t, addr)
	return addr
}

func serveNode(t *testing.T) string {
	return serve(t, program(t, "node"), "-e", `
const s = require('http').createServer((q, r) => {
	q.resume();
	q.on('end', () => { r.writeHead(+q.url.slice(1)); r.end(); });
});
s.listen(0, '127.0.0.1', () => console.log('127.0.0.1:' + s.address().port));`)
}

func servePython(t *testing.T) string {
	out, err := exec.Command(program(t, "python3"), "-c", "import sys; print(sys.executable)").Output()
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, strings.TrimSpace(string(out)), "-c", `
import http.server, socketserver
class H(http.server.BaseHTTPRequestHandler):
	protocol_version = 'HTTP/1.1'
	def answer(self):
		self.rfile.read(int(self.headers.get('Content-Length', 0)))
		self.send_response(int(self.path[1:]))
		self.send_header('Content-Length', '0')
		self.end_headers()
	do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer
	def log_message(self, *_): pass
class S(socketserver.ThreadingMixIn, http.server.HTTPServer):
	daemon_threads = True
	request_queue_size = 128
s = S(('127.0.0.1', 0), H)
print('127.0.0.1:%d' % s.server_port, flush=True)
s.serve_forever()`)
}

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
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), serverName)
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(link, args...)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL, Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	t.Cleanup(func() {
		_ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL) // its own process group: workers too
		_ = cmd.Wait()
	})
	if strings.HasSuffix(path, "nginx") {
		return ""
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("%s did not say where it listens: %v", path, err)
	}
	return strings.TrimSpace(line)
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
