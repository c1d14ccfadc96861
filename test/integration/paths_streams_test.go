package integration

import (
	"fmt"
	"strings"
	"time"
)

const chunkedHead = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

func chunk(s string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(s), s) }

const lastChunk = "0\r\n\r\n"

// streamPaths are responses that come in parts.
func streamPaths() []path {
	return []path{
		{name: "chunked in one write", want: "3 GET 200", run: func(p *pair) {
			c, s := p.connect()
			for range 3 {
				p.exchange(c, s, get, chunkedHead+chunk("a")+chunk("b")+lastChunk)
			}
		}},
		{name: "chunked in several writes", want: "3 GET 200", run: func(p *pair) {
			c, s := p.connect()
			for range 3 {
				c.send(get)
				s.expect(get)
				for _, part := range []string{chunkedHead, chunk("a"), chunk(strings.Repeat("b", 5000)), lastChunk} {
					s.send(part)
					c.expect(part)
				}
			}
		}},
		{name: "last chunk in pieces", want: "3 GET 200", run: func(p *pair) {
			c, s := p.connect()
			for n := 1; n <= 3; n++ {
				c.send(get)
				s.expect(get)
				for _, part := range []string{chunkedHead, chunk("a"), lastChunk[:n], lastChunk[n:]} {
					s.send(part)
					c.expect(part)
				}
			}
		}},
		{name: "chunked request", want: "2 POST 200", run: func(p *pair) {
			c, s := p.connect()
			for range 2 {
				for _, part := range []string{"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", chunk("a"), chunk("GET / HTTP/1.1\r\n\r\n"), lastChunk} {
					c.send(part)
					s.expect(part)
				}
				s.send(ok)
				c.expect(ok)
			}
		}},
		{name: "write that ends like the last chunk", want: "2 GET 200", run: func(p *pair) {
			c, s := p.connect()
			for range 2 {
				c.send(get)
				s.expect(get)
				for _, part := range []string{chunkedHead, "6\r\nx" + lastChunk, "\r\n" + chunk("more") + lastChunk} {
					s.send(part)
					c.expect(part)
				}
			}
		}},
		{name: "stream with short pauses", want: "GET 200, POST 200", run: func(p *pair) {
			c, s := p.connect()
			c.send(get)
			s.expect(get)
			for _, part := range []string{chunkedHead, chunk("data: 1\n\n"), chunk("data: 2\n\n"), chunk("data: 3\n\n"), lastChunk} {
				s.send(part)
				c.expect(part)
				time.Sleep(settleAfter / 6)
				p.f.snapshot()
			}
			p.exchange(c, s, post, ok)
		}},
		{name: "stream with long pauses", want: "GET 200, POST 200", run: func(p *pair) {
			c, s := p.connect()
			c.send(get)
			s.expect(get)
			for _, part := range []string{chunkedHead, chunk("data: 1\n\n"), chunk("data: 2\n\n"), lastChunk} {
				s.send(part)
				c.expect(part)
				p.pause()
			}
			p.exchange(c, s, post, ok)
		}},
		{name: "stream that the client leaves", want: "GET 200", run: func(p *pair) {
			c, s := p.connect()
			c.send(get)
			s.expect(get)
			for _, part := range []string{chunkedHead, chunk("data: 1\n\n"), chunk("data: 2\n\n")} {
				s.send(part)
				c.expect(part)
			}
			c.close()
			s.recvEOF()
		}},
		{name: "long poll", want: "GET 200, GET 204", run: func(p *pair) {
			c, s := p.connect()
			c.send(get)
			s.expect(get)
			p.pause()
			p.pause()
			s.send(ok)
			c.expect(ok)
			p.exchange(c, s, get, "HTTP/1.1 204 No Content\r\n\r\n")
		}},
		{name: "long wait before the request is read", want: "GET 200", run: func(p *pair) {
			c, s := p.connect()
			c.send(get)
			p.pause()
			s.expect(get)
			p.pause()
			s.send(ok)
			p.pause()
			c.expect(ok)
		}},
		{name: "slow request head", want: "GET 200, GET 200", run: func(p *pair) {
			c, s := p.connect()
			for range 2 {
				for _, part := range []string{get[:2], get[2:10], get[10:]} {
					c.send(part)
					s.expect(part)
					p.pause()
				}
				s.send(ok)
				c.expect(ok)
			}
		}},
		{name: "slow response head", want: "GET 200, GET 200", run: func(p *pair) {
			c, s := p.connect()
			for range 2 {
				c.send(get)
				s.expect(get)
				for _, part := range []string{ok[:2], ok[2:11], ok[11:]} {
					s.send(part)
					c.expect(part)
					p.pause()
				}
			}
		}},
		{name: "rest between requests", want: "3 GET 200", run: func(p *pair) {
			c, s := p.connect()
			for range 3 {
				p.exchange(c, s, get, ok)
				p.pause()
			}
		}},
		{name: "body of 4 MB", want: "2 GET 200", run: func(p *pair) {
			c, s := p.connect()
			for range 2 {
				c.send(get)
				s.expect(get)
				p.transfer(s, c, response("200 OK", strings.Repeat("x", 4<<20)))
			}
		}},
	}
}

// transfer sends more than socket buffers hold.
func (p *pair) transfer(from, to sock, data string) {
	p.Helper()
	p.transferVia(from, to, data, how{}, how{})
}

func (p *pair) transferVia(from, to sock, data string, send, recv how) {
	p.Helper()
	sent := p.sendLater(from, from.sendCall(data, []how{send}))
	to.expect(data, recv)
	sent()
}

// sendLater begins to send more than socket buffers hold, and returns a function that waits for the end.
func (p *pair) sendLater(from sock, c Call) (wait func()) {
	p.Helper()
	done := make(chan *Reply, 1)
	go func() {
		var r Reply
		if from.p.call.Call("Sys.Send", &c, &r) != nil {
			r.N = -1
		}
		done <- &r
	}()
	return func() {
		p.Helper()
		r := <-done
		if want := max(len(c.Data), c.N); r.N != want {
			p.Fatalf("sent %d of %d bytes: %v", r.N, want, r.Errno)
		}
		from.p.sent += uint64(r.N)
	}
}
