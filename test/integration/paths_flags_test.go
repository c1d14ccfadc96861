package integration

import "golang.org/x/sys/unix"

// flagPaths use flags that change what a call does with the bytes.
func flagPaths() []path {
	peek := how{via: "recv", flags: unix.MSG_PEEK}
	return []path{
		{name: "peek first", want: "2 GET 200", run: func(p *pair) {
			c, s := p.connect()
			for range 2 {
				c.send(get)
				s.expect(get[:1], how{via: "recv", flags: unix.MSG_PEEK})
				s.recvOnce(len(get), peek)
				s.recvOnce(len(get), how{via: "recvmsg", flags: unix.MSG_PEEK, iov: pieces(4, 2)})
				s.expect(get)
				s.send(ok)
				c.recvOnce(len(ok), peek)
				c.expect(ok)
			}
		}},
		{name: "peek, then close unread", server: "-", client: "GET aborted", classes: "idle; http1", partly: true, run: func(p *pair) {
			c, s := p.connect()
			c.send(get)
			s.recvOnce(len(get), peek)
			s.close()
			c.recvError()
		}},
		{name: "wait for all", want: "2 GET 200", run: func(p *pair) {
			c, s := p.connect()
			for range 2 {
				c.send(get)
				s.expect(get, how{via: "recv", flags: unix.MSG_WAITALL})
				s.send(ok)
				c.expect(ok, how{via: "recv", flags: unix.MSG_WAITALL})
			}
		}},
		{name: "more to come", want: "2 GET 200", run: func(p *pair) {
			c, s := p.connect()
			for range 2 {
				c.send(get[:7], how{via: "sendto", flags: unix.MSG_MORE})
				c.send(get[7:])
				s.expect(get)
				s.send(ok[:20], how{via: "sendto", flags: unix.MSG_MORE})
				s.send(ok[20:])
				c.expect(ok)
			}
		}},
		{name: "corked", want: "2 GET 200", run: func(p *pair) {
			c, s := p.connect()
			for range 2 {
				s.set(Opt{unix.IPPROTO_TCP, unix.TCP_CORK, 1})
				c.send(get)
				s.expect(get)
				s.send(ok[:20])
				s.send(ok[20:])
				s.set(Opt{unix.IPPROTO_TCP, unix.TCP_CORK, 0})
				c.expect(ok)
			}
		}},
		{name: "discarded body", way: "bodies: discarded (MSG_TRUNC)", want: "2 POST 200", run: func(p *pair) {
			c, s := p.connect()
			for range 2 {
				c.send(post)
				s.expect(post[:len(post)-4])
				s.recvDiscard(4)
				s.send(ok)
				c.expect(ok[:len(ok)-2])
				c.recvDiscard(2)
			}
		}},
		{name: "zero-copy send", way: "heads: MSG_ZEROCOPY", want: "2 POST 200", run: func(p *pair) {
			c, s := p.connect()
			for range 2 {
				c.send(post, via("zerocopy"))
				s.expect(post)
				s.send(ok, via("zerocopy"))
				c.expect(ok)
			}
		}},
		{name: "out of band byte in the body", want: "POST 200", run: func(p *pair) {
			c, s := p.connect()
			s.set(Opt{unix.SOL_SOCKET, unix.SO_OOBINLINE, 1})
			c.send("POST /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nbody")
			c.send("!", how{via: "sendto", flags: unix.MSG_OOB})
			s.expect("POST /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nbody!")
			s.send(ok)
			c.expect(ok)
		}},
	}
}

// recvDiscard drops n bytes with MSG_TRUNC.
func (s sock) recvDiscard(n int) {
	s.p.t.Helper()
	for n > 0 {
		n -= s.p.must("Recv", Call{FD: s.fd, N: n, Via: "discard"}).N
	}
}
