package http1

import (
	"fmt"

	"github.com/fathomhq/fathom/internal/kernel"
)

// pipelineRows send requests before those before are answered.
func pipelineRows() []row {
	var all []row
	for _, s := range []struct {
		name  string
		serve func(*run) string
	}{
		{"nginx", func(r *run) string { return r.nginx(server, "", "") }},
		{"Node", func(r *run) string { return r.node(server, nil) }},
		{"Apache", func(r *run) string { return r.apache(server, nil, "") }},
		{"haproxy", func(r *run) string { return r.haproxy(server, "", r.haproxyStatuses()) }},
	} {
		for _, n := range []int{3, 8, 24, 60} {
			all = append(all, row{name: fmt.Sprintf("pipeline of %d in one write: %s", n, s.name), mayLose: deeper(n > 8), run: func(r *run) {
				addr := s.serve(r)
				r.both(r.raw(addr, pipelines(n)...))
			}}, row{name: fmt.Sprintf("pipeline of %d equal ones in one write: %s", n, s.name), run: func(r *run) {
				addr := s.serve(r)
				r.both(r.raw(addr, equals(n, "GET", "/200"), equals(n, "HEAD", "/404")))
			}})
		}
		all = append(all, row{name: "pipeline in writes of their own, small reads: " + s.name, run: func(r *run) {
			addr := s.serve(r)
			one := script{sendPieces(mixed(8), mixedMethods(8)...), recv(8)}
			r.both(r.rawReads(addr, 7, one, one, one))
		}})
	}
	return append(all,
		row{name: "pipeline: undici, Node", mayLose: "pipelined", run: func(r *run) {
			r.both(r.undici(r.node(server, nil), 10, `[["GET","/200","",60],["POST","/read/201","GET / HTTP/1.1",60],["HEAD","/404","",60],["PUT","/now/401","STATUS",60]]`))
		}},
		row{name: "pipeline: undici, nginx", run: func(r *run) {
			r.both(r.undici(r.nginx(server, "", ""), 6, `[["GET","/200","",60],["GET","/page","",60],["HEAD","/404","",60],["DELETE","/204","",60]]`))
		}},
		row{name: "pipeline: nginx, slow answers between quick ones", run: func(r *run) {
			// Node behind nginx pauses between the pieces of a body.
			behind := r.node(proxy, nil)
			addr := r.nginx(server, "", "location /chunks { proxy_pass http://"+behind+"; proxy_http_version 1.1; }")
			chunks := "/chunks/HTTP%2F1.1%20500%20No%0D%0A%0D%0A|b|GET%20/|"
			text := request("GET", "/200") + request("GET", chunks) + request("HEAD", "/404") + request("GET", chunks) + request("GET", "/page")
			c := r.raw(addr, repeat(4, send(text, "GET", "GET", "HEAD", "GET", "GET"), recv(5)))
			r.both(c)
			passed := counts{"GET 200": {n: 8, seconds: c["GET 200"].seconds}}
			r.ends = append(r.ends, passedOn(server, proxy, passed)...)
		}},
	)
}

// deeper is what may be lost of a pipeline that is deeper than Fathom follows.
func deeper(is bool) string {
	if is {
		return "pipelined"
	}
	return ""
}

// haproxyStatuses answers like the other servers.
func (r *run) haproxyStatuses() string {
	return "http-request wait-for-body time 1s if METH_POST\n" +
		"http-request return status 404 if { path /404 }\n" +
		"http-request return status 403 if { path /403 }\n" +
		"http-request return status 200 content-type text/plain file " + r.files() + "/page if { path /page }\n" +
		"http-request return status 200 content-type text/plain string ok\n"
}

// mixed are n requests of several kinds.
func mixed(n int) (all []string) {
	for i := range n {
		switch i % 6 {
		case 0:
			all = append(all, request("GET", "/200"))
		case 1:
			all = append(all, request("HEAD", "/404"))
		case 2:
			all = append(all, withBody("POST", "/403", "GET /500 HTTP/1.1\r\nHost: a\r\n\r\nHTTP/1.1 503 No\r\n\r\n"))
		case 3:
			all = append(all, request("GET", "/page"))
		case 4:
			all = append(all, withBody("GET", "/200", "STATUS"))
		case 5:
			all = append(all, request("DELETE", "/404", "Cookie: "+fmt.Sprintf("%0300d", i)))
		}
	}
	return all
}

func mixedMethods(n int) (all []string) {
	for i := range n {
		all = append(all, []string{"GET", "HEAD", "POST", "GET", "GET", "DELETE"}[i%6])
	}
	return all
}

// pipelines are three connections, each with two pipelines of n requests behind each other.
func pipelines(n int) []script {
	text := ""
	for _, one := range mixed(n) {
		text += one
	}
	one := repeat(2, send(text, mixedMethods(n)...), recv(n))
	return []script{one, one, one}
}

// equals is a pipeline of n requests that are the same.
func equals(n int, method, target string) script {
	text, methods := "", []string{}
	for range n {
		text += request(method, target)
		methods = append(methods, method)
	}
	return repeat(2, send(text, methods...), recv(n))
}

func (r *run) undici(addr string, depth int, requests string) counts {
	r.Helper()
	return r.ask("", "node", r.tool("undici_client.js"), "http://"+addr, number(depth), requests)
}

// passedOn says what one part asked another one.
func passedOn(from, to string, c counts) []end {
	return []end{
		{from, kernel.RoleClient, func() counts { return c }},
		{to, kernel.RoleServer, func() counts { return c }},
	}
}
