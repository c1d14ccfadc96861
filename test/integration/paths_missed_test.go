package integration

import "strings"

// missedPaths make Fathom miss something; it has to find out.
func missedPaths() []path {
	return []path{
		{name: "connection ended unseen", want: "GET 200", lost: "2 missed_end", run: func(p *pair) {
			c, s := p.connect()
			p.exchange(c, s, get, ok)
			p.detached(func() {
				c.close()
				s.recvEOF()
				s.close()
			})
			for range 3 { // whoever gets that memory next
				c, s = p.connect()
				c.close()
				s.close()
			}
		}, classes: "http1, 3 idle"},
		{name: "exchange unseen", want: "2 GET 200", run: func(p *pair) {
			c, s := p.connect()
			p.exchange(c, s, get, ok)
			p.detached(func() { p.exchange(c, s, post, ok) })
			p.exchange(c, s, get, ok)
		}, lostSome: "read bytes untapped, write bytes untapped"},
		{name: "response unseen", want: "GET 200", run: func(p *pair) {
			c, s := p.connect()
			c.send(get)
			s.expect(get)
			p.detached(func() { s.send(ok); c.expect(ok) })
			p.exchange(c, s, get, ok)
		}, lostSome: "gap, read bytes untapped, write bytes untapped"},
		{name: "request unseen", want: "GET 200", run: func(p *pair) {
			c, s := p.connect()
			p.detached(func() { c.send(get); s.expect(get) })
			s.send(ok)
			c.expect(ok)
			p.exchange(c, s, get, ok)
		}, lostSome: "no_request, read bytes untapped, write bytes untapped"},
		{name: "part of a body unseen", want: "2 GET 200", run: func(p *pair) {
			c, s := p.connect()
			head := "HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n"
			c.send(get)
			s.expect(get)
			s.send(head)
			c.expect(head)
			body := strings.Repeat("x", 1000)
			s.send(body)
			c.expect(body)
			p.detached(func() { s.send(body); c.expect(body) })
			s.send(body)
			c.expect(body)
			p.exchange(c, s, get, ok)
		}, lost: "1000 read bytes untapped, 1000 write bytes untapped"},
	}
}
