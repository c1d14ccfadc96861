package kernel

import (
	"bytes"
	"net"
	"strings"
	"testing"
)

// TestHeadLengths has requests with heads of every length up to a few of the chunks in which the
// programs look for their end: each must be found, or the next request would be taken for its rest.
func TestHeadLengths(t *testing.T) {
	k := openKernel(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go answer(l)
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	const most = 300
	var requests uint64
	buffer := make([]byte, 128)
	for n := range most {
		request := "GET / HTTP/1.1\r\nA:" + strings.Repeat("b", n) + "\r\n\r\n"
		if _, err := c.Write([]byte(request)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(buffer); err != nil {
			t.Fatal(err)
		}
		requests++
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, k, requests)
}

// answer answers whatever comes on one connection, read by read.
func answer(l net.Listener) {
	c, err := l.Accept()
	if err != nil {
		return
	}
	defer c.Close()
	buffer := make([]byte, 4096)
	for {
		n, err := c.Read(buffer)
		if err != nil || !bytes.HasSuffix(buffer[:n], []byte("\r\n\r\n")) {
			return
		}
		if _, err := c.Write([]byte("HTTP/1.1 204 No Content\r\n\r\n")); err != nil {
			return
		}
	}
}
