package integration

import (
	"fmt"
)

const (
	expectContinue = "POST /a HTTP/1.1\r\nHost: it\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"
	interim100     = "HTTP/1.1 100 Continue\r\n\r\n"
	interim103     = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
	upgrade        = "GET /ws HTTP/1.1\r\nHost: it\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
	switching      = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
	connect        = "CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n"
)

// responsePaths are about which status counts.
func responsePaths() []path {
	return append([]path{
		{name: "100 on its own", want: "2 POST 200", run: func(p *pair) {
			c, s := p.connect()
			for range 2 {
				p.exchange(c, s, expectContinue, interim100)
				p.exchange(c, s, "body", ok)
			}
		}},
		{name: "100 and the final response in one write", want: "2 POST 200", run: func(p *pair) {
			c, s := p.connect()
			for range 2 {
				c.send(expectContinue + "body")
				s.expect(expectContinue + "body")
				s.send(interim100 + ok)
				c.expect(interim100 + ok)
			}
		}},
		{name: "100 and the final response in one read", want: "2 POST 200", run: func(p *pair) {
			c, s := p.connect()
			for range 2 {
				c.send(expectContinue + "body")
				s.expect(expectContinue + "body")
				s.send(interim100)
				s.send(ok)
				c.waitFor(len(interim100 + ok))
				c.expect(interim100 + ok)
			}
		}},
		{name: "100 refused", want: "POST 417, GET 200", run: func(p *pair) {
			c, s := p.connect()
			p.exchange(c, s, expectContinue, response("417 Expectation Failed", "no"))
			p.exchange(c, s, get, ok)
		}},
		{name: "two interim responses and the final one in one write", want: "GET 200", run: func(p *pair) {
			c, s := p.connect()
			p.exchange(c, s, get, interim103+interim103+ok)
		}},
		{name: "103 on its own", want: "2 GET 200", run: func(p *pair) {
			c, s := p.connect()
			for range 2 {
				c.send(get)
				s.expect(get)
				s.send(interim103)
				c.expect(interim103)
				s.send(ok)
				c.expect(ok)
			}
		}},
		{name: "101 and what follows", want: "GET 101", run: func(p *pair) {
			c, s := p.connect()
			p.exchange(c, s, upgrade, switching)
			for range 3 {
				p.exchange(c, s, "\x81\x05hello", "\x81\x05world")
				p.exchange(c, s, get, ok) // opaque: not HTTP any more
			}
		}},
		{name: "101 and the first frame in one write", want: "GET 101", run: func(p *pair) {
			c, s := p.connect()
			p.exchange(c, s, upgrade, switching+"\x81\x05hello")
			p.exchange(c, s, "\x81\x05world", "\x81\x05hello")
		}},
		{name: "CONNECT and a tunnel", want: "CONNECT 200, 3 GET 200", run: func(p *pair) {
			c, s := p.connect()
			p.exchange(c, s, connect, "HTTP/1.1 200 Connection established\r\n\r\n")
			for range 3 {
				p.exchange(c, s, get, ok)
			}
		}},
		{name: "CONNECT refused", want: "CONNECT 403, GET 200", run: func(p *pair) {
			c, s := p.connect()
			p.exchange(c, s, connect, response("403 Forbidden", "no"))
			p.exchange(c, s, get, ok)
		}},
		{name: "without a body", want: "HEAD 200, GET 204, GET 304, GET 200", run: func(p *pair) {
			c, s := p.connect()
			p.exchange(c, s, request("HEAD"), "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")
			p.exchange(c, s, get, "HTTP/1.1 204 No Content\r\n\r\n")
			p.exchange(c, s, get, "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n")
			p.exchange(c, s, get, ok)
		}},
		{name: "body that looks like HTTP", want: "POST 200, GET 200", run: func(p *pair) {
			c, s := p.connect()
			p.exchange(c, s, fmt.Sprintf("POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s", len(get), get), response("200 OK", ok))
			p.exchange(c, s, get, ok)
		}},
		{name: "body that looks like HTTP, in reads and writes of its own", want: "POST 200, GET 200", run: func(p *pair) {
			c, s := p.connect()
			head := fmt.Sprintf("POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n", len(get))
			c.send(head)
			s.expect(head)
			c.send(get)
			s.expect(get)
			head = fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", len(ok))
			s.send(head)
			c.expect(head)
			s.send(ok)
			c.expect(ok)
			p.exchange(c, s, get, ok)
		}},
	}, interimPieces()...)
}

// interimPieces cut an interim and the final response at every place near their
// seam.
func interimPieces() []path {
	var paths []path
	for cut := len(interim100) - 4; cut <= len(interim100)+14; cut++ {
		both := interim100 + ok
		paths = append(paths, path{
			name: fmt.Sprintf("interim and final response cut at byte %d", cut), want: "2 POST 200",
			run: func(p *pair) {
				c, s := p.connect()
				for range 2 {
					c.send(expectContinue + "body")
					s.expect(expectContinue + "body")
					s.send(both[:cut])
					c.expect(both[:cut])
					s.send(both[cut:])
					c.expect(both[cut:])
				}
			},
		})
	}
	return paths
}
