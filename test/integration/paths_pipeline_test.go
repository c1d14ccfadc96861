package integration

import (
	"fmt"
	"strings"
)

// pipelinePaths send requests before the responses to those before have come.
func pipelinePaths() []path {
	var paths []path
	for n := 2; n <= 4; n++ {
		want := fmt.Sprintf("%d GET 200", n)
		paths = append(paths, path{name: fmt.Sprintf("%d requests in writes and reads of their own", n), want: want, run: func(p *pair) {
			c, s := p.connect()
			p.pipeline(c, s, n)
		}}, path{name: fmt.Sprintf("%d requests in one write and one read", n), want: want, run: func(p *pair) {
			c, s := p.connect()
			c.send(strings.Repeat(get, n))
			s.expect(strings.Repeat(get, n))
			for range n {
				s.send(ok)
				c.expect(ok)
			}
		}}, path{name: fmt.Sprintf("%d requests in one write, read one by one", n), want: want, run: func(p *pair) {
			c, s := p.connect()
			c.send(strings.Repeat(get, n))
			for range n {
				s.expect(get)
			}
			for range n {
				s.send(ok)
				c.expect(ok)
			}
		}}, path{name: fmt.Sprintf("%d responses in one write and one read", n), want: want, run: func(p *pair) {
			c, s := p.connect()
			for range n {
				c.send(get)
				s.expect(get)
			}
			s.send(strings.Repeat(ok, n))
			c.expect(strings.Repeat(ok, n))
		}})
	}
	return append(paths,
		path{name: "pipelined, then keep-alive", want: "5 GET 200", run: func(p *pair) {
			c, s := p.connect()
			p.pipeline(c, s, 2)
			p.exchange(c, s, get, ok)
			p.pipeline(c, s, 2)
		}},
		path{name: "next request in one write, read as each is answered", want: "3 GET 200", run: func(p *pair) {
			c, s := p.connect()
			c.send(strings.Repeat(get, 3))
			for range 3 {
				s.expect(get)
				s.send(ok)
				c.expect(ok)
			}
		}},
		path{name: "more requests in one write than are followed", want: "GET 200", lost: "some unreadable_steps, some gap, some pipelined, some write bytes unreadable, some read bytes unreadable", run: func(p *pair) {
			c, s := p.connect()
			p.exchange(c, s, get, ok)
			many := strings.Repeat("GET / HTTP/1.1\r\n\r\n", 12000)
			p.transfer(c, s, many)
		}},
		path{name: "pipelined deeper than the queue", want: "40 GET 200", run: func(p *pair) {
			c, s := p.connect()
			p.pipeline(c, s, 40)
		}},
	)
}

// pipeline sends n requests one by one, and then n responses one by one.
func (p *pair) pipeline(c, s sock, n int) {
	p.Helper()
	for range n {
		c.send(get)
		s.expect(get)
	}
	for range n {
		s.send(ok)
		c.expect(ok)
	}
}
