package integration

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// unreadablePaths have heads to which no register leads, or nothing at all. The end that used such a call has
// nothing to say about its exchanges but that they are lost, and why; the other end counts them.
func unreadablePaths() []path {
	return slices.Concat(uringHeads(), compatHeads(), pageHeads(), batchHeads(), lostHeads())
}

// unread is what becomes of a server that cannot read any request.
func unread(at where, why, lost string) []short {
	return []short{{at: at, why: why, server: "-", classes: "unreadable; http1", lost: lost}}
}

// unwritten is what becomes of one whose responses cannot be read.
func unwritten(at where, why, lost string) []short {
	return []short{{at: at, why: why, server: "-", lost: lost}}
}

func uringHeads() []path {
	const (
		why  = "registers tell nothing about a request of an io_uring"
		lost = "some unreadable_io_uring, some read bytes unreadable"
	)
	paths := []path{
		{name: "io_uring, all read", way: "heads: io_uring recv", run: func(p *pair) { p.allVia("", "uring") }, but: unread(byRegisters, why, lost)},
		{name: "io_uring, all read and written", run: func(p *pair) { p.allVia("uring", "uring") }, but: unread(byRegisters, why, lost)},
		{name: "responses by io_uring", way: "heads: io_uring send", run: func(p *pair) { p.allVia("uring", "") },
			but: unwritten(byRegisters, why, "2 unreadable_io_uring, some write bytes unreadable")},
	}
	for _, call := range []string{"write", "read"} {
		// Which call's exit the request completes at is a matter of time.
		paths = append(paths, path{name: "io_uring, completing within an unrelated " + call,
			run: func(p *pair) { p.lateVia("uring within " + call) },
			but: unread(byRegisters, why, "any unreadable_syscall, any unreadable_socket, any unreadable_io_uring, some read bytes unreadable")})
	}
	for i := range paths {
		paths[i].want, paths[i].needs = "2 GET 200", noURing
	}
	return paths
}

func compatHeads() []path {
	const (
		why  = "registers of 32-bit calls mean something else"
		lost = "some unreadable_compat32, some read bytes unreadable"
	)
	paths := []path{
		{name: "32-bit, all read", way: "heads: 32-bit read", run: func(p *pair) { p.allVia("", "int80") }, but: unread(byRegisters, why, lost)},
		{name: "32-bit, all read and written", run: func(p *pair) { p.allVia("int80", "int80") }, but: unread(byRegisters, why, lost)},
		{name: "responses by a 32-bit call", way: "heads: 32-bit write", run: func(p *pair) { p.allVia("int80", "") },
			but: unwritten(byRegisters, why, "2 unreadable_compat32, some write bytes unreadable")},
	}
	for i := range paths {
		paths[i].want, paths[i].needs = "2 GET 200", noInt80
	}
	return paths
}

// pageHeads are in pages that no process has mapped.
func pageHeads() []path {
	const (
		why  = "the bytes are in pages of a file or a pipe, not in memory of the process"
		lost = "2 unreadable_syscall, some write bytes unreadable"
	)
	return []path{
		{name: "responses by sendfile", way: "heads: sendfile", want: "2 GET 200", run: func(p *pair) { p.allVia("sendfile", "") },
			but: unwritten(anywhere, why, lost)},
		{name: "responses by splice", way: "heads: splice into a socket", want: "2 GET 200", run: func(p *pair) { p.allVia("splice", "") },
			but: unwritten(anywhere, why, lost)},
		{name: "spliced, all read", way: "heads: splice out of a socket", want: "2 GET 200", run: func(p *pair) { p.allVia("", "splice") },
			but: unread(anywhere, noTap, fmt.Sprintf("%d read bytes untapped", 2*len(get)))},
	}
}

// batchHeads are in the second message of a call.
func batchHeads() []path {
	const why = "registers tell where the messages are, not which one this is"
	return []path{
		{name: "second request in the second message of sendmmsg", way: "heads: later messages of sendmmsg", want: "2 GET 200",
			but: []short{{at: byRegisters, why: why, client: "GET 200",
				lost: fmt.Sprintf("unreadable_batch, %d write bytes unreadable", len(get))}},
			run: func(p *pair) {
				c, s := p.connect()
				c.send(get+get, via("sendmmsg", len(get), len(get)))
				for range 2 {
					s.expect(get)
					s.send(ok)
					c.expect(ok)
				}
			}},
		{name: "second request in the second message of recvmmsg", way: "heads: later messages of recvmmsg", want: "2 GET 200",
			but: []short{{at: byRegisters, why: why, server: "GET 200",
				lost: fmt.Sprintf("unreadable_batch, %d read bytes unreadable", len(get))}},
			run: func(p *pair) {
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
	}
}

// lostHeads are not where they could be read.
func lostHeads() []path {
	readBy := func(iov ...int) func(p *pair) {
		return func(p *pair) {
			c, s := p.connect()
			c.send(get)
			s.expect(get, via("readv", iov...))
			s.send(ok)
			c.expect(ok)
		}
	}
	return []path{
		{name: "heads discarded", way: "heads: discarded (MSG_TRUNC)", want: "2 GET 200", run: func(p *pair) {
			c, s := p.connect()
			for range 2 {
				c.send(get)
				s.recvDiscard(len(get))
				s.send(ok)
				c.expect(ok)
			}
		}, but: unread(anywhere, "discarded bytes are copied nowhere", "some unreadable_truncated, some read bytes unreadable")},
		{name: "second request discarded", want: "3 GET 200", run: func(p *pair) {
			c, s := p.connect()
			p.exchange(c, s, get, ok)
			c.send(get)
			s.recvDiscard(len(get))
			s.send(ok)
			c.expect(ok)
			p.exchange(c, s, get, ok)
		}, but: []short{{at: anywhere, why: "discarded bytes are copied nowhere", server: "2 GET 200",
			lost: fmt.Sprintf("unreadable_truncated, %d read bytes unreadable, any write bytes late", len(get))}}},
		{name: "head behind many empty iovecs", want: "GET 200", run: readBy(append(make([]int, 300), len(get))...)},
		{name: "head behind as many empty iovecs as a call can have", want: "GET 200", run: readBy(append(make([]int, 1023), len(get))...)},
		{name: "head over many iovecs", want: "GET 200", run: readBy(pieces(len(get), 1)...)},
		{name: "response over 60 iovecs, the head in the first", want: "2 GET 200", run: func(p *pair) {
			c, s := p.connect()
			for range 2 {
				c.send(get)
				s.expect(get)
				answer := response("200 OK", strings.Repeat("b", 59))
				s.send(answer, via("writev", append([]int{len(answer) - 59}, pieces(59, 1)...)...))
				c.expect(answer)
			}
		}},
		{name: "head not in memory any more", want: "POST 200", run: headEvicted, but: []short{{
			at: anywhere, why: "the process gave the memory back before the call returned",
			client: "-", classes: "http1; unreadable", lost: "some unreadable_memory, some write bytes unreadable"}}},
		{name: "descriptor replaced while the call waits", want: "GET 200", classes: "http1, idle", run: descriptorReplaced, but: []short{{
			at: byRegisters, why: "the descriptor in the registers is another socket by now",
			server: "-", classes: "unreadable, idle; http1, idle", lost: "some unreadable_socket, some read bytes unreadable"}}},
	}
}

// noTap is why bytes are not read that nothing tells of.
const noTap = "no tap fires: only TCP's own count shows the bytes"

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
	p.client.must("Evict", Call{FD: c.fd})
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
