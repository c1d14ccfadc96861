package integration

import (
	"fmt"
	"strings"
)

// upload returns the head and the body of a POST.
func upload(size int) (head, body string) {
	return fmt.Sprintf("POST /a HTTP/1.1\r\nHost: it\r\nContent-Length: %d\r\n\r\n", size), strings.Repeat("u", size)
}

// uploadPaths are requests with bodies, and ends that come out of turn.
func uploadPaths() []path {
	return []path{
		{name: "upload of 1 MB", want: "2 POST 200", run: func(p *pair) {
			c, s := p.connect()
			for range 2 {
				head, body := upload(1 << 20)
				p.transfer(c, s, head+body)
				s.send(ok)
				c.expect(ok)
			}
		}},
		{name: "slow upload", want: "POST 200", run: func(p *pair) {
			c, s := p.connect()
			head, body := upload(3000)
			for _, part := range []string{head, body[:1000], body[1000:2000], body[2000:]} {
				c.send(part)
				s.expect(part)
				p.pause()
			}
			s.send(ok)
			c.expect(ok)
		}},
		{name: "response before the upload ends", want: "POST 200, GET 200", run: func(p *pair) {
			c, s := p.connect()
			head, body := upload(3000)
			c.send(head + body[:1000])
			s.expect(head + body[:1000])
			s.send(ok)
			c.expect(ok)
			c.send(body[1000:])
			s.expect(body[1000:])
			p.exchange(c, s, get, ok)
		}},
		{name: "response while the upload goes on", want: "POST 200", run: func(p *pair) {
			c, s := p.connect()
			head, body := upload(3000)
			c.send(head + body[:1000])
			s.expect(head + body[:1000])
			s.send(ok[:20])
			c.send(body[1000:2000])
			s.expect(body[1000:2000])
			c.expect(ok[:20])
			c.send(body[2000:])
			s.send(ok[20:])
			c.expect(ok[20:])
			s.expect(body[2000:])
		}},
		{name: "half-close after the request", want: "GET 200", run: func(p *pair) {
			c, s := p.connect()
			c.send(get)
			c.shutdownWrite()
			s.expect(get)
			s.recvEOF()
			s.send(ok)
			s.close()
			c.expect(ok)
			c.recvEOF()
		}},
		{name: "half-close before the server accepts", want: "GET 200", run: func(p *pair) {
			l := p.listener()
			c := p.client.dial(l.addr)
			c.send(get)
			c.shutdownWrite()
			s := l.accept()
			p.dialed, p.accepted = 1, 1
			s.expect(get)
			s.recvEOF()
			s.send(ok)
			c.expect(ok)
		}},
		{name: "response read after the server closed", want: "GET 200", run: func(p *pair) {
			c, s := p.connect()
			c.send(getClose)
			s.expect(getClose)
			s.send(ok)
			s.close()
			p.pause()
			c.expect(ok)
			c.recvEOF()
		}},
		{name: "413, then a reset, the response read first", want: "POST 413", run: func(p *pair) {
			c, s := p.connect()
			head, body := upload(3000)
			c.send(head + body)
			s.expect(head)
			s.send(response("413 Content Too Large", ""))
			c.expect(response("413 Content Too Large", ""))
			s.close() // with unread bytes: a reset
			c.recvError()
		}},
		{name: "413, then a reset, the response read after it", want: "POST 413", run: func(p *pair) {
			c, s := p.connect()
			head, body := upload(3000)
			c.send(head + body)
			s.expect(head)
			s.send(response("413 Content Too Large", ""))
			s.close()
			p.pause() // the reset is there
			c.expect(response("413 Content Too Large", ""))
			c.recvError()
		}},
	}
}
