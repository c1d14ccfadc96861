package http1

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/test/process"
)

// switchRows leave HTTP/1 behind, or ask to.
func switchRows() []row {
	upgrade := request("GET", "/200", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==", "Sec-WebSocket-Version: 13")
	return []row{
		{name: "WebSocket: ws, ws", run: func(r *run) {
			addr := r.node(server, nodeOptions{"listeners": []string{"websocket"}})
			r.both(r.ask("", "node", r.tool("ws_client.js"), "ws://"+addr+"/", "10", "20"))
		}},
		{name: "WebSocket through nginx: ws, ws", run: func(r *run) {
			behind := r.node(server, nodeOptions{"listeners": []string{"websocket"}})
			addr := r.nginx(proxy, "", "location / { proxy_pass http://"+behind+"; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; }")
			c := r.ask("", "node", r.tool("ws_client.js"), "ws://"+addr+"/", "10", "20")
			r.both(c)
			r.served(proxy, c)
			r.asked(proxy, c)
		}},
		{name: "upgrade refused by 426: Node", run: func(r *run) {
			addr := r.node(server, nodeOptions{"listeners": []string{"upgrade"}})
			r.both(r.raw(addr, join(exchange("GET", "/200"), script{send(upgrade, "GET"), recv(1)})))
		}},
		{name: "upgrade passed over: nginx", run: func(r *run) {
			addr := r.nginx(server, "", "")
			r.both(r.raw(addr, join(exchange("GET", "/200"), script{send(upgrade, "GET"), recv(1)}, exchange("HEAD", "/404"))))
		}},
		{name: "upgrade to h2c passed over: curl, nginx", run: func(r *run) {
			base := "http://" + r.nginx(server, "", "")
			r.both(r.curl("--http2", base+"/200", base+"/404", base+"/large"))
		}},
		{name: "upgrade to h2c: curl, Apache", run: func(r *run) {
			base := "http://" + r.apache(server, []string{"http2"}, "Protocols h2c http/1.1")
			if out, _ := r.program("", "curl", "-s", "--http2", "-o", "/dev/null", "-w", "%{http_version} %{http_code}", base+"/small"); out != "2 200" {
				r.Fatalf("curl saw %q", out)
			}
			r.both(counts{"GET 200": {n: 1, seconds: unknown}}) // by HTTP/2, on stream 1
		}},
		{name: "upgrade to h2c passed over: curl, Apache", run: func(r *run) {
			base := "http://" + r.apache(server, []string{"http2"}, "Protocols h2c http/1.1")
			r.both(r.curl("--http2", base+"/404", base+"/403")) // redirects come before the upgrade
		}},
		{name: "CONNECT: curl, squid, Node", run: func(r *run) { r.tunnel(r.squid(proxy)) }},
		{name: "CONNECT: curl, a proxy of Node, Node", run: func(r *run) {
			r.tunnel(r.node(proxy, nodeOptions{"listeners": []string{"connect"}}))
		}},
		{name: "CONNECT refused: curl, squid", run: func(r *run) {
			addr := r.squid(server)
			for range 3 {
				_, stderr, err := r.tryProgram("", "curl", "-s", "-p", "-x", "http://"+addr, "-w", `%{stderr}CONNECT %{http_connect} 1\n`, "http://refused.invalid:80/")
				if err == nil {
					r.Fatal("the tunnel was not refused")
				}
				c := r.curlSaw(stderr)
				r.both(c)
			}
		}},
	}
}

// tunnel asks a server through a proxy, which opens a tunnel to it.
func (r *run) tunnel(addr string) {
	r.Helper()
	base := "http://" + r.node(server, nil)
	c := r.curl("-p", "-x", "http://"+addr, base+"/200", base+"/404", base+"/size/50000").untimed()
	tunnels := counts{"CONNECT 200": {n: 1, seconds: unknown}}
	r.asked(client, plus(tunnels, c)) // the connection begins anew behind the first answer
	r.served(proxy, plus(tunnels, c))
	r.asked(proxy, c)
	r.served(server, c)
}

// proxyRows have a proxy between client and server, of which both sides are seen.
func proxyRows() []row {
	return []row{
		{name: "nginx before Node", run: func(r *run) {
			behind := r.node(server, nil)
			r.through(r.nginx(proxy, "upstream behind { server "+behind+"; keepalive 4; }",
				"location / { proxy_pass http://behind; proxy_http_version 1.1; proxy_set_header Connection ''; }"), 0) // takes a 103 for the answer
		}},
		{name: "haproxy before Node", run: func(r *run) { r.through(r.haproxy(proxy, r.node(server, nil), ""), 20) }},
		{name: "squid before Node", run: func(r *run) {
			base := "http://" + r.node(server, nil)
			addr := r.squid(proxy)
			c := r.curl(append([]string{"-x", "http://" + addr}, times(5, base+"/200", base+"/404", base+"/chunks/HTTP%2F1.1%20500|b", base+"/size/40000")...)...)
			r.all(c)
		}},
		{name: "Apache before Node", run: func(r *run) {
			r.through(r.apache(proxy, []string{"proxy", "proxy_http"}, "AllowEncodedSlashes NoDecode\nProxyPass / http://"+r.node(server, nil)+"/ nocanon"), 8) // answers 502 to more
		}},
		{name: "PROXY header: curl, nginx", run: func(r *run) {
			addr := r.nginxBehindProxy()
			r.both(r.curl("--haproxy-protocol", "http://"+addr+"/200", "http://"+addr+"/404", "http://"+addr+"/large"))
		}},
		{name: "PROXY header: haproxy, nginx", run: func(r *run) {
			addr := r.haproxy(proxy, r.nginxBehindProxy()+" send-proxy", "")
			r.all(r.requests(addr, "/401", "/large", 2, 50))
		}},
		{name: "PROXY header, version 2: haproxy, nginx", run: func(r *run) {
			addr := r.haproxy(proxy, r.nginxBehindProxy()+" send-proxy-v2 proxy-v2-options crc32c,unique-id", "")
			r.all(r.requests(addr, "/401", "/large", 2, 50))
		}},
		{name: "PROXY header, and a connection each: haproxy, nginx", run: func(r *run) {
			addr := r.haproxy(proxy, r.nginxBehindProxy()+" send-proxy-v2", "option httpclose")
			r.all(r.curl(times(20, "http://"+addr+"/200", "http://"+addr+"/403")...))
		}},
		{name: "haproxy without a server behind it", run: func(r *run) {
			addr := r.haproxy(server, nobody(r), "")
			r.both(r.raw(addr, repeat(3, exchange("GET", "/200")...)))
		}},
		{name: "nginx without a server behind it", run: func(r *run) {
			addr := r.nginx(server, "", "location / { proxy_pass http://"+nobody(r)+"; }")
			r.both(r.raw(addr, repeat(3, exchange("PUT", "/a")...)))
		}},
	}
}

// nginxBehindProxy is an nginx that expects the header of the PROXY protocol in front of all that it is asked.
func (r *run) nginxBehindProxy() (addr string) {
	r.Helper()
	addr = process.FreeAddress(r)
	r.nginx(server, "", "listen "+addr+" proxy_protocol;")
	return addr
}

// through asks a server through a proxy that passes on each request, and so many interim responses at most.
func (r *run) through(addr string, interim int) {
	r.Helper()
	text := "HTTP%2F1.1%20500|b|GET%20%2F"
	one := join(exchange("GET", "/now/404"), exchange("GET", "/chunks/"+text), exchange("HEAD", "/size/7000"),
		script{send(withBody("PUT", "/now/401", "STATUS"), "PUT"), recv(1)},
		script{sendPieces([]string{request("POST", "/echo/201", "Transfer-Encoding: chunked"), "3\r\nGET\r\n", "0\r\n\r\n"}, "POST"), recv(1)},
		exchange("GET", "/hints/"+number(interim)+"/200"), exchange("GET", "/size/40000"), exchange("DELETE", "/now/204"))
	r.all(plus(r.raw(addr, one, one, one), r.requests(addr, "/now/401", "/now/404", 2, 50)))
}

// all says that client, proxy and server saw the same.
func (r *run) all(c counts) {
	r.both(c)
	r.served(proxy, c)
	r.asked(proxy, c)
}

// loadRows make many requests.
func loadRows() []row {
	return []row{
		{name: "h2load, one request at a time: nginx", run: func(r *run) { r.h2load(r.nginx(server, "", ""), 1) }},
		{name: "h2load, pipelines of 30: nginx", mayLose: "pipelined", run: func(r *run) { r.h2load(r.nginx(server, "", ""), 30) }},
		{name: "h2load, pipelines of 30: Apache", mayLose: "pipelined", run: func(r *run) { r.h2load(r.apache(server, nil, ""), 30) }},
		{name: "h2load, pipelines of 8: Node", run: func(r *run) { r.h2load(r.node(server, nil), 8) }},
		{name: "ab, kept: nginx", run: func(r *run) { r.ab(r.nginx(server, "", ""), "-k", "-n", "5000") }},
		{name: "ab, a connection each: nginx", run: func(r *run) { r.ab(r.nginx(server, "", ""), "-n", "1000") }},
		{name: "ab, kept: Apache", run: func(r *run) { r.ab(r.apache(server, nil, ""), "-k", "-n", "5000") }},
		{name: "wrk: nginx", run: func(r *run) { r.wrk(r.nginx(server, "", ""), 1) }},
		{name: "wrk, pipelines of 8 mixed ones: nginx", run: func(r *run) { r.wrk(r.nginx(server, "", ""), 8, "-s", r.tool("pipeline.lua")) }},
	}
}

func (r *run) h2load(addr string, depth int) {
	r.Helper()
	const n = 6000
	stdout, stderr := r.program("", "h2load", "--h1", "-n", number(n), "-c", "8", "-m", number(depth), "http://"+addr+"/200")
	if !strings.Contains(stdout, number(n)+" succeeded") {
		r.Fatalf("h2load: %s%s", stdout, stderr)
	}
	r.both(counts{"GET 200": {n: n, seconds: unknown}})
}

func (r *run) ab(addr string, args ...string) {
	r.Helper()
	stdout, stderr := r.program("", "ab", append(args, "-q", "-c", "8", "http://"+addr+"/200")...)
	if !strings.Contains(stdout, "Failed requests:        0") {
		r.Fatalf("ab: %s%s", stdout, stderr)
	}
	n := args[len(args)-1]
	c, _ := parseCounts(r.T, "GET 200 "+n)
	r.both(c)
}

// wrk stops in the middle of its work. The server's log is the truth, apart from the last requests of each connection.
func (r *run) wrk(addr string, depth uint64, args ...string) {
	r.Helper()
	const connections = 4
	stdout, stderr := r.program("", "wrk", append(args, "-t", "1", "-c", number(connections), "-d", "1s", "http://"+addr+"/200")...)
	if !strings.Contains(stdout, "requests in") {
		r.Fatalf("wrk: %s%s", stdout, stderr)
	}
	log := r.logged("nginx")
	truth := func() counts {
		out := counts{}
		for key, v := range log() {
			method, _, _ := strings.Cut(key, " ")
			least := v.n - min(v.n, depth*connections)
			out.join(key, count{n: least, more: v.n - least, seconds: unknown})
			out[method+" aborted"] = count{more: depth * connections, seconds: unknown}
		}
		return out
	}
	r.ends = append(r.ends, end{server, kernel.RoleServer, truth}, end{client, kernel.RoleClient, truth})
}

// packageRows are programs that use HTTP/1 in ways of their own.
func packageRows() []row {
	return []row{
		{name: "svn: Apache", mayLose: "pipelined", run: func(r *run) {
			repository := filepath.Join(r.dir, "repository")
			r.run("svnadmin", "create", repository)
			r.run("chmod", "-R", "a+rwX", repository)
			addr := r.apache(server, []string{"dav", "dav_svn"}, "<Location /svn>\nDAV svn\nSVNPath "+repository+"\nRequire all granted\n</Location>")
			url, tree := "http://"+addr+"/svn", filepath.Join(r.dir, "tree")
			for i := range 40 {
				r.write("tree/folder"+number(i%5)+"/file"+number(i), strings.Repeat("GET / HTTP/1.1\r\n\r\n", i))
			}
			config := []string{"--non-interactive", "--no-auth-cache", "--config-dir", filepath.Join(r.dir, "config"), "-q"}
			svn := func(args ...string) { r.program("", "svn", append(args, config...)...) }
			svn("import", "-m", "first", tree, url+"/trunk")
			svn("checkout", url+"/trunk", filepath.Join(r.dir, "copy"))
			r.write("copy/folder1/file1", "STATUS")
			svn("commit", "-m", "second", filepath.Join(r.dir, "copy"))
			svn("log", url)
			svn("export", url+"/trunk", filepath.Join(r.dir, "export"))
			r.ends = append(r.ends, end{server, kernel.RoleServer, r.logged("apache")}, end{client, kernel.RoleClient, r.logged("apache")})
		}},
		{name: "apt: nginx", run: func(r *run) {
			r.repository("files/repository", 30)
			addr := r.nginx(server, "", "")
			r.apt(addr)
			r.ends = append(r.ends, end{server, kernel.RoleServer, r.logged("nginx")}, end{client, kernel.RoleClient, r.logged("nginx")})
		}},
		{name: "apt: Apache", run: func(r *run) {
			r.repository("files/repository", 30)
			addr := r.apache(server, nil, "")
			r.apt(addr)
			r.ends = append(r.ends, end{server, kernel.RoleServer, r.logged("apache")}, end{client, kernel.RoleClient, r.logged("apache")})
		}},
	}
}

// repository makes a package archive with n packages. There is nothing in them, apart from what apt looks at.
func (r *run) repository(dir string, n int) {
	r.Helper()
	for i := range n {
		name := "fathom-test-" + number(i)
		control := filepath.Dir(r.write("packages/"+name+"/DEBIAN/control",
			"Package: "+name+"\nVersion: 1\nArchitecture: all\nMaintainer: a <a@localhost>\nDescription: a\n"))
		if err := os.MkdirAll(filepath.Join(r.dir, dir), 0o755); err != nil {
			r.Fatal(err)
		}
		r.run("dpkg-deb", "--build", "-Znone", filepath.Dir(control), filepath.Join(r.dir, dir, name+"_1_all.deb"))
	}
	r.run("sh", "-c", `cd "$0" && apt-ftparchive packages . >Packages && apt-ftparchive release . >../Release && mv ../Release .`, filepath.Join(r.dir, dir))
}

// apt updates and downloads with its own method of http, under the workload's name.
func (r *run) apt(addr string) {
	r.Helper()
	// The name of a method is the scheme of the archive's address.
	scheme := r.workload(client)
	r.linked(client, "/usr/lib/apt/methods/http")
	for _, name := range []string{"store", "copy", "file", "gpgv"} {
		if err := os.Symlink("/usr/lib/apt/methods/"+name, filepath.Join(r.dir, name)); err != nil {
			r.Fatal(err)
		}
	}
	for _, dir := range []string{"state/lists/partial", "cache/archives/partial", "download"} {
		r.write(dir+"/.keep", "")
	}
	r.write("status", "")
	config := r.write("apt.conf", `Dir::State "`+r.dir+`/state"; Dir::State::status "`+r.dir+`/status"; Dir::Cache "`+r.dir+`/cache";
Dir::Etc "`+r.dir+`/etc"; Dir::Etc::sourcelist "`+r.dir+`/sources.list"; Dir::Etc::trusted "`+r.dir+`/trusted.gpg"; Dir::Bin::Methods "`+r.dir+`";
APT::Sandbox::User "root"; Acquire::Languages "none"; APT::Get::AllowUnauthenticated "true"; Debug::NoLocking "true";
`)
	r.write("sources.list", "deb [trusted=yes] "+scheme+"://"+addr+"/repository ./\n")
	for _, what := range [][]string{{"update"}, append([]string{"download"}, r.packages()...)} {
		out := r.runEnv([]string{"APT_CONFIG=" + config}, filepath.Join(r.dir, "download"), "apt-get", what...)
		if strings.Contains(out, "Err:") || strings.Contains(out, "E: ") {
			r.Fatalf("apt-get %s: %s", what[0], out)
		}
	}
}

func (r *run) packages() (all []string) {
	for i := range 30 {
		all = append(all, "fathom-test-"+number(i))
	}
	return all
}
