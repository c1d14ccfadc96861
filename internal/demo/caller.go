package demo

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"time"
)

// caller makes requests over kept connections and records how long they took.
type caller struct {
	name   string
	peers  map[string]string
	truth  *recorder
	client http.Client
}

func newCaller(name string, peers map[string]string, truth *recorder) *caller {
	return &caller{name: name, peers: peers, truth: truth, client: http.Client{
		Timeout: 10 * time.Second,
		// No proxy, no compression, and room for all connections of a burst.
		Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true},
	}}
}

// call makes one request, reads the response and returns its status, 0 if there
// was none.
func (c *caller) call(ctx context.Context, to, method, path string, body []byte) int {
	began := time.Now()
	status := 0
	r, err := http.NewRequestWithContext(ctx, method, "http://"+c.peers[to]+path, bytes.NewReader(body))
	if err == nil {
		status = c.do(r)
	}
	c.truth.record(Calls{From: c.name, To: to, Method: method, Status: status}, time.Since(began))
	return status
}

func (c *caller) do(r *http.Request) int {
	resp, err := c.client.Do(r)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return 0
	}
	return resp.StatusCode
}
