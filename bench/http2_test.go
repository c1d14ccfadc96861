package main

import (
	"io"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/sys/unix"
)

func TestNghttpdCount(t *testing.T) {
	n := new(nghttpd)
	for _, test := range []struct {
		received, want uint64
		ok             bool
	}{
		{0, 0, true},
		{97, 4, true}, // half of the opening
		{100*http2RequestBytes + 13, 100, true},
		{100*http2RequestBytes + 2, 100, true}, // the acknowledgement is behind them
		{5000*http2RequestBytes + 13, 5000, true},
		{5000*http2RequestBytes + 14, 0, false},
		{0, 0, true}, // the next connection
		{300*http2RequestBytes + 13, 300, true},
		{301*http2RequestBytes + 12, 0, false},
	} {
		if got, err := n.count(test.received); got != test.want || (err == nil) != test.ok {
			t.Errorf("%d bytes: %d, %v, want %d", test.received, got, err, test.want)
		}
	}
}

func TestReceivedBytes(t *testing.T) {
	pidfd, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(pidfd) }()
	check := func(want uint64) {
		t.Helper()
		if got, err := receivedBytes(os.Getpid(), pidfd); err != nil || got != want {
			t.Errorf("%d bytes, %v, want %d", got, err, want)
		}
	}
	check(0)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	check(0) // a socket, and no connection
	// The other end is another process, so that this one has one connection.
	peer := exec.CommandContext(t.Context(), "bash", "-c", `exec 3<>"/dev/tcp/127.0.0.1/$1"; printf %1234s x >&3; read -r -u 3; printf yz >&3; read -r -u 3`,
		"peer", port(t, l))
	if err := peer.Start(); err != nil {
		t.Fatal(err)
	}
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 1234)); err != nil {
		t.Fatal(err)
	}
	check(1234)
	if _, err := c.Write([]byte("\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 2)); err != nil {
		t.Fatal(err)
	}
	check(1236)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	_ = peer.Wait() // its last read has failed
	check(0)
}

func port(t *testing.T, l net.Listener) string {
	t.Helper()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// The count of requests rests on what h2load sends.
func TestH2loadRequests(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	const requests = 50
	load := exec.CommandContext(t.Context(), "h2load", "-t1", "-c1", "-m50", "-D24h", "http://"+l.Addr().String()+http2Path)
	if err := load.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = load.Process.Kill()
		_ = load.Wait()
	}()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	framer := http2.NewFramer(c, c)
	if err := framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, len(http2.ClientPreface))); err != nil {
		t.Fatal(err)
	}
	opening := len(http2.ClientPreface)
	for seen := 0; seen < requests; {
		f, err := framer.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		length := 9 + int(f.Header().Length)
		switch _, isRequest := f.(*http2.HeadersFrame); {
		case isRequest && seen > 0:
			seen++
			if length != http2RequestBytes {
				t.Fatalf("request %d has %d bytes", seen, length)
			}
		case seen > 0:
			t.Fatalf("%s between requests", f.Header())
		default:
			opening += length
			if isRequest {
				seen++
			}
		}
	}
	if opening > http2OpeningBytes-http2Most*http2RequestBytes-9 { // without the acknowledgement
		t.Errorf("the opening has %d bytes", opening)
	}
}
