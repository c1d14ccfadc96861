package integration

import (
	"fmt"
	"strings"
)

// callPaths use each system call that reads or writes sockets.
func callPaths() []path {
	var paths []path
	add := func(way, name string, send, recv how) {
		paths = append(paths, path{name: name, way: way, want: "2 GET 200, POST 200", run: func(p *pair) {
			c, s := p.connect()
			for _, request := range []string{get, post, get} {
				c.send(request, send)
				s.expect(request, recv)
				s.send(ok, send)
				c.expect(ok, recv)
			}
		}})
	}
	plain := how{}
	for _, name := range []string{"write", "sendto", "sendmsg", "writev", "pwritev2", "sendmmsg"} {
		add("heads: write, sendto, sendmsg, writev, pwritev2, sendmmsg", "written by "+name, via(name), plain)
	}
	for _, name := range []string{"read", "recv", "recvfrom", "recvmsg", "readv", "preadv2", "recvmmsg"} {
		add("heads: read, recv, recvfrom, recvmsg, readv, preadv2, recvmmsg", "read by "+name, plain, via(name))
	}
	for _, size := range []int{1, 2, 3, 5, 16} {
		iov := pieces(21, size)
		add("", fmt.Sprintf("writev of %d bytes each", size), via("writev", iov...), plain)
		add("", fmt.Sprintf("sendmsg of %d bytes each", size), via("sendmsg", iov...), plain)
		add("", fmt.Sprintf("readv of %d bytes each", size), plain, via("readv", iov...))
		add("", fmt.Sprintf("recvmsg of %d bytes each", size), plain, via("recvmsg", iov...))
	}
	for n := 2; n <= 20; n++ {
		add("", fmt.Sprintf("writev and readv of %d iovecs", n), via("writev", pieces(n, 1)...), via("readv", pieces(n, 1)...))
	}
	paths = append(paths, emptyIovecs(), chunksInIovecs(), path{
		name: "sendmmsg, the body in the second message", want: "POST 200", run: func(p *pair) {
			c, s := p.connect()
			c.send(post, via("sendmmsg", len(post)-4, 4))
			s.expect(post)
			s.send(ok, via("sendmmsg", len(ok)-2, 2))
			c.expect(ok)
		},
	}, path{
		name: "recvmmsg, the body in the second message", want: "POST 200", run: func(p *pair) {
			c, s := p.connect()
			c.send(post)
			s.expect(post, via("recvmmsg", len(post)-4, 4))
			s.send(ok)
			c.expect(ok, via("recvmmsg", len(ok)-2, 2))
		},
	})
	return paths
}

// emptyIovecs has iovecs of length 0 before and between the bytes.
func emptyIovecs() path {
	return path{name: "empty iovecs", want: "2 GET 200", run: func(p *pair) {
		c, s := p.connect()
		for range 2 {
			c.send(get, via("writev", 0, 0, 3, 0, 4, 0, 0))
			s.expect(get, via("readv", 0, 2, 0, 2, 0))
			s.send(ok, via("sendmsg", 0, 9, 0, 0, 3, 0))
			c.expect(ok, via("recvmsg", 0, 0, 1, 0))
		}
	}}
}

// chunksInIovecs has more chunks in one buffer than are followed at a time.
func chunksInIovecs() path {
	return path{name: "writev of 3,000 chunks and the next response", want: "2 GET 200", run: func(p *pair) {
		c, s := p.connect()
		first := chunkedHead + strings.Repeat("1\r\nb\r\n", 3000)
		second := "0\r\n\r\n" + ok
		c.send(get + get)
		s.expect(get + get)
		p.transferVia(s, c, first+second, via("writev", 0, len(first), 0, len(second)), how{})
	}}
}
