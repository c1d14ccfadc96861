package integration

// otherPaths are connections that carry something else than HTTP/1.
func otherPaths() []path {
	talk := func(lines ...string) func(*pair) {
		return func(p *pair) {
			c, s := p.connect()
			for i := 0; i+1 < len(lines); i += 2 {
				p.exchange(c, s, lines[i], lines[i+1])
			}
		}
	}
	return []path{
		{name: "tls", class: "tls", run: talk(clientHello, serverHello, "\x17\x03\x03\x00\x05hello", "\x17\x03\x03\x00\x05world")},
		{name: "tls, byte by byte", class: "tls", run: func(p *pair) {
			c, s := p.connect()
			for i := range 16 {
				c.send(clientHello[i : i+1])
				s.expect(clientHello[i : i+1])
			}
			c.send(clientHello[16:])
			s.expect(clientHello[16:])
			s.send(serverHello)
			c.expect(serverHello)
		}},
		{name: "http 2", class: "http2", run: talk(http2Preface+"\x00\x00\x00\x04\x00\x00\x00\x00\x00", "\x00\x00\x00\x04\x00\x00\x00\x00\x00")},
		{name: "http 2, byte by byte", class: "http2", run: func(p *pair) {
			c, s := p.connect()
			for i := range http2Preface {
				c.send(http2Preface[i : i+1])
				s.expect(http2Preface[i : i+1])
			}
			s.send("\x00\x00\x00\x04\x00\x00\x00\x00\x00")
			c.expect("\x00\x00\x00\x04\x00\x00\x00\x00\x00")
		}},
		{name: "redis", class: "redis", want: "PING ok, GET ok", run: talk("*1\r\n$4\r\nPING\r\n", "+PONG\r\n", "*2\r\n$3\r\nGET\r\n$1\r\na\r\n", "$-1\r\n")},
		{name: "redis inline, which starts like a method", class: "other", run: talk("GET a\r\n", "$-1\r\n", "GET b\r\n", "$-1\r\n")},
		{name: "server speaks first", class: "other", run: talk("", "220 it ESMTP\r\n", "EHLO it\r\n", "250 it\r\n")},
		{name: "server speaks first, like HTTP", class: "other", run: func(p *pair) {
			c, s := p.connect()
			s.send(ok)
			c.expect(ok)
			p.exchange(c, s, "fine\r\n", "so it is\r\n")
		}},
		{name: "random bytes", class: "other", run: talk("\x00\x01\x02\x03\xff\xfe", "\xde\xad\xbe\xef", "GETx", "HTTQ")},
		{name: "binary, a byte at a time", class: "other", run: talk("\x00", "\x01", "\x02", "\x03", "\x04", "\x05")},
		{name: "idle", class: "idle", run: func(p *pair) { p.connect() }},
		{name: "idle, closed by the client", class: "idle", run: func(p *pair) {
			c, s := p.connect()
			c.close()
			s.recvEOF()
		}},
		{name: "each in its own class", classes: "2 http1, tls, http2, redis, 3 idle", want: "2 GET 200, PING ok", run: func(p *pair) {
			for _, lines := range [][]string{
				{get, ok}, {clientHello, serverHello}, {get, ok}, {http2Preface, "\x00\x00\x00\x04\x00\x00\x00\x00\x00"},
				{"*1\r\n$4\r\nPING\r\n", "+PONG\r\n"}, {}, {}, {},
			} {
				talk(lines...)(p)
			}
		}},
	}
}

const (
	http2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	clientHello  = "\x16\x03\x01\x00\x10\x01\x00\x00\x0c\x03\x03abcdefghij"
	serverHello  = "\x16\x03\x03\x00\x10\x02\x00\x00\x0c\x03\x03abcdefghij"
)
