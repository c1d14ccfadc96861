package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// A body of 6 bytes, so that the taps' share of a request is as large as it gets; with the head that a file has, of about
// 230 bytes; or chunked, since a filter may change its length. Without a master process the one worker
// dies with the benchmark; it serves the same way.
const nginxConfig = `daemon off;
master_process off;
pid nginx.pid;
error_log stderr crit;
events { worker_connections 1024; }
http {
	access_log off;
	client_body_temp_path body;
	proxy_temp_path proxy;
	fastcgi_temp_path fastcgi;
	uwsgi_temp_path uwsgi;
	scgi_temp_path scgi;
	keepalive_requests 1000000000;
	keepalive_timeout 1h;
	server {
		listen %s backlog=1024 %s;
		location / { default_type text/plain; return 200 "hello\n"; }
		location /page {
			default_type text/html;
			add_header Last-Modified "Tue, 17 Nov 2026 09:41:00 GMT";
			add_header ETag '"6919f0ac-267"';
			add_header Accept-Ranges bytes;
			return 200 "hello\n";
		}
		location /chunked {
			default_type text/plain;
			sub_filter_types text/plain;
			sub_filter goodbye hello;
			return 200 "hello\n";
		}
	}
	server {
		listen unix:%s;
		location / { stub_status; }
	}
}
`

// nginx is a [server] that counts by its stub_status module.
type nginx struct {
	*child
	scheme  string
	address string
	dir     string
	status  net.Conn
	reader  *bufio.Reader
	polls   uint64
}

func startNginx(ctx context.Context, s *starter, cpu int, h *https) (*nginx, error) {
	dir, err := os.MkdirTemp("", "fathom-bench-")
	if err != nil {
		return nil, err
	}
	n := &nginx{dir: dir, scheme: "http"}
	if n.address, err = freeAddress(ctx); err != nil {
		n.stop()
		return nil, err
	}
	tls := ""
	if h != nil {
		n.scheme = "https"
		tls = "ssl; " + strings.TrimSuffix(h.directives(), ";")
	}
	socket, config := filepath.Join(dir, "status"), filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, nginxConfig, n.address, tls, socket), 0o600); err != nil {
		n.stop()
		return nil, err
	}
	// Ended by stop, when the load has been.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), "nginx", "-p", dir+"/", "-c", config, "-e", "stderr")
	if h != nil {
		cmd.Env = h.environment()
	}
	if n.child, err = s.start("nginx", cmd, cpu); err != nil {
		n.stop()
		return nil, err
	}
	err = poll(ctx, n.child, func() error {
		n.status, err = new(net.Dialer).DialContext(ctx, "unix", socket)
		return err
	})
	if err != nil {
		n.stop()
		return nil, err
	}
	n.reader = bufio.NewReader(n.status)
	return n, nil
}

// startPlainNginx is nginx without TLS.
func startPlainNginx(ctx context.Context, b *bench) (server, error) {
	return startNginx(ctx, b.starter, b.serverCPU, nil)
}

func (n *nginx) url(path string) string { return n.scheme + "://" + n.address + path }

func (n *nginx) stop() {
	if n.status != nil {
		n.status.Close()
	}
	if n.child != nil {
		n.child.stop(syscall.SIGTERM)
	}
	_ = os.RemoveAll(n.dir)
}

// requests returns how many requests nginx has got, those of this function excluded.
func (n *nginx) requests() (uint64, error) {
	_ = n.status.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(n.status, "GET / HTTP/1.1\r\nHost: bench\r\n\r\n"); err != nil {
		return 0, fmt.Errorf("ask nginx for its status: %w", err)
	}
	r, err := http.ReadResponse(n.reader, nil)
	if err != nil {
		return 0, fmt.Errorf("read the status of nginx: %w", err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return 0, fmt.Errorf("read the status of nginx: %w", err)
	}
	n.polls++
	var active, accepts, handled, requests uint64
	// ngx_http_stub_status_module: three lines, the numbers on the third.
	if _, err := fmt.Sscanf(string(body), "Active connections: %d \nserver accepts handled requests\n %d %d %d",
		&active, &accepts, &handled, &requests); err != nil {
		return 0, fmt.Errorf("nginx says %q: %w", body, err)
	}
	return requests - n.polls, nil
}

// freeAddress returns an address of the loopback interface on which nobody listens.
func freeAddress(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// poll calls try until it succeeds; the child is what should make it succeed.
func poll(ctx context.Context, c *child, try func() error) error {
	deadline := time.After(30 * time.Second)
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-c.ended:
			return c.failure()
		case <-deadline:
			return fmt.Errorf("%s is not ready: %w\n%s", c.name, err, c.out)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
