package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// traffic is one kind of load. Each is measured in all states within one run.
type traffic struct {
	name    string // of the part
	title   string
	load    string // in words
	server  func(context.Context, *bench) (server, error)
	clients func(context.Context, *bench, server) ([]client, error)
	targets []target
}

// The targets of throughput, over that with empty programs and with nothing attached.
const (
	targetEmpty       = 0.96
	targetNone        = 0.94
	targetChurn       = 0.92 // a connection per request, over nothing
	targetRedis       = 0.93 // over nothing
	targetHTTP2CPU    = 0.92 // CPU time, of nothing
	targetHTTP2One    = 700  // ns of BPF time per request and end, one in flight
	targetHTTP2Many   = 300  // the same, 10 or 100 in flight
	targetHTTPS       = 0.95 // over empty programs
	targetBrowserCPU  = 0.95 // CPU time, of empty programs
	targetBPF         = 0.70 // BPF time, of another object
	targetUnknown     = 1.00 // BPF time, of another object, for what no parser knows
	uploadBytes       = 1_000_000
	postBytes         = 200
	redisClients      = 25 // of GET, and as many of SET
	redisPipeline     = 16
	unknownClients    = 32
	unknownEchoLength = 128
)

// traffics are all kinds, in order.
func traffics() []traffic {
	return []traffic{
		{
			name: "throughput", title: "Smallest requests", load: "wrk -t1 -c32, keep-alive, 6-byte body", server: startPlainNginx, clients: wrkOf("/"),
			targets: []target{
				{stateFathom, stateEmpty, byThroughput, targetEmpty}, {stateFathom, stateNone, byThroughput, targetNone},
				{stateFathom, otherObjects, byBPF, targetBPF},
			},
		},
		{
			name: "browser", title: "A browser's heads",
			load:   fmt.Sprintf("wrk -t1 -c32, keep-alive, request heads of %d bytes, response heads of about 230", len(browserRequest("127.0.0.1:40000"))),
			server: startPlainNginx, clients: wrkOf("/page", browserHeaders()...),
			targets: []target{{stateFathom, stateEmpty, byCPU, targetBrowserCPU}, {stateFathom, otherObjects, byBPF, targetBPF}},
		},
		{
			name: "post", title: "POST, small", load: fmt.Sprintf("wrk -t1 -c32, keep-alive, POST with a body of %d bytes", postBytes),
			server: startPlainNginx, clients: wrkPost(postBytes),
		},
		{
			name: "upload", title: "POST, large", load: fmt.Sprintf("wrk -t1 -c32, keep-alive, POST with a body of %d bytes, read by Node", uploadBytes),
			server: startNode, clients: wrkPost(uploadBytes),
		},
		{
			name: "chunked", title: "Chunked", load: "wrk -t1 -c32, keep-alive, chunked response of nginx",
			server: startPlainNginx, clients: wrkOf("/chunked"),
		},
		{
			name: "node", title: "Node", load: "wrk -t1 -c32, keep-alive, chunked response of Node",
			server: startNode, clients: wrkOf("/"),
		},
		{
			name: "churn", title: "Connection churn", load: "wrk -t1 -c32, one request per connection, 6-byte body", server: startPlainNginx,
			clients: wrkOf("/", "Connection: close"),
			targets: []target{{stateFathom, stateNone, byThroughput, targetChurn}},
		},
		http2Traffic(1, targetHTTP2One), http2Traffic(10, targetHTTP2Many), http2Traffic(http2Most, targetHTTP2Many),
		{
			name: "redis", title: "Redis", load: fmt.Sprintf("redis-benchmark, %d connections for GET and %d for SET", redisClients, redisClients),
			server: startRedis, clients: redisBenchmark(1),
			targets: []target{{stateFathom, stateNone, byThroughput, targetRedis}},
		},
		{
			name: "redis-pipelined", title: "Redis, pipelined",
			load:   fmt.Sprintf("redis-benchmark -P %d, %d connections for GET and %d for SET", redisPipeline, redisClients, redisClients),
			server: startRedis, clients: redisBenchmark(redisPipeline),
			targets: []target{{stateFathom, stateNone, byThroughput, targetRedis}},
		},
		{
			name: "unknown", title: "No known protocol",
			load:   fmt.Sprintf("%d connections, %d random bytes and their echo", unknownClients, unknownEchoLength),
			server: startUnknown, clients: unknownClient,
			targets: []target{{stateFathom, otherObjects, byBPF, targetUnknown}},
		},
	}
}

// http2Traffic has so many requests in flight at once; the limit is that of BPF time.
func http2Traffic(inFlight int, limit float64) traffic {
	return traffic{
		name: fmt.Sprintf("http2-%d", inFlight), title: fmt.Sprintf("HTTP/2, %d in flight", inFlight),
		load:   fmt.Sprintf("h2load -t1 -c1 -m%d, 6-byte file of nghttpd", inFlight),
		server: startNghttpd, clients: h2load(inFlight),
		targets: []target{{stateFathom, stateNone, byCPU, targetHTTP2CPU}, {of: stateFathom, measure: byBPFTime, limit: limit}},
	}
}

func trafficNames() (names []string) {
	for _, t := range traffics() {
		names = append(names, t.name)
	}
	return names
}

// browserHeaders are what a browser sends beside the request line and Host when it loads a page of a site that it knows.
func browserHeaders() []string {
	return []string{
		"Connection: keep-alive",
		`sec-ch-ua: "Chromium";v="140", "Not=A?Brand";v="24"`,
		"sec-ch-ua-mobile: ?0",
		`sec-ch-ua-platform: "Linux"`,
		"Upgrade-Insecure-Requests: 1",
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
		"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8",
		"Sec-Fetch-Site: same-origin",
		"Sec-Fetch-Mode: navigate",
		"Sec-Fetch-User: ?1",
		"Sec-Fetch-Dest: document",
		"Referer: http://127.0.0.1/catalogue?page=2",
		"Accept-Encoding: gzip, deflate",
		"Accept-Language: en-GB,en;q=0.9,de;q=0.8",
		"Cookie: session=4f1c0a7e9b2d4863a5d1; theme=dark",
	}
}

// browserRequest is the whole request, as wrk makes it.
func browserRequest(host string) string {
	return "GET /page HTTP/1.1\r\nHost: " + host + "\r\n" + strings.Join(browserHeaders(), "\r\n") + "\r\n\r\n"
}

// wrkOf loads a path with requests that have these headers.
func wrkOf(path string, headers ...string) func(context.Context, *bench, server) ([]client, error) {
	var args []string
	for _, h := range headers {
		args = append(args, "-H", h)
	}
	return func(ctx context.Context, b *bench, s server) ([]client, error) {
		return oneClient(startWrk(ctx, b.starter, b.clientCPU, s.url(path), args...))
	}
}

// wrkPost loads a server with POST requests.
func wrkPost(size int) func(context.Context, *bench, server) ([]client, error) {
	return func(ctx context.Context, b *bench, s server) ([]client, error) {
		script := filepath.Join(b.scratch, fmt.Sprintf("post-%d.lua", size))
		text := fmt.Sprintf("wrk.method = \"POST\"\nwrk.headers[\"Content-Type\"] = \"application/octet-stream\"\nwrk.body = string.rep(\"x\", %d)\n", size)
		if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
			return nil, err
		}
		return oneClient(startWrk(ctx, b.starter, b.clientCPU, s.url("/"), "-s", script))
	}
}

func oneClient[C client](c C, err error) ([]client, error) {
	if err != nil {
		return nil, err
	}
	return []client{c}, nil
}

// measureTraffic measures those kinds that are wanted, with the same loaded programs.
func (b *bench) measureTraffic(ctx context.Context, wanted map[string]bool) (err error) {
	var chosen []traffic
	for _, t := range traffics() {
		if wanted[t.name] {
			chosen = append(chosen, t)
		}
	}
	if len(chosen) == 0 {
		return nil
	}
	s, err := b.openStates(ctx, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	for _, t := range chosen {
		b.progress("%s", t.name)
		c, err := b.compareUnder(ctx, t, s)
		b.clearProgress()
		if err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
		b.report.Traffic = append(b.report.Traffic, c)
		if err := say(b.report.table(t.name)); err != nil {
			return err
		}
	}
	return nil
}

// compareUnder measures one kind of load.
func (b *bench) compareUnder(ctx context.Context, t traffic, s *states) (*comparison, error) {
	r, err := b.startRig(ctx, t)
	if err != nil {
		return nil, err
	}
	defer r.stop()
	c, err := b.run(ctx, r, s, s.pairs())
	if err != nil {
		return nil, err
	}
	c.Name, c.title = t.name, t.title
	if c.BPF, err = b.bpfTime(ctx, r, s); err != nil {
		return nil, err
	}
	for _, x := range t.targets {
		c.aim(x)
	}
	return c, nil
}
