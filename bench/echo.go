package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// echoCommand is the argument that makes the benchmark's binary an echo server.
const echoCommand = "echo-server"

// serveEcho answers `METHOD /STATUS/DELAY` with that status, after that delay. Its standard
// output gets the address that it listens on.
func serveEcho(out io.Writer) error {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out, l.Addr()); err != nil {
		return err
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go echo(conn)
	}
}

func echo(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		status, wait, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		delay, err := time.ParseDuration(wait)
		if err != nil {
			return
		}
		time.Sleep(delay)
		if _, err := fmt.Fprintf(conn, "HTTP/1.1 %s Told\r\nContent-Length: 0\r\n\r\n", status); err != nil {
			return
		}
	}
}

// startEcho starts an echo server as a process and returns its address.
func (b *bench) startEcho(ctx context.Context) (*child, string, error) {
	executable, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	out, in, err := os.Pipe()
	if err != nil {
		return nil, "", err
	}
	defer out.Close()
	defer in.Close()
	cmd := exec.CommandContext(context.WithoutCancel(ctx), executable, echoCommand) // ended by stop
	cmd.Stdout = in
	c, err := b.starter.start("echo server", cmd, anyCPU)
	if err != nil {
		return nil, "", err
	}
	in.Close() // so that the end of the child ends the reading
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		c.stop(syscall.SIGTERM)
		return nil, "", c.failure()
	}
	return c, strings.TrimSpace(line), nil
}

// Methods of which each makes a series; what Fathom does not know becomes OTHER. CONNECT is
// missing because a 2xx to it ends HTTP on that connection.
var echoMethods = []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "PROPFIND"}

// kind is a method and a status: a series of the server, and one of the client.
type kind struct {
	method string
	status int
}

// kinds returns the first n combinations; n is at most 3,600.
func kinds(n int) []kind {
	var out []kind
	for status := 200; status < 600; status++ {
		for _, method := range echoMethods {
			out = append(out, kind{method, status})
		}
	}
	return out[:n]
}

// fillSeries makes 2n series: requests of n kinds, eight of each with times of 50 us to
// 50 ms, so that a series has several buckets that are not empty.
func fillSeries(ctx context.Context, address string, n int) error {
	const each, connections = 8, 32
	todo := make(chan kind)
	group, ctx := errgroup.WithContext(ctx)
	for range connections {
		group.Go(func() error { return askEcho(ctx, address, todo) })
	}
	group.Go(func() error {
		defer close(todo)
		for range each {
			for _, k := range kinds(n) {
				select {
				case todo <- k:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		}
		return nil
	})
	return group.Wait()
}

func askEcho(ctx context.Context, address string, todo <-chan kind) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	for k := range todo {
		delay := time.Duration(50e3 * pow10(3*rand.Float64())) //nolint:gosec // no secret
		if _, err := fmt.Fprintf(conn, "%s /%d/%s HTTP/1.1\r\nHost: bench\r\n\r\n", k.method, k.status, delay); err != nil {
			return err
		}
		r, err := http.ReadResponse(in, &http.Request{Method: k.method})
		if err != nil {
			return fmt.Errorf("%s, status %d: %w", k.method, k.status, err)
		}
		r.Body.Close()
	}
	return nil
}
