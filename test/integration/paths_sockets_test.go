package integration

import (
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// socketPaths are kinds of sockets and ways to open them.
func socketPaths() []path {
	paths := []path{
		{name: "fast open", want: "2 GET 200", run: func(p *pair) {
			p.inNetns("fastopen", func(ns *netns) { ns.sysctl(p, "net.ipv4.tcp_fastopen", "1543") }) // both ends, no cookies
			l := p.server.listen("", Opt{unix.IPPROTO_TCP, unix.TCP_FASTOPEN, 16})
			for range 2 {
				r := p.client.must("Dial", Call{Addr: l.addr, Data: []byte(get)})
				c, s := sock{p: p.client, fd: r.FD}, l.accept()
				p.dialed++
				p.accepted++
				s.expect(get)
				s.send(ok)
				c.expect(ok)
				p.exchange(c, s, get, ok)
			}
		}, server: "4 GET 200", client: "4 GET 200"},
		{name: "fast open, connect first", want: "GET 200", run: func(p *pair) {
			p.inNetns("fastopen2", func(ns *netns) { ns.sysctl(p, "net.ipv4.tcp_fastopen", "1543") })
			l := p.server.listen("", Opt{unix.IPPROTO_TCP, unix.TCP_FASTOPEN, 16})
			c := p.client.dial(l.addr, Opt{unix.IPPROTO_TCP, unix.TCP_FASTOPEN_CONNECT, 1})
			c.send(get) // the SYN leaves only now
			s := l.accept()
			p.dialed, p.accepted = 1, 1
			s.expect(get)
			s.send(ok)
			c.expect(ok)
		}},
		{name: "deferred accept", want: "2 GET 200", run: func(p *pair) {
			l := p.server.listen("", Opt{unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, 5})
			for range 2 {
				c := p.client.dial(l.addr)
				c.send(get)
				s := l.accept()
				p.dialed++
				p.accepted++
				s.expect(get)
				s.send(ok)
				c.expect(ok)
			}
		}},
		{name: "request waits for accept", want: "GET 200", run: func(p *pair) {
			l := p.listener()
			c := p.client.dial(l.addr)
			c.send(get)
			p.pause()
			s := l.accept()
			p.dialed, p.accepted = 1, 1
			s.expect(get)
			s.send(ok)
			c.expect(ok)
		}},
		{name: "ipv6", want: "2 GET 200", run: func(p *pair) {
			c, s := p.connectTo(p.server.listen("[::1]:0"))
			p.exchange(c, s, get, ok)
			p.exchange(c, s, get, ok)
		}},
		{name: "ipv4 client, ipv6 listener", want: "2 GET 200", run: func(p *pair) {
			l := p.server.listen("[::]:0")
			l.addr = "127.0.0.1" + l.addr[strings.LastIndex(l.addr, ":"):]
			c, s := p.connectTo(l)
			p.exchange(c, s, get, ok)
			p.exchange(c, s, get, ok)
		}},
		{name: "mapped client, ipv4 listener", want: "2 GET 200", run: func(p *pair) {
			l := p.listener()
			l.addr = "[::ffff:127.0.0.1]" + l.addr[strings.LastIndex(l.addr, ":"):]
			c, s := p.connectTo(l)
			p.exchange(c, s, get, ok)
			p.exchange(c, s, get, ok)
		}},
		{name: "mptcp", way: "MPTCP", want: "2 GET 200", partly: true, needs: noMPTCP, but: []short{{
			at: anywhere, why: "MPTCP is told from TCP, and not read", server: "-", client: "-", classes: "mptcp"}}, run: func(p *pair) {
			l := p.server.listenCall(Call{N: 16, Proto: unix.IPPROTO_MPTCP})
			r := p.client.must("Dial", Call{Addr: l.addr, Proto: unix.IPPROTO_MPTCP})
			c, s := sock{p: p.client, fd: r.FD}, l.accept()
			p.dialed, p.accepted = 1, 1
			p.exchange(c, s, get, ok)
			p.exchange(c, s, get, ok)
		}},
		{name: "mptcp listener, tcp client", way: "TCP to an MPTCP listener (Go's default)", want: "2 GET 200", needs: noMPTCP, run: func(p *pair) {
			l := p.server.listenCall(Call{N: 16, Proto: unix.IPPROTO_MPTCP})
			c, s := p.connectTo(l) // falls back: the accepted socket is plain TCP
			p.exchange(c, s, get, ok)
			p.exchange(c, s, get, ok)
		}},
		{name: "kTLS", way: "kTLS", want: "2 GET 200", needs: noKTLS, partly: true, run: func(p *pair) {
			c, s := p.connect()
			for _, end := range []sock{c, s} {
				end.p.must("KTLS", Call{FD: end.fd})
			}
			p.exchange(c, s, get, ok)
			p.exchange(c, s, get, ok)
		}},
		{name: "small buffers", want: "2 POST 200", run: func(p *pair) {
			l := p.server.listen("", Opt{unix.SOL_SOCKET, unix.SO_RCVBUF, 1}, Opt{unix.SOL_SOCKET, unix.SO_SNDBUF, 1})
			c, s := p.connectTo(l, Opt{unix.SOL_SOCKET, unix.SO_SNDBUF, 1}, Opt{unix.SOL_SOCKET, unix.SO_RCVBUF, 1})
			for range 2 {
				head, body := upload(100_000)
				p.transfer(c, s, head+body)
				p.transfer(s, c, response("200 OK", body))
			}
		}},
		{name: "socket used again after a disconnect", want: "2 GET 200", run: func(p *pair) {
			c, s := p.connect()
			p.exchange(c, s, get, ok)
			p.client.must("Redial", Call{FD: c.fd, Addr: p.listener().addr})
			s = p.listener().accept()
			p.dialed++
			p.accepted++
			p.exchange(c, s, get, ok)
		}},
	}
	return paths
}

func noMPTCP(place) string {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP)
	if err != nil {
		return "MPTCP is not in this kernel"
	}
	_ = unix.Close(fd)
	return ""
}

func noKTLS(place) string {
	b, err := os.ReadFile("/proc/sys/net/ipv4/tcp_available_ulp")
	if err != nil || !slices.Contains(strings.Fields(string(b)), "tls") {
		return "kTLS is not in this kernel"
	}
	return ""
}

// inNetns moves the pair into a network namespace of its own: new helpers replace
// those that were started.
func (p *pair) inNetns(name string, prepare func(*netns)) {
	p.Helper()
	ns := newNetns(p.T, name)
	prepare(ns)
	for _, h := range p.helpers {
		h.stop()
	}
	p.startHelpers(ns)
}
