package integration

import "fmt"

// piecePaths cut requests and responses where no parser wants them cut.
func piecePaths() []path {
	var paths []path
	add := func(name string, send func(sock, string), recv func(sock, string)) {
		paths = append(paths, path{name: name, want: "3 GET 200, POST 404", run: func(p *pair) {
			c, s := p.connect()
			for _, x := range [][2]string{{get, ok}, {get, ok}, {post, response("404 No", "none")}, {get, ok}} {
				send(c, x[0])
				recv(s, x[0])
				send(s, x[1])
				recv(c, x[1])
			}
		}})
	}
	whole := func(s sock, data string) { s.send(data) }
	expect := func(s sock, want string) { s.expect(want) }
	for n := 1; n <= 20; n++ {
		sendFirst := func(s sock, data string) { s.send(data[:n]); s.send(data[n:]) }
		recvFirst := func(s sock, want string) { s.expect(want[:n]); s.expect(want[n:]) }
		add(fmt.Sprintf("first %d bytes apart, written", n), sendFirst, expect)
		add(fmt.Sprintf("first %d bytes apart, read", n), whole, recvFirst)
		add(fmt.Sprintf("in pieces of %d, both", n), pieceSender(n), pieceReceiver(n))
	}
	add("first byte read ahead", whole, func(s sock, want string) {
		s.expect(want[:1]) // as Go's net/http does while a handler runs
		s.expect(want[1:])
	})
	paths = append(paths, interleaved())
	return paths
}

// pieceSender writes the first 64 bytes in pieces of n.
func pieceSender(n int) func(sock, string) {
	return func(s sock, data string) {
		for i := 0; i < 64 && len(data) > n; i += n {
			s.send(data[:n])
			data = data[n:]
		}
		s.send(data)
	}
}

func pieceReceiver(n int) func(sock, string) {
	return func(s sock, want string) {
		for i := 0; i < 64 && len(want) > n; i += n {
			s.expect(want[:n])
			want = want[n:]
		}
		s.expect(want)
	}
}

// interleaved is the case of Go's net/http: the next request's first byte is read while
// the response to the one before is still being written.
func interleaved() path {
	return path{name: "next request read before the response is complete", want: "2 GET 200", run: func(p *pair) {
		c, s := p.connect()
		c.send(get)
		s.expect(get)
		s.send(ok[:30])
		c.expect(ok[:30])
		s.send(ok[30:])
		c.expect(ok[30:])
		c.send(get)
		s.expect(get[:1])
		s.expect(get[1:])
		s.send(ok)
		c.expect(ok)
	}}
}
