package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	http2Path = "/hello"
	// What h2load sends for each request but the first of a connection: the frame's head (9 bytes), :path, which nghttp2
	// never adds to the table (7), and :method, :scheme, :authority and user-agent by their indexes.
	http2RequestBytes = 9 + 7 + 4
	// The most requests in flight.
	http2Most = 100
	// More than preface, settings, their acknowledgement and the first request. The acknowledgement may come behind all
	// requests that are in flight at first.
	http2OpeningBytes = 200 + http2Most*http2RequestBytes
)

// nghttpd is a [server] that does not count. The kernel does it for it: it knows how many bytes have arrived at a
// connection, and all requests of h2load but the first have the same length.
type nghttpd struct {
	*child
	address string
	dir     string
	pidfd   int
	rest    uint64 // of the bytes of a connection, by http2RequestBytes; set once it is known
	settled bool
}

func startNghttpd(ctx context.Context, b *bench) (server, error) {
	dir, err := os.MkdirTemp("", "fathom-bench-")
	if err != nil {
		return nil, err
	}
	n := &nghttpd{dir: dir, pidfd: -1}
	if err := n.start(ctx, b); err != nil {
		n.stop()
		return nil, err
	}
	return n, nil
}

func (n *nghttpd) start(ctx context.Context, b *bench) (err error) {
	if err := os.WriteFile(filepath.Join(n.dir, http2Path), []byte("hello\n"), 0o600); err != nil {
		return err
	}
	if n.address, err = freeAddress(ctx); err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(n.address)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), "nghttpd", "--no-tls", "--address="+host, "--htdocs="+n.dir, port) //nolint:gosec // an address of ours
	if n.child, err = b.starter.start("nghttpd", cmd, b.serverCPU); err != nil {
		return err
	}
	if n.pidfd, err = unix.PidfdOpen(n.pid(), 0); err != nil {
		return fmt.Errorf("open nghttpd's process: %w", err)
	}
	return poll(ctx, n.child, func() error { return n.try(ctx) })
}

// try asks for the file once: under load nobody looks at the statuses.
func (n *nghttpd) try(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, "h2load", "-n1", n.url(http2Path)).CombinedOutput() //nolint:gosec // an address of ours
	if err == nil && !strings.Contains(string(out), "status codes: 1 2xx") {
		err = fmt.Errorf("h2load says\n%s", out)
	}
	return err
}

func (n *nghttpd) url(path string) string { return "http://" + n.address + path }

func (n *nghttpd) stop() {
	if n.child != nil {
		n.child.stop(syscall.SIGTERM)
	}
	if n.pidfd >= 0 {
		_ = unix.Close(n.pidfd)
	}
	_ = os.RemoveAll(n.dir)
}

// requests returns how many requests have come over the connection that is open, 0 without one, and some more of each
// connection for its opening: it is the difference of two that counts.
func (n *nghttpd) requests() (uint64, error) {
	received, err := receivedBytes(n.pid(), n.pidfd)
	if err != nil {
		return 0, fmt.Errorf("read how much nghttpd has got: %w", err)
	}
	return n.count(received)
}

// count fails if what arrives does not consist of requests of the length that it takes them to have.
func (n *nghttpd) count(received uint64) (uint64, error) {
	rest := received % http2RequestBytes
	switch {
	case received <= http2OpeningBytes:
	case !n.settled:
		n.rest, n.settled = rest, true
	case rest != n.rest:
		return 0, fmt.Errorf("h2load has sent %d bytes: its requests do not have %d bytes each", received, http2RequestBytes)
	}
	return received / http2RequestBytes, nil
}

// receivedBytes returns how many bytes have arrived at the established TCP connection of a process, 0 if it has
// none.
func receivedBytes(pid, pidfd int) (uint64, error) {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	var received uint64
	connections := 0
	for _, e := range entries {
		target, _ := os.Readlink(filepath.Join(dir, e.Name())) // no target: it was closed in between
		if !strings.HasPrefix(target, "socket:") {
			continue
		}
		fd, err := strconv.Atoi(e.Name())
		if err != nil {
			return 0, err
		}
		info, err := tcpInfo(pidfd, fd)
		if err != nil {
			return 0, err
		}
		if info != nil && info.State == unix.BPF_TCP_ESTABLISHED {
			connections++
			received = info.Bytes_received
		}
	}
	if connections > 1 {
		return 0, fmt.Errorf("it has %d connections instead of one", connections)
	}
	return received, nil
}

// tcpInfo returns the kernel's account of a socket of another process; nil if it was closed or is none of TCP.
func tcpInfo(pidfd, fd int) (*unix.TCPInfo, error) {
	own, err := unix.PidfdGetfd(pidfd, fd, 0)
	if errors.Is(err, unix.EBADF) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("get a socket of the process: %w", err)
	}
	defer func() { _ = unix.Close(own) }() // at once, so that the end of the connection is the server's to make
	info, err := unix.GetsockoptTCPInfo(own, unix.IPPROTO_TCP, unix.TCP_INFO)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOPROTOOPT) {
		return nil, nil
	}
	return info, err
}

// h2load loads a server over one connection with so many requests in flight.
func h2load(inFlight int) func(context.Context, *bench, server) ([]client, error) {
	return func(ctx context.Context, b *bench, s server) ([]client, error) {
		// Ended by end.
		cmd := exec.CommandContext(context.WithoutCancel(ctx), "h2load", "-t1", "-c1", "-m"+strconv.Itoa(inFlight), "-D24h", s.url(http2Path)) //nolint:gosec // an address of ours
		c, err := b.starter.start("h2load", cmd, b.clientCPU)
		return oneClient(tool{c}, err)
	}
}
