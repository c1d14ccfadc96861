package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync/atomic"

	"k8s.io/client-go/tools/clientcmd"
)

// proxy passes connections on to the API server, and counts them and their bytes: those of TLS, so with its overhead and as compressed as
// they are.
type proxy struct {
	kubeconfig string // that leads to it
	listener   net.Listener
	to         string

	connections, sent, received atomic.Int64
}

// newProxy listens before the API server of a kubeconfig, and writes one that leads to it.
func newProxy(ctx context.Context, kubeconfig, file string) (*proxy, error) {
	config, err := clientcmd.LoadFromFile(kubeconfig)
	if err != nil {
		return nil, err
	}
	current := config.Contexts[config.CurrentContext]
	if current == nil || config.Clusters[current.Cluster] == nil {
		return nil, errors.New("the kubeconfig has no current context with a cluster")
	}
	cluster := config.Clusters[current.Cluster]
	server, err := url.Parse(cluster.Server)
	if err != nil {
		return nil, err
	}
	p := &proxy{kubeconfig: file, to: server.Host}
	if server.Port() == "" {
		p.to = net.JoinHostPort(server.Hostname(), "443")
	}
	if p.listener, err = new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	if cluster.TLSServerName == "" {
		cluster.TLSServerName = server.Hostname()
	}
	server.Host = p.listener.Addr().String()
	cluster.Server = server.String()
	if err := clientcmd.WriteToFile(*config, file); err != nil {
		return nil, errors.Join(err, p.listener.Close())
	}
	go p.serve(ctx)
	return p, nil
}

func (p *proxy) serve(ctx context.Context) {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.connections.Add(1)
		go p.forward(ctx, c)
	}
}

func (p *proxy) forward(ctx context.Context, from net.Conn) {
	to, err := new(net.Dialer).DialContext(ctx, "tcp", p.to)
	if err != nil {
		_ = from.Close()
		return
	}
	pass := func(a, b net.Conn, count *atomic.Int64) {
		_, _ = io.Copy(counted{a, count}, b)
		_ = a.Close()
	}
	go pass(to, from, &p.sent)
	pass(from, to, &p.received)
}

// counted counts what is written.
type counted struct {
	io.Writer
	count *atomic.Int64
}

func (c counted) Write(b []byte) (int, error) {
	n, err := c.Writer.Write(b)
	c.count.Add(int64(n))
	return n, err
}

func (p *proxy) print(whose string) {
	fmt.Printf("%s: %d connections to the API server, %.1f kB sent, %.1f kB received\n",
		whose, p.connections.Load(), float64(p.sent.Load())/1e3, float64(p.received.Load())/1e3)
}

func (p *proxy) close() { _ = p.listener.Close() }
