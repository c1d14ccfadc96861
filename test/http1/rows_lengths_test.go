package http1

import (
	"fmt"
	"strings"

	"github.com/fathomhq/fathom/internal/kernel"
)

// lengthRows have bodies that end with the connection, and responses that have none whatever their fields say.
func lengthRows() []row {
	return []row{
		{name: "until close: HTTP/1.0, http.server", run: func(r *run) {
			base := "http://" + r.python("http_server.py", "HTTP/1.0")
			r.both(r.curl(base+"/close", base+"/now/404", base+"/close"))
		}},
		{name: "until close: HTTP/1.1, Node", run: func(r *run) {
			base := "http://" + r.node(server, nil)
			r.both(r.curl(base+"/404", base+"/close/GET%20%2F%20HTTP%2F1.1|b|c", base+"/404", base+"/close/"))
		}},
		{name: "until close: a client of HTTP/1.0, Node", run: func(r *run) {
			addr := r.node(server, nil)
			r.both(r.curl("-0", "http://"+addr+"/chunks/a|b|c", "http://"+addr+"/404", "http://"+addr+"/chunks/a|b"))
		}},
		{name: "HTTP/1.0 kept: curl, nginx", run: func(r *run) {
			base := "http://" + r.nginx(server, "", "")
			r.both(r.curl("-0", "-H", "Connection: keep-alive", base+"/200", base+"/large", base+"/404", base+"/200"))
		}},
		{name: "HEAD, 204, 304 with a length: Node", run: func(r *run) { r.bodiless(r.node(server, nil), "/size/5000", "/bodiless/304", "/204") }},
		{name: "HEAD, 204, 304 with a length: nginx", run: func(r *run) { r.bodiless(r.nginx(server, "", ""), "/large", "/small", "/204") }},
		{name: "HEAD, 204, 304 with a length: Apache", run: func(r *run) { r.bodiless(r.apache(server, nil, ""), "/large", "/small", "/403") }},
		{name: "HEAD: curl, nginx", run: func(r *run) {
			base := "http://" + r.nginx(server, "", "")
			r.both(plus(r.curl("-I", base+"/large", base+"/404", base+"/small"),
				r.curl(base+"/small", "-z", "2100-01-01", base+"/small", base+"/large")))
		}},
		{name: "ways to write a length: Node", run: func(r *run) { r.lengths(r.node(server, nil), "/read/201") }},
		{name: "ways to write a length: nginx", run: func(r *run) { r.lengths(r.nginx(server, "", ""), "/201") }},
		{name: "ways to write a length: Apache", run: func(r *run) {
			r.lengths(r.apache(server, nil, ""), "/403", "content-length: \t %d \t") // the others refuse tabs
		}},
	}
}

func (r *run) bodiless(addr, large, cached, empty string) {
	r.Helper()
	fresh := "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT"
	text := request("HEAD", large) + request("GET", cached, fresh) + request("GET", empty) + request("HEAD", "/404") + request("GET", large)
	methods := []string{"HEAD", "GET", "GET", "HEAD", "GET"}
	one := join(exchange("HEAD", large), exchange("GET", "/404"), script{send(request("GET", cached, fresh), "GET"), recv(1)}, exchange("GET", "/404"),
		exchange("GET", empty), exchange("GET", "/404"), repeat(2, send(text, methods...), recv(5)))
	r.both(r.raw(addr, one, one))
}

// lengths has ways of writing Content-Length that servers take, between fields that only look like it, cut at every field.
func (r *run) lengths(addr, target string, more ...string) {
	r.Helper()
	const body = "GET /404 HTTP/1.1\r\n\r\n"
	var all []script
	for _, fields := range append([]string{
		"Content-Length: %d",
		"CONTENT-LENGTH:%d",
		"content-length:   %d  ",
		"Content-Length: 000%d",
		"X-Content-Length: 7\r\nContent-Length: %d\r\nContent-Length-X: 3",
		"Content: Length: 3\r\ncOnTeNt-lEnGtH: %d\r\nTransfer: encoding: chunked",
		"A: b\r\nB: Content-Length: 4\r\nContent-Length: %d",
	}, more...) {
		head := request("PUT", target, strings.Replace(fields, "%d", number(len(body)), 1))
		whole := head + body
		one := join(script{send(whole, "PUT"), recv(1)}, exchange("GET", "/404"), script{send(whole+whole+request("GET", "/200"), "PUT", "PUT", "GET"), recv(3)})
		for _, cut := range []int{1, 5} {
			var pieces []string
			for at := strings.Index(head, "\r\n") + 2; at < len(head); at += cut {
				pieces = append(pieces, head[at:min(at+cut, len(head))])
			}
			pieces = append([]string{head[:strings.Index(head, "\r\n")+2]}, append(pieces, body)...)
			one = append(one, sendPieces(pieces, "PUT"), recv(1))
			one = append(one, exchange("GET", "/404")...)
		}
		all = append(all, one)
	}
	r.both(r.raw(addr, all...))
}

// headRows have large heads, and such that come in many pieces.
func headRows() []row {
	return []row{
		{name: "large heads: nginx", run: func(r *run) { r.largeHeads(r.nginx(server, "", "")) }},
		{name: "large heads: Node", run: func(r *run) { r.largeHeads(r.node(server, nodeOptions{"maxHeaderSize": 65536})) }},
		{name: "large heads: Apache", run: func(r *run) { r.largeHeads(r.apache(server, nil, "")) }},
		{name: "responses with large heads: http.server", run: func(r *run) {
			addr := r.python("http_server.py", "HTTP/1.1")
			r.both(r.raw(addr, join(exchange("GET", "/fields/20"), exchange("HEAD", "/fields/40"), exchange("GET", "/now/404"), exchange("PUT", "/fields/9"))))
		}},
		{name: "responses in many pieces: http.server", run: func(r *run) {
			addr := r.python("http_server.py", "HTTP/1.1")
			r.both(r.rawReads(addr, 5, join(exchange("GET", "/slow/"), exchange("GET", "/now/404"), exchange("POST", "/slow/"), exchange("GET", "/now/404"))))
		}},
		{name: "too large a head: Node", run: func(r *run) {
			r.both(r.raw(r.node(server, nil), join(exchange("GET", "/200"), script{
				send(request("GET", "/200", "Cookie: "+strings.Repeat("c", 20_000)), "GET"), recv(1),
			})))
		}},
	}
}

func (r *run) largeHeads(addr string) {
	r.Helper()
	cookie := "Cookie: " + strings.Repeat("c", 8_000)
	large := request("GET", "/200", cookie, "A: b")
	post := withBody("POST", "/404", "STATUS", cookie)
	fields := strings.SplitAfter(request("GET", "/404", "A: b", cookie, "C: d", "Content-Type: a", "Connection: keep-alive", "Cookie: e", "Te: trailers"), "\r\n")
	one := join(
		script{send(large, "GET"), recv(1), send(post, "POST"), recv(1), send(large+post+large, "GET", "POST", "GET"), recv(3)},
		script{sendPieces(fields[:len(fields)-1], "GET"), recv(1)}, exchange("GET", "/200"),
		script{send(request("GET", "/200", cookie, cookie, cookie), "GET"), recv(1)}, exchange("GET", "/200"))
	r.both(r.raw(addr, one, one))
}

// abortRows end within a body, or before the response.
func abortRows() []row {
	return []row{
		{name: "aborted uploads: Node", run: func(r *run) {
			addr := r.node(server, nil)
			half := request("PUT", "/read/201", "Content-Length: 5000") + strings.Repeat("A", 2500)
			chunk := request("PUT", "/read/201", "Transfer-Encoding: chunked") + "ff\r\nA"
			early := request("PUT", "/now/401", "Content-Length: 5000") + strings.Repeat("A", 2500)
			r.both(r.raw(addr, script{send(half, "PUT"), pause(0.1), reset()}, script{send(chunk, "PUT"), pause(0.1), reset()},
				script{send(early, "PUT"), recv(1), reset()}, join(exchange("GET", "/200"), script{send(half, "PUT"), pause(0.1), reset()})))
		}},
		{name: "aborted uploads: Apache", run: func(r *run) {
			addr := r.apache(server, nil, "")
			half := request("PUT", "/403", "Content-Length: 5000") + strings.Repeat("A", 2500)
			// The server answers, and there is nobody any more.
			r.asked(client, r.raw(addr, script{send(half, "PUT"), pause(0.1)}, join(exchange("GET", "/200"), script{send(half, "PUT"), pause(0.1)})))
			r.ends = append(r.ends, end{server, kernel.RoleServer, r.logged("apache")})
		}},
		{name: "aborted downloads: nginx", run: func(r *run) {
			addr := r.nginx(server, "", "location /slow { alias "+r.files()+"; limit_rate 2000; }")
			text := request("GET", "/slow/large")
			c := r.raw(addr, script{send(text, "GET"), takeBytes(1000)}, join(exchange("GET", "/404"), script{send(text, "GET"), takeBytes(1000), reset()}))
			r.both(cutShort(c, "GET", 200, 2))
		}},
		{name: "aborted downloads: curl, Node", run: func(r *run) {
			addr := r.node(server, nil)
			_, stderr, err := r.tryProgram("", "curl", "-s", "-w", curlFormat, "-m", "0.5", "http://"+addr+"/404", "http://"+addr+"/chunks/"+strings.Repeat("abcdefgh|", 1000))
			if err == nil {
				r.Fatal("curl did not give up")
			}
			c := r.curlSaw(stderr)
			r.both(c)
		}},
		{name: "the server ends within the body: curl, Node", run: func(r *run) {
			base := "http://" + r.node(server, nil)
			_, stderr, err := r.tryProgram("", "curl", "-s", "-w", curlFormat, base+"/404", base+"/cut/5000", base+"/200", base+"/cut/100")
			if err == nil {
				r.Fatal("curl did not notice")
			}
			c := r.curlSaw(stderr)
			r.both(c)
		}},
		{name: "the server ends within the body: curl, http.server", run: func(r *run) {
			base := "http://" + r.python("http_server.py", "HTTP/1.1")
			_, stderr, err := r.tryProgram("", "curl", "-s", "-w", curlFormat, base+"/now/404", base+"/short/", base+"/now/200", base+"/short/")
			if err == nil {
				r.Fatal("curl did not notice")
			}
			c := r.curlSaw(stderr)
			r.both(c)
		}},
		{name: "the server ends before the response: Node", run: func(r *run) {
			addr := r.node(server, nil)
			one := join(exchange("GET", "/200"), exchange("PUT", "/drop"))
			r.both(r.raw(addr, one, one, script{send(withBody("POST", "/drop", "STATUS"), "POST"), recv(1)}))
		}},
		{name: "the server ends before a pipeline's last responses: Node", run: func(r *run) {
			addr := r.node(server, nil)
			text := request("GET", "/200") + request("GET", "/last/404") + request("GET", "/200")
			c := r.raw(addr, script{send(text, "GET", "GET", "GET"), recv(2)})
			r.both(c)
		}},
	}
}

// cutShort is for exchanges whose responses a client did not read to their ends: it saw n of them begin.
func cutShort(c counts, method string, status int, n uint64) counts {
	out := counts{}
	for key, v := range c {
		if key != method+" aborted" {
			out.join(key, v)
		}
	}
	return plus(out, counts{fmt.Sprintf("%s %d", method, status): {n: n, seconds: unknown}})
}
