package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"google.golang.org/grpc"
)

// callTimeout is how long callers wait for an answer.
const callTimeout = 10 * time.Second

// noStatus is the status of requests that got no response.
const noStatus = "none"

// httpOK is the status of requests that succeed.
var httpOK = strconv.Itoa(http.StatusOK)

// succeeded tells whether a status is that of a success, of HTTP or of gRPC.
func succeeded(status string) bool { return status == httpOK || status == grpcOK }

// caller makes requests over kept connections and records how long they took.
type caller struct {
	name   string
	peers  map[string]string
	truth  *recorder
	client http.Client
	conns  map[string]*grpc.ClientConn // to the peers that speak gRPC
}

func newCaller(name string, peers map[string]string, truth *recorder) (*caller, error) {
	c := &caller{name: name, peers: peers, truth: truth, conns: make(map[string]*grpc.ClientConn), client: http.Client{
		Timeout: callTimeout,
		// No proxy, no compression, and room for all connections of a burst.
		Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true},
	}}
	for peer, address := range peers {
		if !orders[peer].grpc {
			continue
		}
		conn, err := connect(address)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("connect %s to %s: %w", name, peer, err), c.close())
		}
		c.conns[peer] = conn
	}
	return c, nil
}

// call makes one request, or one call if the method is [grpcMethod], reads the response and returns its status.
func (c *caller) call(ctx context.Context, to, method, path string, body []byte) string {
	began := time.Now()
	status := noStatus
	if method == grpcMethod {
		status = invoke(ctx, c.conns[to], path, body)
	} else if r, err := http.NewRequestWithContext(ctx, method, "http://"+c.peers[to]+path, bytes.NewReader(body)); err == nil {
		status = c.do(r)
	}
	c.truth.record(Calls{From: c.name, To: to, Method: method, Status: status}, time.Since(began))
	return status
}

func (c *caller) do(r *http.Request) string {
	resp, err := c.client.Do(r)
	if err != nil {
		return noStatus
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return noStatus
	}
	return strconv.Itoa(resp.StatusCode)
}

// close closes the connections, when no call is under way any more.
func (c *caller) close() (err error) {
	c.client.CloseIdleConnections()
	for _, conn := range c.conns {
		err = errors.Join(err, conn.Close())
	}
	return err
}
