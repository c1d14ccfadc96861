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

// way is a way to the API server that counts what goes along: as bytes of TLS, so with its overhead and as compressed as they are.
type way struct {
	kubeconfig string // that leads along it
	listener   net.Listener
	to         string

	connections, sent, received atomic.Int64
}

// newWay opens a way to the API server of a kubeconfig, and writes one that leads along it.
func newWay(ctx context.Context, kubeconfig, file string) (*way, error) {
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
	w := &way{kubeconfig: file, to: server.Host}
	if server.Port() == "" {
		w.to = net.JoinHostPort(server.Hostname(), "443")
	}
	if w.listener, err = new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	if cluster.TLSServerName == "" {
		cluster.TLSServerName = server.Hostname()
	}
	server.Host = w.listener.Addr().String()
	cluster.Server = server.String()
	if err := clientcmd.WriteToFile(*config, file); err != nil {
		return nil, errors.Join(err, w.listener.Close())
	}
	go w.serve(ctx)
	return w, nil
}

func (w *way) serve(ctx context.Context) {
	for {
		c, err := w.listener.Accept()
		if err != nil {
			return
		}
		w.connections.Add(1)
		go w.forward(ctx, c)
	}
}

func (w *way) forward(ctx context.Context, from net.Conn) {
	to, err := new(net.Dialer).DialContext(ctx, "tcp", w.to)
	if err != nil {
		_ = from.Close()
		return
	}
	pass := func(a, b net.Conn, count *atomic.Int64) {
		_, _ = io.Copy(counted{a, count}, b)
		_ = a.Close()
	}
	go pass(to, from, &w.sent)
	pass(from, to, &w.received)
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

func (w *way) print(whose string) {
	fmt.Printf("%s: %d connections to the API server, %.1f kB sent, %.1f kB received\n",
		whose, w.connections.Load(), float64(w.sent.Load())/1e3, float64(w.received.Load())/1e3)
}

func (w *way) close() { _ = w.listener.Close() }
