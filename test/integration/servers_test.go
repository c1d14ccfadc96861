package integration

import (
	"os/exec"
	"strings"
	"testing"
)

// TestServers sends many requests to real servers and compares the counts with the
// client's.
func TestServers(t *testing.T) {
	f := share(t, settleAfter)
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
				requests := n
				if busy {
					oversubscribe(t)
					if testing.Short() {
						requests /= 4 // in a guest this takes a minute
					}
				}
				equals(t, f, LoadCall{Addr: addr, Requests: requests, Connections: 16}, bothEnds)
			})
		}
	}
	t.Run("go, a connection per request", func(t *testing.T) {
		equals(t, f, LoadCall{Addr: serveGo(t), Requests: n / 4, Connections: 16, Fresh: true}, bothEnds)
	})
	t.Run("nginx, files by sendfile", func(t *testing.T) {
		kinds := []Kind{{"GET", "/small", 0}, {"HEAD", "/large", 0}, {"GET", "/large", 0}, {"GET", "/none", 0}}
		equals(t, f, LoadCall{Addr: serveNginxFiles(t), Requests: n, Connections: 8, Kinds: kinds}, bothEnds)
	})
	t.Run("nginx, a proxy before go", func(t *testing.T) {
		behind := start(t, "it-behind", nil).load("Serve", LoadCall{}).Addr
		equals(t, f, LoadCall{Addr: serveNginxProxy(t, behind), Requests: n, Connections: 8}, func(counts map[string]uint64) tally {
			want := bothEnds(counts)
			for name, n := range counts {
				want["server as client "+name] = n // the proxy is a client, too
			}
			return want
		})
	})
}

// equals makes the load and compares what Fathom counted with what follows from the client's
// counts.
func equals(t *testing.T, f *fathom, c LoadCall, follows func(map[string]uint64) tally) {
	t.Helper()
	client := start(t, clientName, nil)
	before := f.count()
	r := client.get(c)
	client.stop()
	f.mustMatch(t, before, follows(r.Counts), exchangesAndLost)
}

func serveGo(t *testing.T) string {
	return start(t, serverName, nil).load("Serve", LoadCall{}).Addr
}

func serveNode(t *testing.T) string {
	return serve(t, program(t, "node"), "-e", `
const s = require('http').createServer((q, r) => {
	q.resume();
	q.on('end', () => { r.writeHead(+q.url.slice(1)); r.end(); });
});
s.listen(0, '127.0.0.1', () => console.log('127.0.0.1:' + s.address().port));`)
}

func servePython(t *testing.T) string { return runPython(t, "") }

// runPython serves with Python, after the lines of setup.
func runPython(t *testing.T, setup string) string {
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
s = S(('127.0.0.1', 0), H)`+setup+`
print('127.0.0.1:%d' % s.server_port, flush=True)
s.serve_forever()`)
}
