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
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// server is a process under load. It counts itself what it serves: that is the truth that all figures per request are
// computed from. Its count is read over a Unix socket, which no tap sees. [nghttpd] alone does not count.
type server interface {
	pid() int
	requests() (uint64, error)
	url(path string) string
	stop()
}

// client is a process that makes load.
type client interface {
	pid() int
	running() bool
	failure() error
	end() string // ends it and returns what it complains of; mostly nothing
	said() string
}

// tool is a client that has nothing to say when it is ended.
type tool struct{ *child }

func (t tool) end() string {
	t.stop(syscall.SIGTERM)
	return ""
}

// countingServer answers each line that it gets on a Unix socket with its count.
type countingServer struct {
	*child
	scheme  string
	address string
	dir     string
	status  net.Conn
	reader  *bufio.Reader
}

// startCounting starts a server with its address and the path of the socket as last arguments.
func startCounting(ctx context.Context, b *bench, name string, command ...string) (server, error) {
	return startCountingTLS(ctx, b, nil, name, command...)
}

// startCountingTLS starts one that speaks TLS, if H is not nil.
func startCountingTLS(ctx context.Context, b *bench, h *https, name string, command ...string) (server, error) {
	dir, err := os.MkdirTemp("", "fathom-bench-")
	if err != nil {
		return nil, err
	}
	s := &countingServer{dir: dir, scheme: "http"}
	if s.address, err = freeAddress(ctx); err != nil {
		s.stop()
		return nil, err
	}
	socket := filepath.Join(dir, "status")
	args := slices.Concat(command[1:], []string{s.address, socket})
	cmd := exec.CommandContext(context.WithoutCancel(ctx), command[0], args...) //nolint:gosec // a constant, or this program
	if h != nil {
		s.scheme, cmd.Env = "https", append(h.environment(), "FATHOM_BENCH_TLS="+h.dir)
	}
	if s.child, err = b.starter.start(name, cmd, b.serverCPU); err != nil {
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

func (s *countingServer) url(path string) string { return s.scheme + "://" + s.address + path }

func (s *countingServer) stop() {
	if s.status != nil {
		s.status.Close()
	}
	if s.child != nil {
		s.child.stop(syscall.SIGTERM)
	}
	_ = os.RemoveAll(s.dir)
}

func (s *countingServer) requests() (uint64, error) {
	_ = s.status.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(s.status, "\n"); err != nil {
		return 0, fmt.Errorf("ask %s for its count: %w", s.name, err)
	}
	line, err := s.reader.ReadString('\n')
	if err != nil {
		return 0, fmt.Errorf("read the count of %s: %w", s.name, err)
	}
	return strconv.ParseUint(strings.TrimSpace(line), 10, 64)
}

// nodeScript answers GET with a chunked body, and reads the body of a POST before it answers. The count's socket is
// opened last: then the server is ready.
const nodeScript = `
const fs = require("fs"), http = require("http"), https = require("https"), net = require("net");
const [address, socket] = process.argv.slice(-2), tls = process.env.FATHOM_BENCH_TLS;
let requests = 0;
const answer = (request, response) => {
	response.setHeader("Content-Type", "text/plain");
	if (request.method === "POST") {
		request.on("end", () => { requests++; response.end("hello\n"); });
		request.resume();
		return;
	}
	requests++;
	response.write("hello\n");
	response.end();
};
const server = tls ? https.createServer({key: fs.readFileSync(tls + "/tls.key"), cert: fs.readFileSync(tls + "/tls.crt")}, answer) :
	http.createServer(answer);
server.keepAliveTimeout = 3600e3;
const [host, port] = address.split(":");
server.listen(port, host, () => net.createServer((c) => {
	c.on("data", () => c.write(requests + "\n"));
	c.on("error", () => {});
}).listen(socket));
`

func startNode(ctx context.Context, b *bench) (server, error) {
	return startNodeTLS(ctx, b, nil)
}

func startNodeTLS(ctx context.Context, b *bench, h *https) (server, error) {
	return startCountingTLS(ctx, b, h, "node", "node", "-e", nodeScript)
}
