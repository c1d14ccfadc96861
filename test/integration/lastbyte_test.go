package integration

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestLastByte has responses that the client fetches but for their last part, and that part after a while:
// the exchange must end with its last byte, at both ends, by whatever call the body was sent.
func TestLastByte(t *testing.T) {
	const (
		size, rest = 10 << 20, 1 << 20 // the rest is more than all buffers between the two hold
		wait       = 200 * time.Millisecond
	)
	f := share(t, 5*time.Second)
	for _, by := range []struct {
		call  string
		needs func(place) string
	}{{"write", nil}, {"sendfile", nil}, {"splice", nil}, {"zerocopy", nil}, {"uring", noURing}} {
		t.Run(by.call, func(t *testing.T) {
			if by.needs != nil {
				if why := by.needs(f.place); why != "" {
					t.Skip(why)
				}
			}
			before := f.snapshot()
			p := newPair(t, f)
			l := p.server.listen("", Opt{unix.SOL_SOCKET, unix.SO_SNDBUF, 64 << 10})
			c, s := p.connectTo(l, Opt{unix.SOL_SOCKET, unix.SO_RCVBUF, 64 << 10})
			head := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size)
			began := time.Now()
			c.send(get)
			s.expect(get)
			s.send(head)
			c.expect(head)
			sent := p.sendLater(s, Call{FD: s.fd, Data: []byte("x"), N: size, Via: by.call})
			p.client.must("Drain", Call{FD: c.fd, Data: []byte("x"), N: size - rest})
			time.Sleep(wait)
			p.client.must("Drain", Call{FD: c.fd, Data: []byte("x"), N: rest})
			sent()
			most := time.Since(began)
			p.client.stop()
			p.server.stop()
			f.mustMatch(t, count(before), tally{
				"server GET 200": 1, "client GET 200": 1, "server class http1": 1, "client class http1": 1,
				"server bytes sent": size + uint64(len(head)), "client bytes received": size + uint64(len(head)),
			}, func(name string) bool {
				return coverage(name) || name == "server bytes sent" || name == "client bytes received"
			})
			for _, end := range []string{"server", "client"} {
				took, _, _, _ := durations(f.snapshot(), end)
				already, _, _, _ := durations(before, end)
				if took -= already; took < wait || took > most {
					t.Errorf("%s: took %v, want between %v and %v", end, took, wait, most)
				}
			}
		})
	}
}
