package integration

// abortPaths end before a response did.
func abortPaths() []path {
	return []path{
		{name: "client closes before the response", want: "GET aborted", run: func(p *pair) {
			c, s := p.connect()
			c.send(get)
			s.expect(get)
			c.close()
			s.recvEOF()
			s.close()
		}},
		{name: "client resets before the response", want: "GET aborted", run: func(p *pair) {
			c, s := p.connect()
			c.send(get)
			s.expect(get)
			c.reset()
			s.recvError()
			s.close()
		}},
		{name: "server closes without a response", want: "POST aborted", run: func(p *pair) {
			c, s := p.connect()
			c.send(post)
			s.expect(post)
			s.close()
			c.recvEOF()
			c.close()
		}},
		{name: "server resets without a response", want: "GET aborted", run: func(p *pair) {
			c, s := p.connect()
			c.send(get)
			s.expect(get)
			s.reset()
			c.recvError()
			c.close()
		}},
		{name: "server dies", want: "GET 200, GET aborted", run: func(p *pair) {
			c, s := p.connect()
			p.exchange(c, s, get, ok)
			c.send(get)
			s.expect(get)
			p.server.kill()
			c.recvEOF()
		}},
		{name: "client dies", want: "GET 200, GET aborted", run: func(p *pair) {
			c, s := p.connect()
			p.exchange(c, s, get, ok)
			c.send(get)
			s.expect(get)
			p.client.kill()
			s.recvEOF()
		}},
		{name: "closed in the middle of an upload", want: "POST aborted", run: func(p *pair) {
			c, s := p.connect()
			head, body := upload(3000)
			c.send(head + body[:1000])
			s.expect(head + body[:1000])
			c.close()
			s.recvEOF()
		}},
		{name: "closed in the middle of a response", want: "GET 200", run: func(p *pair) {
			c, s := p.connect()
			c.send(get)
			s.expect(get)
			s.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")
			s.close()
			c.expect("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")
			c.recvEOF()
		}},
		{name: "closed after an interim response", want: "POST aborted", run: func(p *pair) {
			c, s := p.connect()
			p.exchange(c, s, expectContinue, interim100)
			s.close()
			c.recvEOF()
		}},
		{name: "closed within the response's head", want: "GET aborted", run: func(p *pair) {
			c, s := p.connect()
			c.send(get)
			s.expect(get)
			s.send("HTTP/1.1 2")
			c.expect("HTTP/1.1 2")
			s.close()
			c.recvEOF()
		}},
		{name: "request written into a closed connection", server: "-", client: "GET aborted", classes: "idle; http1", partly: true, run: func(p *pair) {
			c, s := p.connect()
			s.close()
			c.send(get)
			c.recvEOF()
		}},
		{name: "keep-alive connection closed by the server", want: "GET 200", run: func(p *pair) {
			c, s := p.connect()
			p.exchange(c, s, get, ok)
			s.close()
			c.recvEOF()
		}},
		{name: "aborted, then the next one", want: "GET aborted, GET 200", run: func(p *pair) {
			c, s := p.connect()
			c.send(get)
			s.expect(get)
			c.reset()
			s.recvError()
			s.close()
			c, s = p.connect()
			p.exchange(c, s, get, ok)
		}},
	}
}
