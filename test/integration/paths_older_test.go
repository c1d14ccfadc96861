package integration

import (
	"os"
	"strings"
)

// olderPaths have connections that Fathom did not see opening.
func olderPaths() []path {
	return detaching([]path{
		{name: "older connection, idle", want: "2 GET 200", partly: true, run: func(p *pair) {
			c, s := p.older(nil)
			p.exchange(c, s, get, ok)
			p.exchange(c, s, get, ok)
		}},
		{name: "older connection, used before", want: "2 GET 200", partly: true, run: func(p *pair) {
			c, s := p.older(func(c, s sock) { p.exchange(c, s, get, ok) })
			p.exchange(c, s, get, ok)
			p.exchange(c, s, post, response("200 OK", ""))
		}, server: "GET 200, POST 200", client: "GET 200, POST 200"},
		{name: "older connection, request unread", want: "GET 200", lost: "no_arrival, no_request", partly: true, run: func(p *pair) {
			c, s := p.older(func(c, _ sock) { c.send(get) })
			s.expect(get)
			s.send(ok)
			c.expect(ok)
			p.exchange(c, s, get, ok)
		}},
		{name: "older connection, request in work", want: "GET 200", lost: "2 no_request", partly: true, run: func(p *pair) {
			c, s := p.older(func(c, s sock) { c.send(get); s.expect(get) })
			s.send(ok)
			c.expect(ok)
			p.exchange(c, s, get, ok)
		}},
		{name: "older connection, in the middle of a body", want: "GET 200", partly: true, run: func(p *pair) {
			c, s := p.older(func(c, s sock) {
				c.send(get)
				s.expect(get)
				s.send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
				c.expect("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
			})
			s.send("rest")
			c.expect("rest")
			p.exchange(c, s, get, ok)
		}},
		{name: "older listener", want: "GET 200", run: func(p *pair) {
			p.detached(func() { p.listener() })
			c, s := p.connect()
			p.exchange(c, s, get, ok)
		}},
	})
}

// detaching are paths on which Fathom is detached for a while.
func detaching(paths []path) []path {
	for i := range paths {
		paths[i].needs = noSecondAttach
		if lost := &paths[i].lost; os.Getenv("FATHOM_ALONE") == "" && *lost != "" && !strings.Contains(*lost, "missed_end") {
			*lost += ", any missed_end" // connections of other processes may end meanwhile
		}
	}
	return paths
}

func noSecondAttach(here place) string {
	if byMessage(here) && here.release.before(5, 13) {
		return "before Linux 5.13 a trampoline cannot be attached again"
	}
	return ""
}

// older returns a connection that was opened, and used by f, while Fathom was
// detached.
func (p *pair) older(f func(c, s sock)) (c, s sock) {
	p.Helper()
	p.detached(func() {
		c, s = p.connect()
		if f != nil {
			f(c, s)
		}
	})
	return c, s
}

// detached runs f while Fathom sees nothing.
func (p *pair) detached(f func()) {
	p.Helper()
	if err := p.f.k.Detach(); err != nil {
		p.Fatal(err)
	}
	f()
	if err := p.f.k.Attach(); err != nil {
		p.Fatal(err)
	}
}
