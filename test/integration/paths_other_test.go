package integration

import "strings"

// What is said before the protocol that a connection is for.
const (
	sslRequest      = "\x00\x00\x00\x08\x04\xd2\x16\x2f"
	gssRequest      = "\x00\x00\x00\x08\x04\xd2\x16\x30"
	mysqlGreeting   = "\x10\x00\x00\x00\x0a8.0.36\x00\x01\x00\x00\x00salt\x00"
	mysqlSSLRequest = "\x20\x00\x00\x01\x00\x0a\x00\x00" + "\x00\x00\x00\x01\x21" + "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	proxyHeader2    = "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x02\xdc\x04\x00\x50"

	connectRequest  = "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n"
	connectResponse = "HTTP/1.1 200 Connection established\r\n\r\n"
)

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
		{name: "http 2, an answer, and a CONTINUATION of nothing", class: "http2", want: "GET 200", lost: "2 invalid", run: talk(
			http2Preface+"\x00\x00\x00\x04\x00\x00\x00\x00\x00"+
				"\x00\x00\x06\x01\x05\x00\x00\x00\x01\x82\x84\x86\x41\x01a"+"\x00\x00\x06\x01\x05\x00\x00\x00\x03\x82\x84\x86\x41\x01a",
			"\x00\x00\x00\x04\x00\x00\x00\x00\x00"+"\x00\x00\x01\x01\x05\x00\x00\x00\x01\x88"+"\x00\x00\x01\x09\x04\x00\x00\x00\x03\x88")},
		{name: "redis", class: "redis", want: "PING ok, GET ok", run: talk("*1\r\n$4\r\nPING\r\n", "+PONG\r\n", "*2\r\n$3\r\nGET\r\n$1\r\na\r\n", "$-1\r\n")},
		{name: "redis inline, which starts like a method", class: "other", run: talk("GET a\r\n", "$-1\r\n", "GET b\r\n", "$-1\r\n")},
		{name: "server speaks first", class: "other", run: talk("", "220 it ESMTP\r\n", "EHLO it\r\n", "250 it\r\n")},
		{name: "server speaks first, like HTTP", class: "other", run: func(p *pair) {
			c, s := p.connect()
			s.send(ok)
			c.expect(ok)
			p.exchange(c, s, "fine\r\n", "so it is\r\n")
		}},
		{name: "server speaks first, in pieces", class: "other", run: func(p *pair) {
			c, s := p.connect()
			for _, piece := range []string{"22", "0 it ESM", "TP\r\n"} {
				s.send(piece)
				c.expect(piece)
			}
			p.exchange(c, s, "EHLO it\r\n", "250 it\r\n")
		}},
		{name: "TLS behind PostgreSQL's SSLRequest", class: "tls", run: talk(sslRequest, "S", clientHello, serverHello)},
		{name: "TLS behind GSSENCRequest and SSLRequest", class: "tls", run: talk(gssRequest, "N", sslRequest, "S", clientHello, serverHello)},
		{name: "TLS behind SSLRequest, byte by byte", class: "tls", run: func(p *pair) {
			c, s := p.connect()
			for i := range sslRequest {
				c.send(sslRequest[i : i+1])
				s.expect(sslRequest[i : i+1])
			}
			s.send("S")
			c.expect("S")
			p.exchange(c, s, clientHello, serverHello)
		}},
		{name: "SSLRequest refused", class: "other", run: talk(sslRequest, "N", "\x00\x00\x00\x09\x00\x03\x00\x00\x00", "R\x00\x00\x00\x08\x00\x00\x00\x00")},
		{name: "TLS behind MySQL's SSLRequest", class: "tls", run: talk("", mysqlGreeting, mysqlSSLRequest, "", clientHello, serverHello)},
		{name: "TLS behind MySQL's SSLRequest, its head apart", class: "tls", run: func(p *pair) {
			c, s := p.connect()
			s.send(mysqlGreeting)
			c.expect(mysqlGreeting)
			c.send(mysqlSSLRequest)
			s.expect(mysqlSSLRequest[:4])
			s.expect(mysqlSSLRequest[4:])
			p.exchange(c, s, clientHello, serverHello)
		}},
		{name: "MySQL without TLS", class: "other", run: talk("", mysqlGreeting, "\x07\x00\x00\x01\x05\x00\x00\x00a\x00\x00", "\x02\x00\x00\x02\x00\x00")},
		{name: "PROXY header", want: "GET 200", run: talk("PROXY TCP4 192.0.2.1 192.0.2.2 5 80\r\n"+get, ok)},
		{name: "PROXY header in calls of its own", want: "2 GET 200", run: func(p *pair) {
			c, s := p.connect()
			for _, piece := range []string{"PROXY TCP6 2001:db8::", "1 2001:db8::2 5 80\r\n"} {
				c.send(piece)
				s.expect(piece)
			}
			p.exchange(c, s, get, ok)
			p.exchange(c, s, get, ok)
		}},
		{name: "PROXY header, version 2, byte by byte", want: "GET 200", run: func(p *pair) {
			c, s := p.connect()
			for i := range proxyHeader2 {
				c.send(proxyHeader2[i : i+1])
				s.expect(proxyHeader2[i : i+1])
			}
			p.exchange(c, s, get, ok)
		}},
		{name: "PROXY header in front of Redis", class: "redis", want: "PING ok", run: talk(proxyHeader2+"*1\r\n$4\r\nPING\r\n", "+PONG\r\n")},
		{name: "PROXY header in front of TLS", class: "tls", run: talk(proxyHeader2+clientHello, serverHello)},
		{name: "like a PROXY header, without an end", class: "other", run: talk("PROXY TCP4 "+strings.Repeat("1", 200)+"\r\n", "?", get, "?")},
		{name: "CONNECT, and HTTP in the tunnel", want: "CONNECT 200, GET 200", run: talk(connectRequest, connectResponse, get, ok)},
		{name: "CONNECT, and TLS in the tunnel", classes: "http1", want: "CONNECT 200", run: talk(connectRequest, connectResponse, clientHello, serverHello, "\x17\x03\x03\x00\x05hello", "\x17\x03\x03\x00\x05world")},
		{name: "CONNECT, and the server speaks first in the tunnel", classes: "http1", want: "CONNECT 200", run: talk(connectRequest, connectResponse+"SSH-2.0-a\r\n", "SSH-2.0-b\r\n", "")},
		{name: "CONNECT, and nothing in the tunnel", classes: "http1", want: "CONNECT 200", run: talk(connectRequest, connectResponse)},
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
