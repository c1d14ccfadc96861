package integration

import (
	"fmt"
	"strings"
	"time"
)

// unreadablePaths have heads where no register leads to them. The end that used such a
// call has nothing to say about its exchanges but that they are lost, and why; the other end
// counts them.
func unreadablePaths() []path {
	var paths []path
	add := func(name string, needs func() string, fault string, run func(*pair)) {
		paths = append(paths, path{name: name, needs: needs, run: run,
			server: "-", client: "2 GET 200", classes: "unreadable; http1",
			lost: "some " + fault + ", some read bytes unreadable"})
	}
	add("io_uring, all read", noURing, "unreadable_io_uring", func(p *pair) { p.allVia("", "uring") })
	add("io_uring, all read and written", noURing, "unreadable_io_uring", func(p *pair) { p.allVia("uring", "uring") })
	add("32-bit, all read", noInt80, "unreadable_compat32", func(p *pair) { p.allVia("", "int80") })
	add("32-bit, all read and written", noInt80, "unreadable_compat32", func(p *pair) { p.allVia("int80", "int80") })
	add("heads discarded", nil, "unreadable_truncated", func(p *pair) {
		c, s := p.connect()
		for range 2 {
			c.send(get)
			s.recvDiscard(len(get))
			s.send(ok)
			c.expect(ok)
		}
	})
	for _, call := range []string{"write", "read"} {
		// Which call's exit the request completes at is a matter of time.
		paths = append(paths, path{name: "io_uring, completing within an unrelated " + call, needs: noURing,
			server: "-", client: "2 GET 200", classes: "unreadable; http1",
			lost: "any unreadable_syscall, any unreadable_socket, any unreadable_io_uring, some read bytes unreadable",
			run:  func(p *pair) { p.lateVia("uring within " + call) }})
	}
	return append(paths,
		path{name: "spliced, all read", server: "-", client: "2 GET 200", classes: "unreadable; http1",
			lost: fmt.Sprintf("%d read bytes untapped", 2*len(get)), run: func(p *pair) { p.allVia("", "splice") }},
		path{name: "responses by sendfile", server: "-", client: "2 GET 200", lost: "2 unreadable_syscall, some write bytes unreadable", run: func(p *pair) { p.allVia("sendfile", "") }},
		path{name: "responses by splice", server: "-", client: "2 GET 200", lost: "2 unreadable_syscall, some write bytes unreadable", run: func(p *pair) { p.allVia("splice", "") }},
		path{name: "responses by io_uring", needs: noURing, server: "-", client: "2 GET 200", lost: "2 unreadable_io_uring, some write bytes unreadable", run: func(p *pair) { p.allVia("uring", "") }},
		path{name: "responses by a 32-bit call", needs: noInt80, server: "-", client: "2 GET 200", lost: "2 unreadable_compat32, some write bytes unreadable", run: func(p *pair) { p.allVia("int80", "") }},
		path{name: "second request discarded", server: "2 GET 200", client: "3 GET 200",
			lost: fmt.Sprintf("unreadable_truncated, %d read bytes unreadable, any write bytes late", len(get)), run: func(p *pair) {
				c, s := p.connect()
				p.exchange(c, s, get, ok)
				c.send(get)
				s.recvDiscard(len(get))
				s.send(ok)
				c.expect(ok)
				p.exchange(c, s, get, ok)
			}},
		path{name: "second request in the second message of sendmmsg", server: "2 GET 200", client: "-",
			lost: fmt.Sprintf("2 unreadable_batch, %d write bytes unreadable, %d read bytes late", len(get), 2*len(ok)), run: func(p *pair) {
				c, s := p.connect()
				c.send(get+get, via("sendmmsg", len(get), len(get)))
				for range 2 {
					s.expect(get)
					s.send(ok)
					c.expect(ok)
				}
			}},
		path{name: "second request in the second message of recvmmsg", server: "-", client: "2 GET 200",
			lost: fmt.Sprintf("2 unreadable_batch, %d read bytes unreadable, %d write bytes late", len(get), 2*len(ok)), run: func(p *pair) {
				c, s := p.connect()
				c.send(get)
				c.send(get)
				s.waitFor(2 * len(get))
				s.expect(get+get, via("recvmmsg", len(get), len(get)))
				for range 2 {
					s.send(ok)
					c.expect(ok)
				}
			}},
		path{name: "head over more iovecs than are followed", server: "-", client: "GET 200", classes: "unreadable; http1",
			lost: "some unreadable_iovecs, some read bytes unreadable", run: func(p *pair) {
				c, s := p.connect()
				c.send(get)
				s.expect(get, via("readv", append(make([]int, 100), len(get))...)) // empty ones first
				s.send(ok)
				c.expect(ok)
			}},
		path{name: "head not in memory any more", server: "POST 200", client: "-", classes: "http1; unreadable",
			lost: "some unreadable_memory, some write bytes unreadable", run: headEvicted},
		path{name: "descriptor replaced while the call waits", server: "-", client: "GET 200", classes: "unreadable, idle; http1, idle",
			lost: "some unreadable_socket, some read bytes unreadable", run: descriptorReplaced},
	)
}

// allVia makes two exchanges where the server uses the given calls for everything.
func (p *pair) allVia(send, recv string) {
	p.Helper()
	c, s := p.connect()
	for range 2 {
		c.send(get)
		s.expect(get, via(recv))
		s.send(ok, via(send))
		c.expect(ok)
	}
}

// lateVia makes two exchanges whose requests come after the server has asked for them.
func (p *pair) lateVia(recv string) {
	p.Helper()
	c, s := p.connect()
	for range 2 {
		done := make(chan Reply)
		go func() {
			var r Reply
			_ = p.server.call.Call("Sys.Recv", &Call{FD: s.fd, N: 1000, Via: recv}, &r)
			done <- r
		}()
		time.Sleep(settleAfter / 10)
		c.send(get)
		if r := <-done; string(r.Data) != get {
			p.Fatalf("received %q, %v", r.Data, r.Errno)
		}
		s.send(ok)
		c.expect(ok)
	}
}

func headEvicted(p *pair) {
	c, s := p.connect()
	head, body := upload(16 << 20) // more than the buffers hold
	done := make(chan Reply)
	go func() {
		var r Reply
		call := c.sendCall(head+body, []how{via("evicted")})
		_ = p.client.call.Call("Sys.Send", &call, &r)
		done <- r
	}()
	p.pause()
	p.pause()
	if got := s.recv(len(head) + len(body)); !strings.HasPrefix(got, head) {
		p.Fatalf("received %.100q", got)
	}
	if r := <-done; r.Errno != 0 || r.N != len(head)+len(body) {
		p.Fatalf("sent %d bytes: %v", r.N, r.Errno)
	}
	s.send(ok)
	c.expect(ok)
}

func descriptorReplaced(p *pair) {
	c, s := p.connect()
	_, other := p.connect()
	keep := sock{p: p.server, fd: p.server.must("Dup", Call{FD: s.fd}).FD}
	done := make(chan Reply)
	go func() {
		var r Reply
		_ = p.server.call.Call("Sys.Recv", &Call{FD: s.fd, N: 1000}, &r)
		done <- r
	}()
	p.pause() // the call waits now
	p.server.must("Replace", Call{FD: s.fd, N: other.fd})
	c.send(get)
	if r := <-done; string(r.Data) != get {
		p.Fatalf("received %q, %v", r.Data, r.Errno)
	}
	keep.send(ok)
	c.expect(ok)
}
