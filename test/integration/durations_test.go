package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fathomhq/fathom/internal/kernel"
)

// durations sums the exchanges and the queueing of a helper.
func durations(s *kernel.Snapshot, name string) (sum, queued time.Duration, n, nQueued uint64) {
	for _, h := range s.Exchanges {
		if side(s.Workloads[h.Workload]) == name && h.Role.String() == name {
			sum += h.Duration.Sum
			n += h.Duration.Count()
		}
	}
	for _, q := range s.Queue {
		if side(s.Workloads[q.Workload]) == name {
			queued += q.Delay.Sum
			nQueued += q.Delay.Count()
		}
	}
	return sum, queued, n, nQueued
}

// TestOverloadedServer has 16 clients at a server of one thread that takes 50 ms per
// request. What the server's callers waited has to be what Fathom says of the server, although
// the server itself sees 50 ms each time.
func TestOverloadedServer(t *testing.T) {
	const requests, clients, delay = 320, 16, 50 * time.Millisecond
	f := share(t, settleAfter)
	server, client := start(t, serverName, nil), start(t, clientName, nil)
	addr := server.load("ServeOneThread", LoadCall{Delay: delay}).Addr
	sum0, queued0, n0, nQueued0 := durations(f.snapshot(), "server")
	r := client.get(LoadCall{Addr: addr, Requests: requests, Connections: clients, Kinds: []Kind{{"GET", "/", 0}}})
	client.stop()
	var sum, queued time.Duration
	var n, nQueued uint64
	f.until(func(s *kernel.Snapshot) bool {
		sum, queued, n, nQueued = durations(s, "server")
		return n-n0 >= requests
	})
	sum, queued, n, nQueued = sum-sum0, queued-queued0, n-n0, nQueued-nQueued0
	t.Logf("clients waited %v in all; the server's durations are %v, of which %v queued", r.Sum, sum, queued)
	if n != requests || nQueued != requests {
		t.Errorf("%d exchanges and %d queued, want %d", n, nQueued, requests)
	}
	// The server's own time is a 16th of this.
	if sum > r.Sum || sum < r.Sum-r.Sum/10 {
		t.Errorf("durations sum to %v, the clients waited %v", sum, r.Sum)
	}
	// A request is either waiting or being handled.
	own := server.load("Handled", LoadCall{})
	if handled := sum - queued; handled < own.Least || handled > own.Most {
		t.Errorf("handling took %v, for the server itself between %v and %v", handled, own.Least, own.Most)
	}
}

// TestBounds checks durations against bounds that hold by logic alone: an exchange took at
// least as long as the server waited and no longer than the test.
func TestBounds(t *testing.T) {
	f := share(t, 5*time.Second)
	const wait = 200 * time.Millisecond
	for _, c := range []struct {
		name           string
		run            func(c, s sock)
		server, client time.Duration // at least
		queue          time.Duration
	}{
		{"waits for the read", func(c, s sock) {
			c.send(get)
			time.Sleep(wait)
			s.expect(get)
			s.send(ok)
			c.expect(ok)
		}, wait, wait, wait},
		{"waits for the answer", func(c, s sock) {
			c.send(get)
			s.expect(get)
			time.Sleep(wait)
			s.send(ok)
			c.expect(ok)
		}, wait, wait, 0},
		{"request in two parts", func(c, s sock) {
			c.send(get[:9])
			s.expect(get[:9])
			time.Sleep(wait)
			c.send(get[9:])
			s.expect(get[9:])
			s.send(ok)
			c.expect(ok)
		}, wait, wait, 0},
		{"response in two parts", func(c, s sock) {
			c.send(get)
			s.expect(get)
			s.send(ok[:len(ok)-1])
			time.Sleep(wait)
			s.send(ok[len(ok)-1:])
			c.expect(ok)
		}, wait, wait, 0},
		{"response lies unread", func(c, s sock) {
			c.send(get)
			s.expect(get)
			s.send(ok)
			time.Sleep(wait)
			c.expect(ok)
		}, 0, wait, 0},
		{"second request, after a rest", func(c, s sock) {
			c.send(get)
			s.expect(get)
			s.send(ok)
			c.expect(ok)
			time.Sleep(wait) // must not count
			c.send(get)
			s.expect(get)
			s.send(ok)
			c.expect(ok)
		}, 0, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := f.snapshot()
			p := newPair(t, f)
			conn, s := p.connect()
			began := time.Now()
			c.run(conn, s)
			most := time.Since(began)
			if c.server+c.client+c.queue == 0 {
				most -= wait
			}
			p.client.stop()
			p.server.stop()
			for _, end := range []struct {
				name         string
				least, queue time.Duration
			}{{"server", c.server, c.queue}, {"client", c.client, 0}} {
				sum0, queued0, n0, _ := durations(before, end.name)
				var sum, queued time.Duration
				var n uint64
				f.until(func(s *kernel.Snapshot) bool {
					sum, queued, n, _ = durations(s, end.name)
					return n > n0
				})
				if sum -= sum0; sum < end.least || sum > most {
					t.Errorf("%s: %d exchanges took %v, want between %v and %v", end.name, n-n0, sum, end.least, most)
				}
				if queued -= queued0; queued < end.queue || queued > most {
					t.Errorf("%s: queued for %v, want between %v and %v", end.name, queued, end.queue, most)
				}
			}
		})
	}
}

// TestUnread sends many requests, each in a segment of its own, to a server that reads none of them for a while: each has its own
// arrival, whatever the protocol. Bounds follow from when the calls of both ends were made.
func TestUnread(t *testing.T) {
	const requests, pause = 50, 4 * time.Millisecond
	f := share(t, 5*time.Second)
	frame := func(id int, block string) string { // HEADERS, with END_HEADERS and END_STREAM
		return fmt.Sprintf("\x00\x00%c\x01\x05\x00\x00\x00%c%s", len(block), id, block)
	}
	const settings = "\x00\x00\x00\x04\x00\x00\x00\x00\x00"
	for _, c := range []struct {
		name            string
		first, greeting string // what the ends send before
		request, answer func(int) string
	}{
		{"http 1", "", "", func(int) string { return get }, func(int) string { return ok }},
		{"http 1, behind another", get, ok, func(int) string { return get }, func(int) string { return ok }},
		{"http 2", http2Preface + settings, settings, func(i int) string { return frame(2*i+1, "\x82\x84\x86\x01\x01a") }, func(i int) string { return frame(2*i+1, "\x88") }},
		{"redis", "", "", func(int) string { return "*1\r\n$4\r\nPING\r\n" }, func(int) string { return "+PONG\r\n" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPair(t, f)
			conn, s := p.connect()
			conn.set(Opt{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1})
			if c.first != "" {
				p.exchange(conn, s, c.first, c.greeting)
			}
			f.rest()
			before := f.snapshot()
			var all, answers strings.Builder
			var least, most time.Duration // by which all arrivals are before a time that is `since` then
			began := time.Now()
			for i := range requests {
				most -= time.Since(began)
				conn.send(c.request(i))
				least -= time.Since(began)
				all.WriteString(c.request(i))
				answers.WriteString(c.answer(i))
				time.Sleep(pause)
			}
			queueLeast := least + requests*time.Since(began)
			s.expect(all.String())
			queueMost := most + requests*time.Since(began)
			serverLeast := least + requests*time.Since(began)
			s.send(answers.String())
			serverMost := most + requests*time.Since(began)
			conn.expect(answers.String())
			clientMost := most + requests*time.Since(began)
			p.client.stop()
			p.server.stop()
			for _, end := range []struct {
				name                               string
				least, most, queueLeast, queueMost time.Duration
			}{{"server", serverLeast, serverMost, queueLeast, queueMost}, {"client", serverLeast, clientMost, 0, 0}} {
				sum0, queued0, n0, _ := durations(before, end.name)
				var sum, queued time.Duration
				var n uint64
				f.until(func(s *kernel.Snapshot) bool {
					sum, queued, n, _ = durations(s, end.name)
					return n-n0 >= requests
				})
				if sum -= sum0; n-n0 != requests || sum < end.least || sum > end.most {
					t.Errorf("%s: %d exchanges took %v, want %d, and between %v and %v", end.name, n-n0, sum, requests, end.least, end.most)
				}
				if queued -= queued0; queued < end.queueLeast || queued > end.queueMost {
					t.Errorf("%s: queued for %v, want between %v and %v", end.name, queued, end.queueLeast, end.queueMost)
				}
			}
		})
	}
}
