package http1

import (
	"fmt"
	"net/url"
	"strings"
)

// bodyRows have bodies that look like something else.
func bodyRows() []row {
	messages := []string{
		"HTTP/1.1 500 No\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n", "GET /404 HTTP/1.1\r\n\r\n", "HTTP/1.0 404 Not Found", "\r\n", "POST / HTTP/1.1\r\n", "HT", "TP/1.1 201 Created\r\n\r\n",
	}
	escaped := url.PathEscape(strings.Join(messages, "|"))
	short := []string{"A", "ON", "STATUS", "GET", "GET ", "GET / HTTP/1.1", "\r\n", "0\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"}
	return []row{
		{name: "bodies like messages: curl, Node", run: func(r *run) {
			addr := r.node(server, nil)
			var args []string
			for _, how := range []string{"text", "pieces", "chunks"} {
				args = append(args, "http://"+addr+"/"+how+"/"+escaped, "http://"+addr+"/404")
			}
			r.both(r.curl(args...))
		}},
		{name: "bodies like messages, pipelined: Node", run: func(r *run) {
			addr := r.node(server, nil)
			text := request("GET", "/pieces/"+escaped) + request("DELETE", "/chunks/"+escaped) + request("GET", "/404")
			r.both(r.raw(addr, repeat(3, send(text, "GET", "DELETE", "GET"), recv(3))))
		}},
		{name: "uploads like messages, cut anywhere: Node", run: func(r *run) {
			addr := r.node(server, nil)
			r.both(r.raw(addr, uploads(messages, "/echo/201"), uploads(messages, "/now/401")))
		}},
		{name: "uploads like messages, cut anywhere: nginx", run: func(r *run) {
			addr := r.nginx(server, "", "")
			r.both(r.raw(addr, uploads(messages, "/401"), uploads(messages, "/201")))
		}},
		{name: "uploads like messages, cut anywhere: Apache", run: func(r *run) {
			addr := r.apache(server, nil, "")
			r.both(r.raw(addr, uploads(messages, "/403"), uploads(messages, "/404")))
		}},
		{name: "short bodies in capitals, also of GET: curl, Node", run: func(r *run) {
			addr := r.node(server, nil)
			var args []string
			for _, method := range []string{"GET", "PUT", "DELETE", "POST"} {
				for _, body := range short {
					args = append(args, "-X", method, "--data-binary", body, "-H", "Content-Type: text/plain", "http://"+addr+"/read/201", "--next", "-s", "-w", curlFormat)
				}
			}
			r.both(r.curl(append(args, "http://"+addr+"/404")...))
		}},
		{name: "short bodies in capitals, behind their heads: nginx", run: func(r *run) { r.shortBodies(r.nginx(server, "", ""), short) }},
		{name: "short bodies in capitals, behind their heads: Apache", run: func(r *run) { r.shortBodies(r.apache(server, nil, ""), short) }},
		{name: "short bodies in capitals, behind their heads: Node", run: func(r *run) { r.shortBodies(r.node(server, nil), short) }},
		{name: "files like messages: curl, nginx", run: func(r *run) {
			addr := r.nginx(server, "", "location /slow { alias "+r.files()+"; limit_rate 200; }")
			r.both(r.curl("http://"+addr+"/text", "http://"+addr+"/large", "http://"+addr+"/slow/text", "http://"+addr+"/404"))
		}},
	}
}

// uploads are requests with the same body in pieces, with a length and in chunks, each with a request behind it.
func uploads(pieces []string, target string) (all script) {
	body := strings.Join(pieces, "")
	head := request("PUT", target, fmt.Sprintf("Content-Length: %d", len(body)))
	all = append(all, sendPieces(append([]string{head}, pieces...), "PUT"), recv(1))
	all = append(all, exchange("GET", "/404")...)
	var chunks []string
	for _, piece := range pieces {
		chunks = append(chunks, fmt.Sprintf("%x\r\n", len(piece)), piece, "\r\n")
	}
	chunked := append(append([]string{request("PUT", target, "Transfer-Encoding: chunked")}, chunks...), "0\r\n\r\n")
	all = append(all, sendPieces(chunked, "PUT"), recv(1))
	all = append(all, exchange("GET", "/404")...)
	all = append(all, send(strings.Join(chunked, "")+request("GET", "/404"), "PUT", "GET"), recv(2))
	return all
}

// shortBodies sends a body in a write of its own, behind its head.
func (r *run) shortBodies(addr string, bodies []string) {
	r.Helper()
	var one script
	for _, method := range []string{"GET", "POST"} {
		for _, body := range bodies {
			head := request(method, "/404", fmt.Sprintf("Content-Length: %d", len(body)))
			one = append(one, sendPieces([]string{head, body}, method), recv(1))
		}
	}
	r.both(r.raw(addr, join(one, exchange("GET", "/200")), one))
}

// interimRows have responses of 1xx before the final one.
func interimRows() []row {
	many := []int{1, 8, 15, 16, 17, 40, 90}
	return []row{
		{name: "1xx in writes of their own: Node", run: func(r *run) { r.interim(r.node(server, nil), many, "hints", "processing", "continues") }},
		{name: "1xx in one write: Node", run: func(r *run) { r.interim(r.node(server, nil), []int{1, 8, 14, 15, 16, 17, 20}, "burst") }},
		{name: "1xx in one write of many buffers: Node", mayLose: "unreadable_iovecs", run: func(r *run) {
			r.interim(r.node(server, nil), []int{40, 90}, "burst")
		}},
		{name: "1xx in one write of one buffer: http.server", run: func(r *run) {
			r.interim(r.python("http_server.py", "HTTP/1.1"), many, "hints")
		}},
		{name: "1xx: Go, Go", run: func(r *run) {
			addr := r.goServer()
			r.both(r.goClient(addr, "GET /hints/1", "GET /hints/5", "DELETE /now/404", "GET /hints/90", "GET /now/404", "SLEEP 1200", "GET /now/404"))
		}},
		{name: "1xx: curl, Node", run: func(r *run) {
			addr := r.node(server, nil)
			base := "http://" + addr
			r.both(r.curl(base+"/hints/3/200", base+"/burst/20/404", base+"/processing/30/200", base+"/continues/2/204"))
		}},
		{name: "1xx between pipelined responses: Node", run: func(r *run) {
			addr := r.node(server, nil)
			text := request("GET", "/hints/5/200") + request("HEAD", "/404") + request("DELETE", "/burst/12/404") + request("GET", "/200")
			r.both(r.raw(addr, repeat(3, send(text, "GET", "HEAD", "DELETE", "GET"), recv(4))))
		}},
	}
}

func (r *run) interim(addr string, many []int, kinds ...string) {
	r.Helper()
	var all []script
	for _, kind := range kinds {
		for _, n := range many {
			all = append(all, join(exchange("GET", fmt.Sprintf("/%s/%d/200", kind, n)), script{pause(0.3)}, exchange("DELETE", "/now/404"),
				exchange("PUT", fmt.Sprintf("/%s/%d/401", kind, n))))
		}
	}
	r.both(r.raw(addr, all...))
}

// curlFormat has curl tell what it saw, where its output does not go.
const curlFormat = `%{stderr}%{method} %{http_code} 1 %{time_total}\n`

// expectRows send a head, and wait for leave to send the body.
func expectRows() []row {
	body := "GET /404 HTTP/1.1\r\nHost: a\r\n\r\n"
	return []row{
		{name: "Expect: curl, Node says 100", run: func(r *run) { r.expectCurl(r.node(server, nil), "/read/201", "/now/200") }},
		{name: "Expect: curl, nginx", run: func(r *run) { r.expectCurl(r.nginx(server, "", ""), "/401", "/200") }},
		{name: "Expect: curl, Apache", run: func(r *run) { r.expectCurl(r.apache(server, nil, ""), "/403", "/404") }},
		{name: "Expect: curl, http.server", run: func(r *run) {
			r.expectCurl(r.python("http_server.py", "HTTP/1.1"), "/read/201", "/now/200")
		}},
		{name: "Expect: curl, Node answers 401 without 100", run: func(r *run) {
			r.expectCurl(r.node(server, nodeOptions{"listeners": []string{"checkContinue"}}), "/last/401", "/now/200")
		}},
		{name: "Expect: curl, Node answers 417", run: func(r *run) {
			addr := r.node(server, nodeOptions{"listeners": []string{"checkExpectation"}})
			r.both(r.curl("-H", "Expect: something", "--data", "A", "http://"+addr+"/200", "http://"+addr+"/200", "--next", "-s", "-w", curlFormat, "http://"+addr+"/200"))
		}},
		{name: "Expect: Go, Go", run: func(r *run) {
			addr := r.goServer()
			r.both(r.goClient(addr, "PUT /read/201 body expect *10", "PUT /now/401 body expect *10", "GET /now/200"))
		}},
		{name: "Expect: raw client leaves the body out, haproxy", run: func(r *run) {
			r.bodyLeftOut(r.haproxy(server, "", "http-request return status 403 if METH_POST\n\thttp-request return status 200"), body)
		}},
		{name: "Expect: raw client leaves the body out, Apache", run: func(r *run) { r.bodyLeftOut(r.apache(server, nil, ""), body) }},
		{name: "Expect: raw client sends the body after the answer, nginx", run: func(r *run) {
			// This server keeps the connection and goes on to read the body, so that it may not be left out.
			addr := r.nginx(server, "", "")
			head := request("POST", "/403", fmt.Sprintf("Content-Length: %d", len(body)), "Expect: 100-continue")
			one := join(script{send(head, "POST"), recv(1), alive(0.1), send(body)}, exchange("GET", "/200"), script{
				send(head, "POST"), recv(1), alive(0.1), send(body+request("GET", "/200"), "GET"), recv(1)}, exchange("GET", "/200"))
			r.both(r.raw(addr, one, one))
		}},
		{name: "Expect: raw client, server says nothing until the body is there", run: func(r *run) {
			addr := r.python("http_server.py", "HTTP/1.0")
			head := request("POST", "/read/201", fmt.Sprintf("Content-Length: %d", len(body)), "Expect: 100-continue")
			r.both(r.raw(addr, script{send(head, "POST"), pause(0.3), send(body), recv(1)}))
		}},
	}
}

func (r *run) expectCurl(addr, put, get string) {
	r.Helper()
	base := "http://" + addr
	file := r.write("upload", strings.Repeat("GET / HTTP/1.1\r\n\r\n", 100))
	var args []string
	for range 5 {
		args = append(args, "--expect100-timeout", "0.2", "-H", "Expect: 100-continue", "-T", file, base+put, "--next", "-s", "-w", curlFormat,
			base+get, "--next", "-s", "-w", curlFormat)
	}
	r.both(r.curl(append(args, base+get)...))
}

// bodyLeftOut expects a 100, is answered with an error, and goes on with the next request if the server keeps the connection.
func (r *run) bodyLeftOut(addr, body string) {
	r.Helper()
	head := request("POST", "/403", fmt.Sprintf("Content-Length: %d", len(body)), "Expect: 100-continue")
	next := exchange("GET", "/200")
	r.both(r.raw(addr,
		join(next, script{send(head, "POST"), recv(1), alive(0.1)}, next, next),
		join(next, script{send(head, "POST"), recv(1), alive(0.1), send(body)}, next, next)))
}

// chunkRows have bodies in chunks.
func chunkRows() []row {
	return []row{
		// Where curl hangs up within a body that was answered early, Node may write a 400 that answers nothing.
		{name: "chunks: curl from its input, Node", lost: map[string]uint64{"no_request": anyNumber}, run: func(r *run) { r.uploadChunks(r.node(server, nil), "/read/201", "/now/401") }},
		{name: "chunks: curl from its input, nginx", run: func(r *run) { r.uploadChunks(r.nginx(server, "", ""), "/201", "/401") }},
		{name: "chunks: curl from its input, Apache", run: func(r *run) { r.uploadChunks(r.apache(server, nil, ""), "/404", "/403") }},
		{name: "chunks and trailers: Go, Go", run: func(r *run) {
			addr := r.goServer()
			r.both(r.goClient(addr, "PUT /read/201 chunked trailers *10", "GET /trailers *10", "POST /read/404 chunked *10", "GET /now/200"))
		}},
		{name: "chunks and trailers: Node, Node", run: func(r *run) {
			addr := r.node(server, nil)
			upload := func(method, path string) string {
				return fmt.Sprintf(`{"method":%q,"path":%q,"headers":{"Transfer-Encoding":"chunked","Trailer":"X-Sum"},"pieces":["GET / HTTP/1.1","STATUS","A\r\n\r\n"],"trailers":{"X-Sum":"1"},"times":5}`, method, path)
			}
			r.both(r.ask("", "node", r.tool("node_client.js"), "http://"+addr,
				"["+upload("PUT", "/read/201")+","+upload("POST", "/echo/401")+`,{"method":"GET","path":"/chunks/HTTP%2F1.1%20500%20No|GET%20%2F|b","times":5}]`))
		}},
		{name: "chunks: aiohttp", run: func(r *run) {
			addr := r.python("aiohttp_server.py")
			r.both(r.curl("http://"+addr+"/chunks", "http://"+addr+"/read/404", "http://"+addr+"/chunks", "http://"+addr+"/chunks"))
		}},
		{name: "chunk extensions, trailers, cut anywhere: Node", run: func(r *run) { r.oddChunks(r.node(server, nil), "/read/201", ";a", "X-Other: 1") }},
		{name: "chunk extensions, trailers, cut anywhere: nginx", run: func(r *run) { r.oddChunks(r.nginx(server, "", ""), "/201", " ;a", "Content-Length: 7") }},
		{name: "chunk extensions, trailers, cut anywhere: Apache", run: func(r *run) { r.oddChunks(r.apache(server, nil, ""), "/404", " ;a", "Content-Length: 7") }},
		{name: "chunks by gzip: curl, nginx", run: func(r *run) {
			addr := r.nginx(server, "", "gzip on; gzip_types text/plain; gzip_min_length 1;")
			base := "http://" + addr
			r.both(r.curl(append([]string{"-H", "Accept-Encoding: gzip"}, times(10, base+"/large", base+"/text", base+"/404")...)...))
		}},
	}
}

func (r *run) uploadChunks(addr string, targets ...string) {
	r.Helper()
	var c []counts
	for _, target := range targets {
		stdout, stderr, err := r.tryProgram(strings.Repeat("GET /404 HTTP/1.1\r\n\r\n", 5000), "curl", "-s", "-w", curlFormat, "-T", "-", "http://"+addr+target,
			"--next", "-s", "-w", curlFormat, "http://"+addr+"/404")
		if err != nil {
			r.Fatalf("%v: %s%s", err, stdout, stderr)
		}
		one, _ := parseCounts(r.T, stderr)
		c = append(c, one)
	}
	r.both(plus(c...))
}

// oddChunks has all that RFC 9112, section 7.1, allows: extensions, leading zeros, capitals, trailers. Not every server takes the
// same extension and trailer.
func (r *run) oddChunks(addr, target, extension, trailer string) {
	r.Helper()
	head := request("POST", target, "transfer-encoding:chunked", "Trailer: X-Sum, Content-Length")
	body := ""
	for i, data := range []string{"GET /404 HT", "HTTP/1.1 500 No\r\n\r\nGET / HTTP/", "A", "0\r\n\r\n"} {
		body += fmt.Sprintf([]string{"0000%X;name=value", "%x;quoted=\"a b\"", "%x", "%X" + extension}[i], len(data)) + "\r\n" + data + "\r\n"
	}
	body += "000\r\nX-Sum: 1\r\n" + trailer + "\r\n\r\n"
	whole := head + body
	one := script{send(whole, "POST"), recv(1), send(whole+request("GET", "/200")+whole, "POST", "GET", "POST"), recv(3)}
	all := []script{one}
	for size := range 3 {
		var pieces []string
		for rest := whole; rest != ""; {
			n := min(len(rest), 1+size*4)
			if strings.HasPrefix(rest, head) {
				n = len(head)
			}
			pieces, rest = append(pieces, rest[:n]), rest[n:]
		}
		all = append(all, join(script{sendPieces(pieces, "POST"), recv(1)}, exchange("GET", "/404")))
	}
	r.both(r.raw(addr, all...))
}
