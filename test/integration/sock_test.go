package integration

import (
	"strings"

	"golang.org/x/sys/unix"
)

// sock is a socket of a helper process.
type sock struct {
	p    *proc
	fd   int
	addr string // of a listener: where it listens
}

// how is one way to move bytes: a system call, its flags and the sizes of its
// iovecs.
type how struct {
	via   string
	flags int
	iov   []int
}

func via(name string, iov ...int) how { return how{via: name, iov: iov} }

// pieces returns n iovecs (or messages) of the given size; the last takes the rest.
func pieces(n, size int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = size
	}
	return out
}

// listen listens on addr, by default a free port of 127.0.0.1.
func (p *proc) listen(addr string, opts ...Opt) sock {
	p.t.Helper()
	return p.listenCall(Call{Addr: addr, N: 128, Opts: opts})
}

func (p *proc) listenCall(c Call) sock {
	p.t.Helper()
	if c.Addr == "" {
		c.Addr = "127.0.0.1:0"
	}
	r := p.must("Listen", c)
	return sock{p, r.FD, r.Addr}
}

// dial connects to a listener's address.
func (p *proc) dial(addr string, opts ...Opt) sock {
	p.t.Helper()
	return sock{p: p, fd: p.must("Dial", Call{Addr: addr, Opts: opts}).FD}
}

func (s sock) accept() sock {
	s.p.t.Helper()
	return sock{p: s.p, fd: s.p.must("Accept", Call{FD: s.fd}).FD}
}

// send writes all of data.
func (s sock) send(data string, h ...how) {
	s.p.t.Helper()
	s.p.must("Send", s.sendCall(data, h))
}

func (s sock) sendCall(data string, h []how) Call {
	c := Call{FD: s.fd, Data: []byte(data)}
	if len(h) > 0 {
		c.Via, c.Flags, c.Iov = h[0].via, h[0].flags, h[0].iov
	}
	return c
}

// recvOnce makes one call for at most n bytes.
func (s sock) recvOnce(n int, h ...how) string {
	s.p.t.Helper()
	c := Call{FD: s.fd, N: n}
	if len(h) > 0 {
		c.Via, c.Flags, c.Iov = h[0].via, h[0].flags, h[0].iov
	}
	return string(s.p.must("Recv", c).Data)
}

// recv reads until it has n bytes.
func (s sock) recv(n int, h ...how) string {
	s.p.t.Helper()
	var b strings.Builder
	for b.Len() < n {
		got := s.recvOnce(n-b.Len(), h...)
		if got == "" {
			s.p.t.Fatalf("connection ended after %d of %d bytes", b.Len(), n)
		}
		b.WriteString(got)
	}
	return b.String()
}

// expect reads exactly what the other end has sent.
func (s sock) expect(want string, h ...how) {
	s.p.t.Helper()
	if got := s.recv(len(want), h...); got != want {
		s.p.t.Fatalf("received %.100q, want %.100q", got, want)
	}
}

// waitFor waits until n bytes are there to be read at once.
func (s sock) waitFor(n int) { s.p.t.Helper(); s.p.must("WaitFor", Call{FD: s.fd, N: n}) }

// recvEOF fails unless the connection has ended.
func (s sock) recvEOF() {
	s.p.t.Helper()
	if got := s.recvOnce(1); got != "" {
		s.p.t.Fatalf("received %q, want the end", got)
	}
}

// recvError reads and expects an error.
func (s sock) recvError() {
	s.p.t.Helper()
	if r := s.p.do("Recv", Call{FD: s.fd, N: 1}); r.Errno == 0 {
		s.p.t.Fatalf("received %q, want an error", r.Data)
	}
}

func (s sock) shutdownWrite() {
	s.p.t.Helper()
	s.p.must("Shutdown", Call{FD: s.fd, Flags: unix.SHUT_WR})
}
func (s sock) close() { s.p.t.Helper(); s.p.must("Close", Call{FD: s.fd}) }
func (s sock) reset() { s.p.t.Helper(); s.p.must("Close", Call{FD: s.fd, Flags: 1}) }

func (s sock) set(opts ...Opt) { s.p.t.Helper(); s.p.must("SetOpts", Call{FD: s.fd, Opts: opts}) }
