package http1

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/fathomhq/fathom/test/process"
)

// python is Debian's, for which python3-requests and python3-aiohttp are; another one may come first in the path.
const python = "/usr/bin/python3"

// tool is the path of a program of testdata.
func (r *run) tool(name string) string {
	r.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", name))
	if err != nil {
		r.Fatal(err)
	}
	return path
}

// nginx serves: /STATUS is answered from the configuration, /small and /large are files of 100 and 300,000 bytes, /page is one of
// 9 kB, /text one that looks like HTTP. It logs what it answered.
func (r *run) nginx(part, outside, inside string) (addr string) {
	r.Helper()
	addr = process.FreeAddress(r)
	r.files()
	var statuses strings.Builder
	for _, status := range []int{200, 201, 204, 401, 403, 404, 500, 503} {
		body := fmt.Sprintf(" 'status %d\n'", status)
		if status == 204 {
			body = ""
		}
		fmt.Fprintf(&statuses, "location = /%d { return %d%s; }\n", status, status, body)
	}
	dir := filepath.Join(r.dir, "nginx-"+part)
	conf := r.write("nginx-"+part+"/conf", fmt.Sprintf(`daemon off; worker_processes 1; user root; pid %[1]s/pid; error_log %[1]s/error.log;
events { worker_connections 256; }
http {
	log_format counts '$request_method $status 1'; access_log %[1]s/access.log counts;
	keepalive_requests 1000000; default_type text/plain; underscores_in_headers on; large_client_header_buffers 8 32k;
	client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
	%[3]s
	server { listen %[2]s; root %[5]s; %[4]s
		%[6]s }
}
`, dir, addr, outside, inside, r.files(), &statuses))
	r.serve(part, addr, "/usr/sbin/nginx", "-c", conf, "-p", dir, "-e", filepath.Join(dir, "error.log"))
	return addr
}

// files writes the files that nginx and Apache serve, and returns their folder.
func (r *run) files() string {
	r.Helper()
	for name, content := range map[string]string{
		"files/small": strings.Repeat("f", 100),
		"files/large": strings.Repeat("f", 300_000),
		"files/page":  strings.Repeat("f", 9_000),
		"files/text":  looksLikeHTTP,
	} {
		r.write(name, content)
	}
	return filepath.Join(r.dir, "files")
}

// looksLikeHTTP is a body that must not be taken for messages.
const looksLikeHTTP = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\nGET /404 HTTP/1.1\r\nHost: a\r\n\r\nHTTP/1.1 404 Not Found\r\n\r\n"

// logged returns what the server, nginx or Apache, logged.
func (r *run) logged(name string) func() counts {
	return func() counts {
		content, err := os.ReadFile(filepath.Join(r.dir, name+"-"+server, "access.log"))
		if err != nil {
			return nil
		}
		c, _ := parseCounts(r.T, string(content[:strings.LastIndexByte(string(content), '\n')+1]))
		return c
	}
}

// apache serves the same files as nginx, with modules and lines of configuration.
func (r *run) apache(part string, modules []string, lines string) (addr string) {
	r.Helper()
	addr = process.FreeAddress(r)
	dir := filepath.Join(r.dir, "apache-"+part)
	var load strings.Builder
	for _, m := range append([]string{"mpm_event", "authz_core", "authn_core", "reqtimeout", "mime", "dir", "alias"}, modules...) {
		fmt.Fprintf(&load, "LoadModule %s_module /usr/lib/apache2/modules/mod_%s.so\n", m, m)
	}
	conf := r.write("apache-"+part+"/conf", fmt.Sprintf(`%[3]sServerRoot %[1]s
ServerName localhost
Listen %[2]s
PidFile %[1]s/pid
DefaultRuntimeDir %[1]s
ErrorLog %[1]s/error.log
LogFormat "%%m %%>s 1" counts
CustomLog %[1]s/access.log counts
TypesConfig /dev/null
User www-data
Group www-data
StartServers 1
MinSpareThreads 25
ThreadsPerChild 25
MaxKeepAliveRequests 0
KeepAliveTimeout 10
LimitRequestFieldSize 32000
LimitRequestLine 32000
DocumentRoot %[4]s
<Directory %[4]s>
	Require all granted
</Directory>
Redirect 403 /403
Redirect 404 /404
AliasMatch ^/200$ %[4]s/small
%[5]s
`, dir, addr, &load, r.files(), lines))
	r.serve(part, addr, "/usr/sbin/apache2", "-f", conf, "-DFOREGROUND")
	return addr
}

// haproxy passes on to a server, or answers by itself with lines of configuration.
func (r *run) haproxy(part, behind, lines string) (addr string) {
	r.Helper()
	addr = process.FreeAddress(r)
	backend := ""
	if behind != "" {
		backend = "default_backend behind\nbackend behind\n\tserver one " + behind
	}
	conf := r.write("haproxy-"+part, fmt.Sprintf(`global
	maxconn 200
defaults
	mode http
	timeout connect 10s
	retries 0
	timeout client 30s
	timeout server 30s
	timeout http-keep-alive 30s
frontend front
	bind %s
	%s
	%s
`, addr, lines, backend))
	r.serve(part, addr, "haproxy", "-db", "-f", conf)
	return addr
}

// squid is a forward proxy.
func (r *run) squid(part string) (addr string) {
	r.Helper()
	addr = process.FreeAddress(r)
	_, port, _ := strings.Cut(addr, ":")
	conf := r.write("squid-"+part, fmt.Sprintf(`http_port 127.0.0.1:%[1]s
acl refused url_regex refused
http_access deny refused
http_access allow all
cache deny all
cache_effective_user proxy
pid_filename none
access_log none
cache_log %[2]s/squid.log
coredump_dir %[2]s
shutdown_lifetime 0 seconds
pinger_enable off
netdb_filename none
via off
`, port, r.dir))
	r.serve(part, addr, "squid", "-N", "-f", conf)
	return addr
}

// nodeOptions are those of http.createServer, and of testdata/server.js.
type nodeOptions map[string]any

// node serves testdata/server.js.
func (r *run) node(part string, o nodeOptions) (addr string) {
	r.Helper()
	addr = process.FreeAddress(r)
	if o == nil {
		o = nodeOptions{}
	}
	options, err := json.Marshal(o)
	if err != nil {
		r.Fatal(err)
	}
	r.serve(part, addr, "node", r.tool("server.js"), addr, string(options))
	return addr
}

// python serves a program of testdata.
func (r *run) python(script string, args ...string) (addr string) {
	r.Helper()
	addr = process.FreeAddress(r)
	r.serve(server, addr, python, append([]string{r.tool(script), addr}, args...)...)
	return addr
}

// java serves with the JDK's own server.
func (r *run) java() (addr string) {
	r.Helper()
	addr = process.FreeAddress(r)
	r.serve(server, addr, "java", "-XX:TieredStopAtLevel=1", "-Dsun.net.httpserver.nodelay=true", r.tool("Server.java"), addr)
	return addr
}

// goServer serves with Go's own server.
func (r *run) goServer() (addr string) {
	r.Helper()
	addr = process.FreeAddress(r)
	self, err := os.Executable()
	if err != nil {
		r.Fatal(err)
	}
	r.serve(server, addr, self, "serve", addr)
	return addr
}

// goClient makes requests with Go's own client.
func (r *run) goClient(addr string, requests ...string) counts {
	r.Helper()
	self, err := os.Executable()
	if err != nil {
		r.Fatal(err)
	}
	return r.ask("", self, append([]string{"ask", addr}, requests...)...)
}

// curl makes transfers, which keep their connection: arguments of "METHOD URL" start one each.
func (r *run) curl(args ...string) counts {
	r.Helper()
	_, stderr, _ := r.tryProgram("", "curl", append([]string{"-s", "-w", `%{stderr}%{method} %{http_code} 1 %{time_total}\n`}, args...)...)
	return r.curlSaw(stderr)
}

// curlSaw returns what curl said. 000 is its status where there was none.
func (r *run) curlSaw(text string) counts {
	r.Helper()
	c, _ := parseCounts(r.T, strings.ReplaceAll(text, " 000 ", " aborted "))
	return c
}

// times repeats an argument list.
func times(n int, args ...string) []string {
	var out []string
	for range n {
		out = append(out, args...)
	}
	return out
}

func number(n int) string { return strconv.Itoa(n) }
