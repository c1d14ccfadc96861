package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// redis is a Redis that keeps everything in memory.
type redis struct {
	*child
	address string
	dir     string
	status  net.Conn
	reader  *bufio.Reader
	polls   uint64
}

func startRedis(ctx context.Context, b *bench) (server, error) {
	dir, err := os.MkdirTemp("", "fathom-bench-")
	if err != nil {
		return nil, err
	}
	s := &redis{dir: dir}
	if s.address, err = freeAddress(ctx); err != nil {
		s.stop()
		return nil, err
	}
	host, port, err := net.SplitHostPort(s.address)
	if err != nil {
		s.stop()
		return nil, err
	}
	socket := filepath.Join(dir, "status")
	cmd := exec.CommandContext(context.WithoutCancel(ctx), "redis-server", "--bind", host, "--port", port, "--unixsocket", socket, //nolint:gosec // an address of ours
		"--dir", dir, "--save", "", "--appendonly", "no", "--daemonize", "no", "--loglevel", "warning")
	if s.child, err = b.starter.start("redis-server", cmd, b.serverCPU); err != nil {
		s.stop()
		return nil, err
	}
	err = poll(ctx, s.child, func() error {
		s.status, err = new(net.Dialer).DialContext(ctx, "unix", socket)
		return err
	})
	if err != nil {
		s.stop()
		return nil, err
	}
	s.reader = bufio.NewReader(s.status)
	return s, nil
}

func (s *redis) url(string) string { return "redis://" + s.address }

func (s *redis) stop() {
	if s.status != nil {
		s.status.Close()
	}
	if s.child != nil {
		s.child.stop(syscall.SIGTERM)
	}
	_ = os.RemoveAll(s.dir)
}

// requests returns how many commands Redis has carried out, those of this function excluded.
func (s *redis) requests() (uint64, error) {
	_ = s.status.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(s.status, "INFO stats\r\n"); err != nil {
		return 0, fmt.Errorf("ask Redis for its count: %w", err)
	}
	text, err := readBulk(s.reader)
	if err != nil {
		return 0, fmt.Errorf("read the count of Redis: %w", err)
	}
	n, err := commandsProcessed(text)
	if err != nil {
		return 0, err
	}
	asked := s.polls // Redis counts a command when it is done
	s.polls++
	return n - asked, nil
}

// mostInfo is more than Redis has to say about one subject.
const mostInfo = 1 << 20

// readBulk reads a bulk string: its length in a line that begins with `$`, the bytes, and an empty line.
func readBulk(in *bufio.Reader) (string, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return "", err
	}
	digits, ok := strings.CutPrefix(strings.TrimSuffix(line, "\r\n"), "$")
	n, err := strconv.Atoi(digits)
	if !ok || err != nil || n < 0 || n > mostInfo {
		return "", fmt.Errorf("%q announces no string", line)
	}
	text := make([]byte, n+len("\r\n"))
	if _, err := io.ReadFull(in, text); err != nil {
		return "", err
	}
	return string(text[:n]), nil
}

// commandsProcessed finds the count of all commands in what INFO says.
func commandsProcessed(info string) (uint64, error) {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), "total_commands_processed:"); ok {
			return strconv.ParseUint(value, 10, 64)
		}
	}
	return 0, fmt.Errorf("redis does not say how many commands it has processed: %q", info)
}

// redisBenchmark runs one redis-benchmark with GET and one with SET at the same time: one alone would take them in turn, so
// that windows would differ in what they measure.
func redisBenchmark(pipeline int) func(context.Context, *bench, server) ([]client, error) {
	return func(ctx context.Context, b *bench, s server) ([]client, error) {
		host, port, err := net.SplitHostPort(strings.TrimPrefix(s.url(""), "redis://"))
		if err != nil {
			return nil, err
		}
		var clients []client
		for _, command := range []string{"get", "set"} {
			cmd := exec.CommandContext(context.WithoutCancel(ctx), "redis-benchmark", "-h", host, "-p", port, "-t", command, //nolint:gosec // an address of ours
				"-c", strconv.Itoa(redisClients), "-P", strconv.Itoa(pipeline), "-n", "2000000000", "-q")
			c, err := b.starter.start("redis-benchmark", cmd, b.clientCPU)
			if err != nil {
				endAll(clients)
				return nil, err
			}
			clients = append(clients, redisLoad{c})
		}
		return clients, nil
	}
}

// redisLoad is a redis-benchmark. It ends by itself when a reply is an error.
type redisLoad struct{ *child }

func (l redisLoad) end() string {
	l.stop(syscall.SIGTERM)
	return redisComplaint(l.said())
}

// redisComplaint finds an error in what redis-benchmark -q writes, which else are rates, one over the other.
func redisComplaint(said string) string {
	for line := range strings.FieldsFuncSeq(said, func(r rune) bool { return r == '\r' || r == '\n' }) {
		if strings.HasPrefix(line, "Error") || strings.HasPrefix(line, "Could not") || strings.Contains(line, "from server") {
			return line
		}
	}
	return ""
}
