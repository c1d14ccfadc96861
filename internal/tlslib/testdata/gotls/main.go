// Gotls moves bytes between both ends of a TLS connection in one process, and prints how often
// it called each method and how many bytes that said it moved:
//
//	gotls CERTIFICATE KEY ROUNDS
package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync/atomic"
)

type count struct{ calls, bytes int64 }

func (c *count) add(n int) {
	atomic.AddInt64(&c.calls, 1)
	atomic.AddInt64(&c.bytes, int64(n))
}

var reads, writes count

func main() {
	certificate, err := tls.LoadX509KeyPair(os.Args[1], os.Args[2])
	check(err)
	rounds, err := strconv.Atoi(os.Args[3])
	check(err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	near, err := net.Dial("tcp", l.Addr().String())
	check(err)
	far, err := l.Accept()
	check(err)
	client := tls.Client(near, &tls.Config{InsecureSkipVerify: true})
	server := tls.Server(far, &tls.Config{Certificates: []tls.Certificate{certificate}})

	echoed := make(chan bool)
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := server.Read(buf)
			reads.add(n)
			if err != nil {
				break
			}
			n, err = server.Write(buf[:n])
			writes.add(n)
			check(err)
		}
		echoed <- true
	}()
	all := make([]byte, 4096)
	for i := 0; i < rounds; i++ {
		buf := all[:1+i%2000]
		deep(i%200, func() { move(&writes, client.Write, buf) })
		for left := len(buf); left > 0; {
			deep(i%200, func() { left -= move(&reads, client.Read, buf) })
		}
	}
	check(client.Close())
	<-echoed
	check(server.Close())
	fmt.Printf("crypto/tls.(*Conn).Read %d %d\ncrypto/tls.(*Conn).Write %d %d\ncrypto/tls.(*Conn).Close 2 0\n",
		reads.calls, reads.bytes, writes.calls, writes.bytes)
}

func move(c *count, f func([]byte) (int, error), buf []byte) int {
	n, err := f(buf)
	c.add(n)
	check(err)
	return n
}

// deep calls f with that many frames below on a new stack, which is then full at one place or another.
func deep(frames int, f func()) {
	done := make(chan bool)
	go func() {
		down(frames, f)
		done <- true
	}()
	<-done
}

//go:noinline
func down(frames int, f func()) {
	var frame [32]byte
	if frames > 0 {
		down(frames-1, f)
	} else {
		f()
	}
	frame[frames%len(frame)] = 1
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
