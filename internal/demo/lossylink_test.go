package demo

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"testing"
	"time"
)

func TestFreeSubnet(t *testing.T) {
	tests := []struct {
		pid       int
		near, far string
	}{
		{0, "198.19.0.1/30", "198.19.0.2/30"},
		{1, "198.19.0.5/30", "198.19.0.6/30"},
		{16383, "198.19.255.253/30", "198.19.255.254/30"},
		{16384, "198.19.0.1/30", "198.19.0.2/30"},
		{4194304, "198.19.0.1/30", "198.19.0.2/30"},
	}
	for _, tt := range tests {
		t.Run(strconv.Itoa(tt.pid), func(t *testing.T) {
			near, far, err := freeSubnet(tt.pid)
			if err != nil || near.String() != tt.near || far.String() != tt.far {
				t.Errorf("got %s, %s, %v, want %s, %s", near, far, err, tt.near, tt.far)
			}
		})
	}
}

// TestLossyLink sends data to the far end and compares the share of dropped packets
// with the share that was asked for.
func TestLossyLink(t *testing.T) {
	skipUnlessRoot(t)
	host := newThread()
	defer host.close()
	const share = 0.2
	l, err := newLossyLink(host, os.Getpid(), share)
	if err != nil {
		t.Fatal(err)
	}

	var server net.Listener
	err = l.inner.do(func() (err error) {
		server, err = net.Listen("tcp", netip.AddrPortFrom(l.addr, 0).String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		if c, err := server.Accept(); err == nil {
			_, _ = io.Copy(io.Discard, c)
			_ = c.Close()
		}
	}()
	c, err := net.DialTimeout("tcp", server.Addr().String(), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	const size = 1 << 20
	if _, err := c.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Fatalf("waiting for the far end to have read everything: %v", err)
	}
	_ = c.Close()
	_ = server.Close()

	s, err := l.drops.stats()
	if err != nil {
		t.Fatal(err)
	}
	checkShare(t, "dropped packets", s.Dropped, s.Packets, share)
	if s.Packets < size/1460 {
		t.Errorf("%d packets for %d bytes: they were not counted one by one", s.Packets, size)
	}
	if err := l.close(); err != nil {
		t.Error(err)
	}
	if _, err := net.InterfaceByName("fathom" + strconv.Itoa(os.Getpid())); err == nil {
		t.Error("the veth pair is still there")
	}
}
