package http1

import (
	"fmt"
	"strings"
)

// oddLines are request lines that servers answer, with an error mostly, each with its method as Fathom may call it.
var oddLines = []struct{ method, line string }{
	{"OTHER", "get /404 HTTP/1.1"},
	{"OTHER", "patch /404 HTTP/1.1"},
	{"OTHER", "VERSION-CONTROL /404 HTTP/1.1"},
	{"OTHER", "BASELINE-CONTROL /404 HTTP/1.1"},
	{"OTHER", "X /404 HTTP/1.1"},
	{"OTHER", "M2 /404 HTTP/1.1"},
	{"OTHER", "X.Y /404 HTTP/1.1"},
	{"OTHER", "ABCDEFGHIJKLMNOPQRSTUVWXYZ /404 HTTP/1.1"},
	{"OTHER", "PROPFIND /404 HTTP/1.1"},
	{"OTHER", "M-SEARCH * HTTP/1.1"},
	{"GET", "GET ftp://a/404 HTTP/1.1"},
	{"GET", "GET cache_object://localhost/404 HTTP/1.0"},
	{"GET", "GET ws://a/404 HTTP/1.1"},
	{"GET", "GET urn:a:b HTTP/1.1"},
	{"GET", "GET ?q=1 HTTP/1.1"},
	{"GET", "GET index.html HTTP/1.1"},
	{"GET", "GET  /404 HTTP/1.1"},
	{"OTHER", "GET\t/404 HTTP/1.1"},
	{"GET", "GET /404 HTTP/1.1 "},
	{"GET", "GET /404 HTTP/1.7"},
	{"GET", "GET /404 HTTP/2.0"},
	{"GET", "GET /404"},
	{"GET", "GET /a b HTTP/1.1"},
	{"OPTIONS", "OPTIONS * HTTP/1.1"},
	{"TRACE", "TRACE /404 HTTP/1.1"},
	{"OTHER", "\x16\x03\x01\x02 /404 HTTP/1.1"},
}

// lineRows have an unusual request line between two usual requests on a kept connection.
func lineRows() []row {
	return []row{
		{name: "odd request lines: nginx", run: func(r *run) { r.odd(r.nginx(server, "", "")) }},
		{name: "odd request lines: Node", run: func(r *run) { r.odd(r.node(server, nil)) }},
		// It answers a line without a version as HTTP/0.9, so that nothing tells where its answer ends.
		{name: "odd request lines: Apache", mayLose: "gap", run: func(r *run) { r.odd(r.apache(server, nil, "")) }},
		{name: "odd request lines: haproxy", run: func(r *run) {
			r.odd(r.haproxy(server, "", "http-request return status 404 if { path /404 }\n\thttp-request return status 200"))
		}},
		{name: "line ends before a request: nginx", run: func(r *run) { r.lineEnds(r.nginx(server, "", "")) }},
		{name: "line ends before a request: Node", run: func(r *run) { r.lineEnds(r.node(server, nil)) }},
		{name: "line ends before a request: Apache", run: func(r *run) { r.lineEnds(r.apache(server, nil, "")) }},
		{name: "bare line feeds: nginx", run: func(r *run) { r.bareLineFeeds(r.nginx(server, "", "")) }},
		{name: "bare line feeds: Apache", run: func(r *run) { r.bareLineFeeds(r.apache(server, nil, "HttpProtocolOptions Unsafe")) }},
	}
}

func (r *run) odd(addr string) {
	r.Helper()
	var all []script
	for _, odd := range oddLines {
		all = append(all, join(exchange("GET", "/200"), script{
			pause(0.8), send(odd.line+"\r\nHost: a\r\n\r\n", odd.method), recv(1), alive(0.1),
		}, exchange("GET", "/200")))
	}
	r.both(r.raw(addr, all...))
}

// lineEnds sends CR LF behind bodies and before requests, as some clients do, and servers ignore (RFC 9112, section 2.2).
func (r *run) lineEnds(addr string) {
	r.Helper()
	one := script{}
	for _, ends := range []string{"\r\n", "\r\n\r\n"} {
		one = append(one,
			send(withBody("POST", "/404", "a=1")+ends, "POST"), recv(1), pause(0.3),
			send(request("GET", "/200"), "GET"), recv(1),
			send(ends+request("GET", "/200"), "GET"), recv(1),
			sendPieces([]string{ends, request("DELETE", "/404")}, "DELETE"), recv(1))
	}
	r.both(r.raw(addr, one, one))
}

// bareLineFeeds ends lines with LF alone, which servers may take (RFC 9112, section 2.2).
func (r *run) bareLineFeeds(addr string) {
	r.Helper()
	get := strings.ReplaceAll(request("GET", "/200"), "\r\n", "\n")
	post := fmt.Sprintf("POST /404 HTTP/1.1\nHost: a\nContent-Length: %d\n\n%s", 11, "GET / HTTP/")
	one := script{send(get, "GET"), recv(1), send(post, "POST"), recv(1), send(get, "GET"), recv(1), send(get+post+get, "GET", "POST", "GET"), recv(3)}
	r.both(r.raw(addr, one, one))
}
