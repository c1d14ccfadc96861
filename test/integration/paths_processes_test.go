package integration

// processPaths move sockets between processes.
func processPaths() []path {
	return []path{
		{name: "pre-fork server", want: "12 GET 200", run: func(p *pair) {
			l := p.listener()
			workers := []sock{l}
			for range 3 {
				workers = append(workers, p.worker(l))
			}
			for i := range 12 {
				c, s := p.connectTo(sock{workers[i%4].p, workers[i%4].fd, l.addr})
				p.exchange(c, s, get, ok)
				s.close()
				c.recvEOF()
			}
		}},
		{name: "accepted by one process, served by another", want: "2 GET 200", run: func(p *pair) {
			c, s := p.connect()
			s = p.hand(s)
			p.exchange(c, s, get, ok)
			p.exchange(c, s, get, ok)
		}},
		{name: "read by one process, answered by another", want: "GET 200, GET 404", run: func(p *pair) {
			c, s := p.connect()
			c.send(get)
			s.expect(get)
			s = p.hand(s)
			s.send(ok)
			c.expect(ok)
			p.exchange(c, s, get, response("404 No", ""))
		}},
		{name: "handed over in the middle of the head", want: "2 GET 200", run: func(p *pair) {
			c, s := p.connect()
			c.send(get)
			s.expect(get[:9])
			s = p.hand(s)
			s.expect(get[9:])
			s.send(ok)
			c.expect(ok)
			p.exchange(c, s, get, ok)
		}},
		{name: "opened by a process that has ended", want: "GET 200", run: func(p *pair) {
			c, s := p.connect()
			s = p.hand(s)
			p.server.stop()
			p.exchange(c, s, get, ok)
		}},
	}
}

// worker starts one more server process and gives it a copy of the socket.
func (p *pair) worker(s sock) sock {
	p.Helper()
	w := start(p.T, serverName, nil, p.take)
	p.helpers = append(p.helpers, w)
	s.p.must("Pass", Call{FD: s.fd})
	return sock{w, w.must("Take", Call{}).FD, s.addr}
}

// hand gives the first server's socket to one more server process, and closes it in the
// first.
func (p *pair) hand(s sock) sock {
	p.Helper()
	w := p.worker(s)
	s.close()
	return w
}
