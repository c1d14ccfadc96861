package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// Arguments that make the benchmark's binary either end of connections of no known protocol.
const (
	unknownServerCommand = "unknown-server"
	unknownClientCommand = "unknown-client"
)

func startUnknown(ctx context.Context, b *bench) (server, error) {
	executable, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return startCounting(ctx, b, "unknown server", executable, unknownServerCommand)
}

func unknownClient(ctx context.Context, b *bench, s server) ([]client, error) {
	executable, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), executable, unknownClientCommand, strings.TrimPrefix(s.url(""), "http://")) // ended by end
	c, err := b.starter.start("unknown client", cmd, b.clientCPU)
	return oneClient(tool{c}, err)
}

// serveUnknown echoes what it gets at address, and tells how many messages on the Unix socket.
func serveUnknown(address, socket string) error {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", address)
	if err != nil {
		return err
	}
	status, err := new(net.ListenConfig).Listen(context.Background(), "unix", socket)
	if err != nil {
		return err
	}
	var messages atomic.Uint64
	var group errgroup.Group
	group.Go(func() error {
		return acceptAll(l, func(c net.Conn) error { return echoUnknown(c, &messages) })
	})
	group.Go(func() error {
		return acceptAll(status, func(c net.Conn) error { return tellCount(c, &messages) })
	})
	return group.Wait()
}

// acceptAll serves each connection in a goroutine of its own; what ends one connection does not end the others.
func acceptAll(l net.Listener, serve func(net.Conn) error) error {
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			_ = serve(c) // the client has gone
		}()
	}
}

func echoUnknown(c net.Conn, messages *atomic.Uint64) error {
	message := make([]byte, unknownEchoLength)
	for {
		if _, err := io.ReadFull(c, message); err != nil {
			return err
		}
		messages.Add(1)
		if _, err := c.Write(message); err != nil {
			return err
		}
	}
}

func tellCount(c net.Conn, messages *atomic.Uint64) error {
	for lines := bufio.NewReader(c); ; {
		if _, err := lines.ReadString('\n'); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(c, messages.Load()); err != nil {
			return err
		}
	}
}

// askUnknown sends random bytes over many connections and waits for each echo; it ends with an error only.
func askUnknown(address string) error {
	var group errgroup.Group
	for range unknownClients {
		group.Go(func() error { return askUnknownOnce(address) })
	}
	return group.Wait()
}

func askUnknownOnce(address string) error {
	c, err := new(net.Dialer).DialContext(context.Background(), "tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	messages := make([]byte, 16*unknownEchoLength)
	_, _ = rand.Read(messages) // never fails
	// Neither text nor the first byte of a TLS record, of HTTP/2, or of a binary protocol's length.
	messages[0] |= 0xe0
	echo := make([]byte, unknownEchoLength)
	for at := 0; ; at = (at + unknownEchoLength) % len(messages) {
		message := messages[at : at+unknownEchoLength]
		if _, err := c.Write(message); err != nil {
			return err
		}
		if _, err := io.ReadFull(c, echo); err != nil {
			return err
		}
		if string(echo) != string(message) {
			return errors.New("the echo differs")
		}
	}
}
