package http2

import (
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/test/process"
)

// otherRows have implementations of HTTP/2 that are neither Go's nor nghttp2's: those of Tomcat, Jetty, lighttpd, Netty (in grpc-java), Python's
// h2 (in httpx); and etcd, which lets gRPC and HTTP/1 in at one port, and asks itself.
func otherRows() []row {
	requests := []string{"GET /now/404", "GET /size/100", "GET /size/100000", "HEAD /size/100", "DELETE /now/204", "POST /read/201 1000", "PUT /read/200 100000", "GET /now/503"}
	var all []row
	for _, s := range []struct {
		name  string
		serve func(r *run) string
	}{{"Tomcat", (*run).tomcat}, {"Jetty", (*run).jetty}} {
		ours := sites()[0]
		all = append(all,
			row{name: "h2load, " + s.name, run: func(r *run) {
				addr := s.serve(r)
				r.both(plus(r.h2load(addr, ours, 15, 1), r.h2load(addr, ours, 300, 100)))
			}},
			row{name: "curl, curl with Upgrade, " + s.name, run: func(r *run) {
				addr := s.serve(r)
				all := r.curl(addr, ours, "--http2-prior-knowledge")
				// No HEAD: Tomcat sends a body with the answer, if that came with Upgrade.
				for _, path := range []string{"/size/100", "/now/404", "/size/30000"} {
					all = plus(all, r.curlOnce("http://"+addr+path, "--http2"))
				}
				if s.name == "Tomcat" { // against Jetty Go's client fails at times, without Fathom too
					all = plus(all, r.goAsk(addr, requests, "-n", "200", "-c", "20", "-conns", "2"))
				}
				r.served(server, all)
				r.asked(client, all)
			}})
	}
	for _, atOnce := range []int{1, 20} {
		all = append(all, row{name: fmt.Sprintf("httpx, Go: %d at once", atOnce), run: func(r *run) {
			r.both(r.ask(python, append([]string{r.testdata("httpx_client.py"), "http://" + r.goServe(server), "100", number(atOnce)}, requests...)...))
		}})
	}
	return append(all,
		row{name: "grpc-go, grpc-java", run: func(r *run) {
			addr := r.java("Grpc", grpcJars, "serve")
			r.both(plus(r.grpcAsk(addr, calls, "-n", "60"), r.grpcAsk(addr, calls, "-n", "300", "-c", "20")))
		}},
		row{name: "grpc-java, grpc-go", run: func(r *run) {
			r.both(r.ask("java", append(r.javaArgs("Grpc", grpcJars, "ask", r.grpcServe(), "300", "20"), calls...)...))
		}},
		row{name: "h2load, lighttpd", run: func(r *run) {
			addr, c := r.lighttpd(), counts{}
			for _, streams := range []int{1, 10, 100} {
				c = plus(c,
					r.h2loadOnce(addr, 300, streams, counts{"GET 200": 200, "GET 404": 100}, []string{"/small", "/large", "/missing"}),
					r.h2loadOnce(addr, 100, streams, counts{"HEAD 200": 100}, []string{"/small"}, "-H", ":method: HEAD"))
			}
			r.both(c)
		}},
		// lighttpd answers before it has read a body, and ends its stream with RST_STREAM behind the answer. It takes eight requests at a time, and
		// refuses what a client has asked for before it knew.
		row{name: "h2load with bodies that nobody reads, lighttpd", run: func(r *run) {
			addr := r.lighttpd()
			out, _ := r.program("h2load", "-n", "300", "-m", "10", "-d", r.write("body", strings.Repeat("b", 1024)), "http://"+addr+"/small")
			requests := h2loadRequests.FindStringSubmatch(out)
			if requests == nil || requests[2] != "300" {
				r.Fatalf("h2load said: %s", out)
			}
			r.both(counts{"POST 200|refused": 300})
		}},
		// What was asked is answered by something else than HTTP/2, by a server that does not know it.
		row{name: "curl, a server of HTTP/1", run: func(r *run) {
			addr := process.FreeAddress(r)
			host, port, _ := net.SplitHostPort(addr)
			r.serve(server, addr, python, "-c", `
import http.server, time
class Handler(http.server.BaseHTTPRequestHandler):
    def setup(self):
        time.sleep(0.3)  # until all that curl sends is there
        super().setup()
http.server.ThreadingHTTPServer(("`+host+`", `+port+`), Handler).serve_forever()
`)
			if output, err := r.command("curl", "-s", "--http2-prior-knowledge", "http://"+addr+"/").Output(); err == nil {
				r.Fatalf("curl understood: %s", output)
			}
			r.both(counts{"GET aborted": 1})
		}},
		row{name: "etcdctl, etcd", run: (*run).etcd})
}

// curlOnce makes one request with curl, which says what was answered.
func (r *run) curlOnce(url string, flags ...string) counts {
	r.Helper()
	_, stderr := r.program("curl", append([]string{"-s", "-o", "/dev/null", "-w", `%{stderr}%{method} %{http_code} 1\n`, url}, flags...)...)
	return parseCounts(r.T, stderr)
}

// jars is a class path of what Debian has installed.
func jars(names ...string) string {
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = "/usr/share/java/" + name + ".jar"
	}
	return strings.Join(all, ":")
}

var (
	tomcatJars = jars("tomcat10-catalina", "tomcat10-coyote", "tomcat10-juli", "tomcat10-servlet-api", "tomcat10-util", "tomcat10-util-scan",
		"tomcat10-jni", "tomcat10-annotations-api", "tomcat10-api", "tomcat10-jaspic-api")
	jettyJars = jars("jetty9-server", "jetty9-http", "jetty9-io", "jetty9-util", "jetty9-http2-server", "jetty9-http2-common", "jetty9-http2-hpack", "servlet-api")
	grpcJars  = jars("grpc-api", "grpc-core", "grpc-context", "grpc-netty", "grpc-stub", "netty-buffer", "netty-codec", "netty-codec-http", "netty-codec-http2",
		"netty-common", "netty-handler", "netty-resolver", "netty-transport", "guava", "perfmark-api")
)

// javaArgs are the arguments with which java runs a source of testdata.
func (r *run) javaArgs(class, jars string, args ...string) []string {
	r.Helper()
	return append([]string{"-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", jars, r.testdata(class + ".java")}, args...)
}

// java starts a server; the last one of its arguments is where to listen.
func (r *run) java(class, jars string, args ...string) (addr string) {
	r.Helper()
	addr = process.FreeAddress(r)
	r.serve(server, addr, "java", r.javaArgs(class, jars, append(args, addr)...)...)
	return addr
}

func (r *run) tomcat() (addr string) {
	r.Helper()
	return r.java("TomcatServer", tomcatJars, filepath.Join(r.dir, "tomcat"))
}

func (r *run) jetty() (addr string) {
	r.Helper()
	return r.java("JettyServer", jettyJars)
}

func (r *run) lighttpd() (addr string) {
	r.Helper()
	addr = process.FreeAddress(r)
	host, port, _ := net.SplitHostPort(addr)
	conf := r.write("lighttpd.conf", fmt.Sprintf(`server.bind = %q
server.port = %s
server.document-root = %q
server.feature-flags = ("server.h2proto" => "enable", "server.h2c" => "enable")
`, host, port, r.files()))
	r.serve(server, addr, "/usr/sbin/lighttpd", "-D", "-f", conf)
	return addr
}

// etcd has etcdctl write, read and watch. What comes in as JSON is HTTP/1, and etcd is its own client for it.
func (r *run) etcd() {
	addr, peer := process.FreeAddress(r), process.FreeAddress(r)
	r.Setenv("ETCDCTL_API", "3")
	r.serve(server, addr, "etcd", "--name", "one", "--data-dir", filepath.Join(r.dir, "etcd"), "--log-level", "error",
		"--listen-client-urls", "http://"+addr, "--advertise-client-urls", "http://"+addr,
		"--listen-peer-urls", "http://"+peer, "--initial-advertise-peer-urls", "http://"+peer, "--initial-cluster", "one=http://"+peer)
	var calls uint64
	etcdctl := func(args ...string) *exec.Cmd {
		return r.command("etcdctl", append([]string{"--endpoints", "http://" + addr}, args...)...)
	}
	call := func(args ...string) {
		r.Helper()
		if output, err := etcdctl(args...).CombinedOutput(); err != nil {
			r.Fatalf("etcdctl %s: %v: %s", args, err, output)
		}
		calls++
	}
	call("put", "large", strings.Repeat("v", 50_000))
	call("get", "large")
	watch := etcdctl("watch", "--prefix", "key")
	output, err := watch.StdoutPipe()
	if err == nil {
		err = watch.Start()
	}
	if err != nil {
		r.Fatal(err)
	}
	for i, seen := 0, make(chan error, 1); seen != nil; i++ { // until the watch has begun
		call("put", fmt.Sprint("key", i), strings.Repeat("v", 1000))
		if i == 0 {
			go func() {
				_, err := output.Read(make([]byte, 1))
				seen <- err
			}()
		}
		select {
		case err := <-seen:
			if err != nil {
				r.Fatal(err)
			}
			seen = nil
		case <-time.After(20 * time.Millisecond):
		}
	}
	call("get", "--prefix", "key")
	call("lease", "grant", "100")
	call("snapshot", "save", filepath.Join(r.dir, "snapshot"))
	if err := watch.Process.Signal(syscall.SIGTERM); err != nil {
		r.Fatal(err)
	}
	_ = watch.Wait()
	for range 3 {
		answer, err := http.Post("http://"+addr+"/v3/kv/range", "application/json", strings.NewReader(`{"key":"bGFyZ2U="}`))
		if err != nil {
			r.Fatal(err)
		}
		_ = answer.Body.Close()
	}
	asked := counts{"gRPC OK": calls, "gRPC aborted|reset_by_client": 1} // how it ends is up to etcdctl
	r.asked(client, asked)
	r.served(server, plus(asked, counts{"gRPC OK": 3, "POST 200": 3}))
	r.ends = append(r.ends, end{r.workload(server), kernel.RoleClient, func() counts { return counts{"gRPC OK": 3} }})
}
