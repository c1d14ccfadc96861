package integration

import "strings"

// missedPaths make Fathom miss events, which it has to find out. What it cannot match any
// more it counts as lost; two exchanges later it is exact again.
func missedPaths() []path {
	unseen := func(before, during func(*pair, sock, sock)) func(*pair) {
		return func(p *pair) {
			c, s := p.connect()
			p.exchange(c, s, request("OPTIONS"), ok)
			before(p, c, s)
			p.detached(func() { during(p, c, s) })
			p.exchange(c, s, get, ok)
			p.exchange(c, s, request("DELETE"), response("404 No", ""))
			p.exchange(c, s, request("DELETE"), response("404 No", ""))
		}
	}
	const (
		want = "any OPTIONS 200, any POST 201, any GET 200, 2 DELETE 404"
		lost = "some gap, some read bytes untapped, some write bytes untapped, any read bytes late, any write bytes late, any no_request"
	)
	return detaching([]path{
		{name: "exchange unseen", want: want, lost: lost, run: unseen(
			func(*pair, sock, sock) {},
			func(p *pair, c, s sock) { p.exchange(c, s, post, ok) })},
		{name: "response unseen", want: want, lost: lost, run: unseen(
			func(_ *pair, c, s sock) { c.send(post); s.expect(post) },
			func(_ *pair, c, s sock) { s.send(response("201 Created", "")); c.expect(response("201 Created", "")) })},
		{name: "request unseen", want: want, lost: lost, run: func(p *pair) {
			c, s := p.connect()
			p.exchange(c, s, request("OPTIONS"), ok)
			p.detached(func() { c.send(post); s.expect(post) })
			s.send(response("201 Created", ""))
			c.expect(response("201 Created", ""))
			p.exchange(c, s, get, ok)
			p.exchange(c, s, request("DELETE"), response("404 No", ""))
			p.exchange(c, s, request("DELETE"), response("404 No", ""))
		}},
		// As Go's net/http reads it. What is left is "OST /a", which is no method.
		{name: "first byte of a request unseen", server: "any OPTIONS 200, any POST 200, 2 DELETE 404", client: "OPTIONS 200, POST 200, 2 DELETE 404",
			lost: "some no_request, 1 read bytes untapped, any gap, any write bytes late", run: func(p *pair) {
				c, s := p.connect()
				p.exchange(c, s, request("OPTIONS"), ok)
				c.send(post)
				p.detached(func() { s.expect(post[:1]) })
				s.expect(post[1:])
				s.send(ok)
				c.expect(ok)
				p.exchange(c, s, request("DELETE"), response("404 No", ""))
				p.exchange(c, s, request("DELETE"), response("404 No", ""))
			}},
		{name: "first request unseen", server: "GET 200", client: "any POST 200, GET 200",
			lost: "some gap, any no_request, some read bytes untapped, some write bytes untapped", run: func(p *pair) {
				c, s := p.connect()
				p.detached(func() { c.send(post); s.expect(post) })
				s.send(ok)
				c.expect(ok)
				p.exchange(c, s, get, ok)
			}},
		{name: "part of a body unseen", want: "2 GET 200", lost: "1000 read bytes untapped, 1000 write bytes untapped", run: func(p *pair) {
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
		}},
		{name: "connections replaced unseen", run: replacedUnseen, want: "64 GET 200, 64 DELETE 404", classes: "any http1",
			lost: "some missed_end, any read bytes untapped, any write bytes untapped"},
		{name: "connections ended unseen, and others begin", run: endedUnseen, want: "64 GET 200, 64 DELETE 404", classes: "any http1", lost: "some missed_end"},
		{name: "connection ended unseen", want: "GET 200", lost: "2 missed_end", run: func(p *pair) {
			c, s := p.connect()
			p.exchange(c, s, get, ok)
			p.detached(func() {
				c.close()
				s.recvEOF()
				s.close()
			})
		}},
	})
}

const replaced = 64 // connections: the kernel gives some new ones the memory of old ones

// replacedUnseen has connections that end, and others that begin, while Fathom sees nothing.
func replacedUnseen(p *pair) {
	ends := p.connectSome()
	p.detached(func() {
		endAll(ends)
		for i := range ends {
			ends[i][0], ends[i][1] = p.connect()
		}
	})
	for _, e := range ends {
		p.exchange(e[0], e[1], request("DELETE"), response("404 No", ""))
	}
}

// endedUnseen has connections that end while Fathom sees nothing, and others that it sees.
func endedUnseen(p *pair) {
	ends := p.connectSome()
	p.detached(func() { endAll(ends) })
	for range ends {
		c, s := p.connect()
		p.exchange(c, s, request("DELETE"), response("404 No", ""))
	}
}

// connectSome makes connections with an exchange on each.
func (p *pair) connectSome() (ends [replaced][2]sock) {
	for i := range ends {
		c, s := p.connect()
		p.exchange(c, s, get, ok)
		ends[i] = [2]sock{c, s}
	}
	return ends
}

func endAll(ends [replaced][2]sock) {
	for _, e := range ends {
		e[0].reset()
		e[1].close()
	}
}
