package http2

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/test/process"
)

// python is Debian's, for which Debian's modules are.
const python = "/usr/bin/python3"

// site is a server of other people, or one of ours.
type site struct {
	name  string
	serve func(r *run, part string) (addr string)
	// gets are paths of a small body, of a large one, and of none that is there; post is one to which 1 KB is sent.
	small, large, missing, post string
	posted                      string // the status of post
	slow                        bool   // compared with the others
}

// files are what servers serve that serve files.
func (r *run) files() string {
	r.Helper()
	r.write("files/small", strings.Repeat("f", 100))
	r.write("files/large", strings.Repeat("f", 100_000))
	return filepath.Join(r.dir, "files")
}

func sites() []site {
	ofFiles := site{small: "/small", large: "/large", missing: "/missing", post: "/small", posted: "405"}
	ours := site{small: "/size/100", large: "/size/100000", missing: "/now/404", post: "/read/201", posted: "201"}
	with := func(s site, name, posted string, serve func(r *run, part string) string) site {
		s.name, s.serve = name, serve
		if posted != "" {
			s.posted = posted
		}
		return s
	}
	slow := func(s site) site { s.slow = true; return s }
	return []site{
		with(ours, "Go", "", func(r *run, part string) string { return r.goServe(part) }),
		with(ofFiles, "nginx", "", func(r *run, part string) string { return r.nginx(part, "") }),
		with(ofFiles, "nginx, sendfile", "", func(r *run, part string) string { return r.nginx(part, "sendfile on;") }),
		with(ofFiles, "nghttpd", "200", func(r *run, part string) string { return r.nghttpd(part) }),
		with(ofFiles, "h2o", "", (*run).h2o),
		with(ours, "Node", "", (*run).node),
		slow(with(ofFiles, "Apache", "200", func(r *run, part string) string { return r.apache(part) })),
		slow(with(ours, "hypercorn", "", func(r *run, part string) string { return r.python(part, "asgi.py") })),
		slow(with(ofFiles, "Caddy", "200", (*run).caddy)),
		slow(with(ours, "Varnish", "201", (*run).varnish)),
		with(ours, "HAProxy", "", func(r *run, part string) string { return r.haproxy(part, "") }),
	}
}

// serverRows have h2load ask servers, so many streams at once.
func serverRows() []row {
	var all []row
	for _, s := range sites() {
		for _, l := range []struct{ streams, n int }{{1, 90}, {10, 1500}, {100, 3000}} {
			n := l.n
			switch {
			case s.slow && l.streams == 1:
				n = 30 // Some wait 40 ms for each, as TCP does
			case s.slow:
				n = 300
			case l.streams > 1:
				n = many(n) / 3 * 3
			}
			all = append(all, row{name: fmt.Sprintf("h2load -m %d, %s", l.streams, s.name), run: func(r *run) {
				r.both(r.h2load(s.serve(r, server), s, n, l.streams))
				r.logged()
			}})
		}
	}
	return all
}

// h2load makes n requests for a small body, a large one and none, and then others without a body and with one.
func (r *run) h2load(addr string, s site, n, streams int) counts {
	r.Helper()
	some := n / 3
	return plus(
		r.h2loadOnce(addr, n, streams, counts{"GET 200": uint64(2 * n / 3), "GET 404": uint64(n / 3)}, []string{s.small, s.large, s.missing}),
		r.h2loadOnce(addr, some, streams, counts{"HEAD 200": uint64(some)}, []string{s.small}, "-H", ":method: HEAD"),
		r.h2loadOnce(addr, some, streams, counts{"POST " + s.posted: uint64(some)}, []string{s.post}, "-d", r.write("body", strings.Repeat("b", 1024)), "-c", "2"),
	)
}

var (
	h2loadRequests = regexp.MustCompile(`requests: (\d+) total, \d+ started, (\d+) done, \d+ succeeded, \d+ failed, (\d+) errored, (\d+) timeout`)
	h2loadStatuses = regexp.MustCompile(`status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx`)
)

// h2loadOnce runs h2load, which asks for the paths in turn, and says which class of status it saw how often. It returns what has to be
// seen, if it was.
func (r *run) h2loadOnce(addr string, n, streams int, want counts, paths []string, flags ...string) counts {
	r.Helper()
	base := addr
	if !strings.Contains(addr, "://") {
		base = "http://" + addr
	}
	args := append([]string{"-n", number(n), "-m", number(streams)}, flags...)
	for _, path := range paths {
		args = append(args, base+path)
	}
	out, _ := r.program("h2load", args...)
	requests, statuses := h2loadRequests.FindStringSubmatch(out), h2loadStatuses.FindStringSubmatch(out)
	if requests == nil || statuses == nil {
		r.Fatalf("h2load said: %s", out)
	}
	seen, expected := map[string]uint64{}, map[string]uint64{}
	for i, class := range []string{"2", "3", "4", "5"} {
		seen[class], _ = strconv.ParseUint(statuses[i+1], 10, 64)
	}
	for key, n := range want {
		_, status, _ := strings.Cut(key, " ")
		expected[status[:1]] += n
	}
	for class, n := range seen {
		if n != expected[class] || requests[2] != number(int(want.total())) || requests[3] != "0" || requests[4] != "0" {
			r.Fatalf("h2load has not seen %v: %s", want, out)
		}
	}
	return want
}

// proxyRows have a proxy between a client and a server, that speaks HTTP/2 with both.
func proxyRows() []row {
	ours := site{small: "/size/100", large: "/size/100000", missing: "/now/404", post: "/read/201", posted: "201"}
	var all []row
	for _, p := range []struct {
		name  string
		serve func(r *run, behind string) string
	}{
		{"HAProxy", func(r *run, behind string) string { return r.haproxy(proxy, behind) }},
		{"nghttpx", (*run).nghttpx},
	} {
		for _, l := range []struct{ streams, n int }{{1, 90}, {10, 900}, {100, 1500}} {
			all = append(all, row{name: fmt.Sprintf("h2load -m %d, %s, Go", l.streams, p.name), run: func(r *run) {
				r.through(r.h2load(p.serve(r, r.goServe(server)), ours, l.n, l.streams))
			}})
		}
		all = append(all,
			row{name: "Go, " + p.name + ", Go", run: func(r *run) {
				asked := []string{"GET /size/100", "GET /size/100000", "HEAD /size/100", "POST /read/201 3000", "PUT /read/200 ~1000", "GET /trailers", "GET /pieces/5", "GET /now/404", "GET /now/500"}
				r.through(r.goAsk(p.serve(r, r.goServe(server)), asked, "-n", "500", "-c", "20"))
			}},
			row{name: "grpc-go, " + p.name + ", grpc-go", run: func(r *run) {
				r.through(r.grpcAsk(p.serve(r, r.grpcServe()), smallCalls(), "-n", "400", "-c", "20"))
			}})
	}
	for _, atOnce := range []int{1, 10, 100} {
		all = append(all, row{name: fmt.Sprintf("grpc-go, nginx with grpc_pass, grpc-go: %d at once", atOnce), run: func(r *run) {
			behind := r.grpcServe()
			addr := r.nginx(proxy, "location /test.Echo/ { grpc_pass grpc://behind; }", "upstream behind { server "+behind+"; keepalive 10; }")
			r.through(r.grpcAsk(addr, calls, "-n", "400", "-c", number(atOnce)))
		}})
	}
	return append(all, row{name: "h2load, nginx with proxy_pass, Go", run: func(r *run) {
		behind := r.goServe(server)
		addr := r.nginx(proxy, "location / { proxy_pass http://behind; proxy_http_version 1.1; proxy_set_header Connection ''; }", "upstream behind { server "+behind+"; keepalive 10; }")
		r.through(r.h2load(addr, ours, 900, 10))
	}})
}

// smallCalls are the calls without large messages. HAProxy 2.6 waits for ever where 20 of those come in on a connection at a time: none gets
// more window.
func smallCalls() (small []string) {
	for _, c := range calls {
		small = append(small, strings.Replace(c, "x100000", "x3000", 1))
	}
	return small
}

// clientRows have other clients.
func clientRows() []row {
	requests := []string{"GET /now/404", "GET /size/100", "GET /size/100000", "HEAD /size/100", "DELETE /now/204", "POST /read/201 1000", "PUT /read/200 100000", "GET /now/503"}
	var all []row
	for _, s := range sites() {
		if !s.slow || s.name == "Apache" {
			all = append(all, row{name: "curl, " + s.name, run: func(r *run) { r.both(r.curl(s.serve(r, server), s, "--http2-prior-knowledge")) }})
		}
	}
	for _, s := range []struct {
		name  string
		serve func(r *run) string
	}{
		{"Go", func(r *run) string { return r.goServe(server, "-upgrade") }},
		{"Node", func(r *run) string { return r.node(server) }},
	} {
		for _, atOnce := range []int{1, 10, 100} {
			all = append(all, row{name: fmt.Sprintf("Node, %s: %d at once", s.name, atOnce), run: func(r *run) {
				r.both(r.ask("node", append([]string{r.testdata("client.js"), s.serve(r), "400", number(atOnce)}, requests...)...))
			}})
		}
	}
	for _, atOnce := range []int{1, 20} {
		all = append(all,
			row{name: fmt.Sprintf("Python's grpcio, grpc-go: %d at once", atOnce), run: func(r *run) {
				r.both(r.ask(python, append([]string{r.testdata("grpc_client.py"), r.grpcServe(), "300", number(atOnce)}, calls...)...))
			}},
			row{name: fmt.Sprintf("Python's grpcio, both: %d at once", atOnce), run: func(r *run) {
				r.both(r.ask(python, append([]string{r.testdata("grpc_client.py"), r.python(server, "grpc_server.py"), "300", number(atOnce)}, calls...)...))
			}},
			row{name: fmt.Sprintf("grpc-go, Python's grpcio: %d at once", atOnce), run: func(r *run) {
				r.both(r.grpcAsk(r.python(server, "grpc_server.py"), calls, "-n", "300", "-c", number(atOnce)))
			}},
			// Java begins with Upgrade: h2c, and repeats no request.
			row{name: fmt.Sprintf("Java, Go with Upgrade: %d at once", atOnce), run: func(r *run) {
				r.both(r.ask("java", append([]string{"-XX:TieredStopAtLevel=1", r.testdata("Client.java"), r.goServe(server, "-upgrade"), "100", number(atOnce)}, requests...)...))
			}})
	}
	for _, atOnce := range []int{1, 20} {
		all = append(all,
			row{name: fmt.Sprintf("grpc-js, grpc-go: %d at once", atOnce), run: func(r *run) {
				r.npm()
				r.both(r.ask("node", append([]string{r.testdata("grpc_client.js"), r.grpcServe(), "300", number(atOnce)}, calls...)...))
			}},
			row{name: fmt.Sprintf("grpc-js, both: %d at once", atOnce), run: func(r *run) {
				r.npm()
				addr := process.FreeAddress(r)
				r.serve(server, addr, "node", r.testdata("grpc_server.js"), addr)
				r.both(r.ask("node", append([]string{r.testdata("grpc_client.js"), addr, "300", number(atOnce)}, calls...)...))
			}})
	}
	return append(all,
		row{name: "curl with Upgrade, Go", run: func(r *run) {
			s := sites()[0]
			r.both(r.curl(r.goServe(server, "-upgrade"), s, "--http2"))
		}},
		row{name: "nghttp, which is pushed to, nghttpd", run: func(r *run) {
			addr := r.nghttpd(server, "-p", "/small=/large")
			for range 5 {
				r.program("nghttp", "-n", "http://"+addr+"/small")
			}
			r.both(counts{"GET 200": 5})
		}},
		row{name: "nghttp with long blocks, Go", run: func(r *run) {
			addr := r.goServe(server)
			for range 5 {
				r.program("nghttp", "-n", "-H", "x-long: "+strings.Repeat("long", 5000), "http://"+addr+"/size/100", "http://"+addr+"/now/404", "http://"+addr+"/size/50000")
			}
			r.both(counts{"GET 200": 10, "GET 404": 5})
		}},
	)
}

// modules is the folder of what testdata/npm pins, once it is installed.
var modules string

// npm installs what testdata/npm pins, unless that was done before, and has Node find it.
func (r *run) npm() {
	r.Helper()
	if modules == "" {
		dir, err := os.MkdirTemp("", "fathom-http2-npm-")
		if err == nil {
			err = os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "npm")))
		}
		if err != nil {
			r.Fatal(err)
		}
		c := exec.CommandContext(r.Context(), "npm", "ci", "--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund")
		c.Dir = dir
		if output, err := c.CombinedOutput(); err != nil {
			if os.Getenv("FATHOM_REQUIRE_TOOLS") == "1" {
				r.Fatalf("npm: %v: %s", err, output)
			}
			r.Skipf("npm: %v; FATHOM_REQUIRE_TOOLS=1 makes this an error: %s", err, output)
		}
		modules = filepath.Join(dir, "node_modules")
	}
	r.Setenv("NODE_PATH", modules)
}

// curl makes requests of several kinds, on a connection each: curl 7.88 does not find out that one can be used again where it knows that the
// server speaks HTTP/2. curl says what was answered.
func (r *run) curl(addr string, s site, how string) counts {
	r.Helper()
	all := counts{}
	for _, request := range [][]string{{s.small}, {s.large}, {s.missing}, {s.small, "-I"}, {s.post, "-d", strings.Repeat("b", 1024)}} {
		if len(request) == 3 && s.posted != "201" {
			continue // curl does not show an answer before the request's end
		}
		args := append([]string{how, "-s", "-o", "/dev/null", "-w", `%{stderr}%{method} %{http_code} 1\n`, "http://" + addr + request[0]}, request[1:]...)
		_, stderr := r.program("curl", args...)
		all = plus(all, parseCounts(r.T, stderr))
	}
	return all
}

// logged adds what the server logged to what has to be true, if it logs.
func (r *run) logged() {
	path := filepath.Join(r.dir, "access.log")
	if _, err := os.Stat(path); err != nil {
		return
	}
	r.ends = append(r.ends, end{r.workload(server), kernel.RoleServer, func() counts {
		content, err := os.ReadFile(path)
		if err != nil {
			return nil
		}
		return parseCounts(r.T, string(content[:strings.LastIndexByte(string(content), '\n')+1]))
	}})
}

// nginx serves files, and what further lines say, and logs what it answered. It speaks TLS if they name a certificate.
func (r *run) nginx(part, inside string, outside ...string) (addr string) {
	r.Helper()
	addr = process.FreeAddress(r)
	listen := addr
	if strings.Contains(inside, "ssl_certificate") {
		listen += " ssl"
	}
	conf := r.write("nginx.conf", fmt.Sprintf(`daemon off; worker_processes 1; user root; pid %[1]s/pid; error_log %[1]s/error.log;
events { worker_connections 1024; }
http {
	log_format counts '$request_method $status 1'; access_log %[1]s/access.log counts;
	keepalive_requests 1000000; default_type text/plain; client_body_temp_path %[1]s/bodies; proxy_temp_path %[1]s/proxied;
	fastcgi_temp_path %[1]s/fastcgi; uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
	%[3]s
	server { listen %[2]s http2; root %[4]s; client_max_body_size 0; grpc_read_timeout 30s; %[5]s }
}
`, r.dir, listen, strings.Join(outside, "\n"), r.files(), inside))
	r.serve(part, addr, "/usr/sbin/nginx", "-c", conf, "-p", r.dir, "-e", filepath.Join(r.dir, "error.log"))
	return addr
}

func (r *run) nghttpd(part string, flags ...string) (addr string) {
	r.Helper()
	return r.nghttpdWith(part, append([]string{"--no-tls", "-d", r.files()}, flags...))
}

// nghttpdWith starts nghttpd with flags, and what comes behind its port.
func (r *run) nghttpdWith(part string, flags []string, behind ...string) (addr string) {
	r.Helper()
	addr = process.FreeAddress(r)
	host, port, _ := strings.Cut(addr, ":")
	r.serve(part, addr, "nghttpd", append(append([]string{"-a", host}, flags...), append([]string{port}, behind...)...)...)
	return addr
}

func (r *run) h2o(part string) (addr string) {
	r.Helper()
	addr = process.FreeAddress(r)
	host, port, _ := strings.Cut(addr, ":")
	conf := r.write("h2o.conf", fmt.Sprintf(`{"listen": {"host": %q, "port": %s}, "num-threads": 2, "user": "root", "hosts": {"default": {"paths": {"/": {"file.dir": %q}}}}}`, host, port, r.files()))
	r.serve(part, addr, "h2o", "-c", conf)
	return addr
}

func (r *run) node(part string) (addr string) {
	r.Helper()
	addr = process.FreeAddress(r)
	r.serve(part, addr, "node", r.testdata("server.js"), addr)
	return addr
}

func (r *run) python(part, script string) (addr string) {
	r.Helper()
	addr = process.FreeAddress(r)
	r.serve(part, addr, python, r.testdata(script), addr)
	return addr
}

func (r *run) apache(part string) (addr string) {
	r.Helper()
	addr = process.FreeAddress(r)
	var load strings.Builder
	for _, m := range []string{"mpm_event", "authz_core", "mime", "http2"} {
		fmt.Fprintf(&load, "LoadModule %s_module /usr/lib/apache2/modules/mod_%s.so\n", m, m)
	}
	conf := r.write("apache.conf", fmt.Sprintf(`%[3]sServerRoot %[1]s
ServerName localhost
Listen %[2]s
Protocols h2c http/1.1
PidFile %[1]s/pid
DefaultRuntimeDir %[1]s
ErrorLog %[1]s/error.log
LogFormat "%%m %%>s 1" counts
CustomLog %[1]s/access.log counts
TypesConfig /dev/null
User www-data
Group www-data
StartServers 1
ThreadsPerChild 25
MaxKeepAliveRequests 0
DocumentRoot %[4]s
<Directory %[4]s>
	Require all granted
</Directory>
`, r.dir, addr, &load, r.files()))
	r.serve(part, addr, "/usr/sbin/apache2", "-f", conf, "-DFOREGROUND")
	return addr
}

func (r *run) caddy(part string) (addr string) {
	r.Helper()
	addr = process.FreeAddress(r)
	r.Setenv("HOME", r.dir)
	conf := r.write("Caddyfile", fmt.Sprintf(`{
	admin off
	auto_https off
	servers {
		protocols h1 h2c
	}
}
http://%s {
	root * %s
	file_server
}
`, addr, r.files()))
	r.serve(part, addr, "caddy", "run", "--adapter", "caddyfile", "--config", conf)
	return addr
}

// varnish answers by itself. The process that does so gives itself a name.
func (r *run) varnish(part string) (addr string) {
	r.Helper()
	addr = process.FreeAddress(r)
	conf := r.write("conf.vcl", `vcl 4.1;
backend none none;
sub vcl_recv {
	if (req.url == "/now/404") { return (synth(404)); }
	if (req.method == "POST") { return (synth(201)); }
	return (synth(200));
}
sub vcl_synth {
	if (req.url == "/size/100000") {
		set resp.body = "`+strings.Repeat("f", 50_000)+`";
	} else {
		set resp.body = "small";
	}
	return (deliver);
}
`)
	r.called = map[string]string{part: "cache-main"}
	r.serve(part, addr, "varnishd", "-F", "-f", conf, "-a", addr, "-p", "feature=+http2", "-n", filepath.Join(r.dir, "varnish"), "-s", "malloc,10m", "-j", "none")
	return addr
}

// haproxy passes on to a server that speaks HTTP/2, or answers by itself.
func (r *run) haproxy(part, behind string) (addr string) {
	r.Helper()
	addr = process.FreeAddress(r)
	lines := "default_backend behind\nbackend behind\n\tserver one " + behind + " proto h2"
	if behind == "" {
		lines = "http-request wait-for-body time 1s if METH_POST\n" +
			"http-request return status 404 if { path /now/404 }\n" +
			"http-request return status 201 content-type text/plain string posted if METH_POST\n" +
			"http-request return status 200 content-type text/plain file " + r.write("page", strings.Repeat("f", 15_000)) + " if { path /size/100000 }\n" +
			"http-request return status 200 content-type text/plain string ok"
	}
	conf := r.write("haproxy.conf", fmt.Sprintf(`global
	maxconn 1000
	tune.h2.max-concurrent-streams 250
defaults
	mode http
	timeout connect 10s
	timeout client 30s
	timeout server 30s
	retries 0
frontend front
	bind %s proto h2
	%s
`, addr, lines))
	r.serve(part, addr, "haproxy", "-db", "-f", conf)
	return addr
}

func (r *run) nghttpx(behind string) (addr string) {
	r.Helper()
	addr = process.FreeAddress(r)
	host, port, _ := strings.Cut(addr, ":")
	to, at, _ := strings.Cut(behind, ":")
	r.serve(proxy, addr, "nghttpx", "-f", host+","+port+";no-tls", "-b", to+","+at+";;proto=h2", "--no-ocsp", "--workers=1", "--conf=/dev/null", "--errorlog-file="+filepath.Join(r.dir, "nghttpx.log"))
	return addr
}
