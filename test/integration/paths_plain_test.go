package integration

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// Messages that most paths use.
const (
	get      = "GET /a?b=c HTTP/1.1\r\nHost: it\r\nAccept: */*\r\n\r\n"
	getClose = "GET /a HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n"
	ok       = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	post     = "POST /a HTTP/1.1\r\nHost: it\r\nContent-Length: 4\r\n\r\nbody"
)

// request returns a request without a body.
func request(method string) string {
	return method + " /a HTTP/1.1\r\nHost: it\r\n\r\n"
}

// response returns a response with the body.
func response(status, body string) string {
	return fmt.Sprintf("HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s", status, len(body), body)
}

func plainPaths() []path {
	paths := []path{
		{name: "keep-alive", want: "5 GET 200", run: func(p *pair) {
			c, s := p.connect()
			for range 5 {
				p.exchange(c, s, get, ok)
			}
		}},
		{name: "connection close", want: "GET 200", run: func(p *pair) {
			c, s := p.connect()
			p.exchange(c, s, getClose, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nbody until the end")
			s.close()
			c.recvEOF()
		}},
		{name: "http 1.0", want: "GET 200", run: func(p *pair) {
			c, s := p.connect()
			p.exchange(c, s, "GET / HTTP/1.0\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\nbody")
			s.close()
			c.recvEOF()
		}},
		{name: "http 1.0 keep-alive", want: "2 GET 200", run: func(p *pair) {
			c, s := p.connect()
			for range 2 {
				p.exchange(c, s, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
					"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nb")
			}
		}},
		{name: "many connections", want: "20 GET 200", run: func(p *pair) {
			for range 20 {
				c, s := p.connect()
				p.exchange(c, s, getClose, ok)
				s.close()
				c.recvEOF()
				c.close()
			}
		}},
		{name: "body in later writes", want: "2 POST 201", run: func(p *pair) {
			c, s := p.connect()
			for range 2 {
				head, body, _ := strings.Cut(post, "\r\n\r\n")
				c.send(head + "\r\n\r\n")
				s.expect(head + "\r\n\r\n")
				c.send(body)
				s.expect(body)
				s.send("HTTP/1.1 201 Created\r\nContent-Length: 4\r\n\r\n")
				s.send("made")
				c.expect("HTTP/1.1 201 Created\r\nContent-Length: 4\r\n\r\nmade")
			}
		}},
		{name: "mixed order", want: "GET 200, POST 201, DELETE 404, PUT 500", run: func(p *pair) {
			c, s := p.connect()
			p.exchange(c, s, get, ok)
			p.exchange(c, s, post, response("201 Created", ""))
			p.exchange(c, s, request("DELETE"), response("404 Not Found", "no"))
			p.exchange(c, s, "PUT /a HTTP/1.1\r\nContent-Length: 1\r\n\r\nx", response("500 Oh", ""))
		}},
		{name: "empty line before the request", want: "2 GET 200", run: func(p *pair) {
			c, s := p.connect()
			p.exchange(c, s, "\r\n"+get, ok)
			p.exchange(c, s, "\r\n"+get, ok)
		}},
		{name: "empty reads and writes", want: "GET 200", run: func(p *pair) {
			c, s := p.connect()
			c.send("")
			s.recvOnce(0)
			p.exchange(c, s, get, ok)
			c.recvOnce(0)
		}},
		{name: "read beyond what is there", want: "GET 200", run: func(p *pair) {
			c, s := p.connect()
			c.send(get)
			if got := s.recvOnce(1 << 16); got != get {
				p.Fatalf("received %q", got)
			}
			s.recvNothing()
			s.send(ok)
			c.recv(len(ok))
			c.recvNothing()
		}},
		{name: "target of 8 KB", want: "GET 414", run: func(p *pair) {
			c, s := p.connect()
			p.exchange(c, s, "GET /"+strings.Repeat("x", 8<<10)+" HTTP/1.1\r\n\r\n", response("414 Too Long", ""))
		}},
	}
	for _, m := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"} {
		paths = append(paths, path{name: "method " + m, want: m + " 200", run: func(p *pair) {
			c, s := p.connect()
			p.exchange(c, s, request(m), response("200 OK", ""))
		}})
	}
	for _, m := range []string{"PROPFIND", "MKCOL", "REPORT", "M-SEARCH"} {
		paths = append(paths, path{name: "method " + m, want: "OTHER 207", run: func(p *pair) {
			c, s := p.connect()
			p.exchange(c, s, request(m), response("207 Multi-Status", ""))
		}})
	}
	for _, status := range []int{200, 204, 299, 304, 400, 404, 499, 500, 599} {
		paths = append(paths, path{name: fmt.Sprint("status ", status), want: fmt.Sprint("GET ", status), run: func(p *pair) {
			c, s := p.connect()
			p.exchange(c, s, get, fmt.Sprintf("HTTP/1.1 %d Some\r\nContent-Length: 0\r\n\r\n", status))
		}})
	}
	for _, status := range []string{"600", "999", "099", "000"} {
		paths = append(paths, path{name: "status " + status, want: "GET other", run: func(p *pair) {
			c, s := p.connect()
			p.exchange(c, s, get, "HTTP/1.1 "+status+" Some\r\nContent-Length: 0\r\n\r\n")
		}})
	}
	return paths
}

// recvNothing reads without waiting and expects that nothing is there.
func (s sock) recvNothing() {
	s.p.t.Helper()
	if r := s.p.do("Recv", Call{FD: s.fd, N: 1, Via: "recv", Flags: unix.MSG_DONTWAIT}); r.Errno != unix.EAGAIN {
		s.p.t.Fatalf("received %q, %v; want EAGAIN", r.Data, r.Errno)
	}
}
