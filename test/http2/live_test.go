package http2

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/h2c" //nolint:staticcheck // nothing else does Upgrade

	"github.com/fathomhq/fathom/internal/protocol"
	"github.com/fathomhq/fathom/test/process"
)

// kinds are requests that the Go client makes, and the Go server answers: what the server does is in the path, behind it are the bytes
// of the body; "~" has them sent in pieces without a length, and with a trailer.
var kinds = []string{
	"GET /size/100", "GET /size/1048576", "HEAD /size/100", "HEAD /now/404", "GET /pieces/5", "GET /trailers",
	"POST /read/200 1024", "POST /read/201 1048576", "POST /read/200 ~1000", "POST /echo 50000", "POST /now/413 3000000",
	"PUT /read/200 0", "PATCH /read/200 100", "DELETE /now/204", "OPTIONS /now/200", "PROPFIND /now/207", "GET /now/304",
	"GET /now/404", "GET /now/418", "GET /now/500", "GET /now/503", "GET /redirect", "GET /hints/200", "POST /hints/404 10", "GET /slow/5",
}

func goRows() []row {
	var all []row
	for _, c := range []struct{ atOnce, n int }{{1, 200}, {10, 500}, {100, 1000}, {200, 1000}} {
		all = append(all, row{name: fmt.Sprintf("Go: %d at once", c.atOnce), run: func(r *run) {
			r.both(r.goAsk(r.goServe(server), kinds, "-n", number(c.n), "-c", number(c.atOnce)))
		}})
	}
	return append(all,
		row{name: "Go: several connections", run: func(r *run) {
			addr := r.goServe(server)
			r.both(r.goAsk(addr, kinds, "-n", "500", "-c", "20", "-conns", "7"))
		}},
		row{name: "Go: cookies, which are a field each", run: func(r *run) {
			r.both(r.goAsk(r.goServe(server), []string{"GET /now/404", "POST /read/200 100", "GET /size/10"}, "-n", "100", "-c", "10", "-cookies", "1500"))
		}},
		row{name: "Go: tables of 64 KB, and an id in each request and response", run: func(r *run) {
			addr := r.goServe(server, "-table", "65536")
			r.both(plus(r.goAsk(addr, kinds, "-n", "300", "-c", "1", "-table", "65536"),
				r.goAsk(addr, kinds, "-n", "1000", "-c", "10", "-table", "65536"),
				r.h2loadOnce(addr, 1000, 10, counts{"GET 201": 1000}, []string{"/now/201"}, "--header-table-size=65536")))
		}},
		row{name: "Go: requests that are given up", run: func(r *run) {
			c := r.goAsk(r.goServe(server), []string{"GET /slow/300 !20", "GET /now/404", "GET /endless !20", "POST /read/200 100"}, "-n", "100", "-c", "10")
			// Whether the status was there before is for each end to see.
			r.both(c.either("GET", protocol.ResetByClient, "200"))
		}},
		row{name: "Go: the server gives up", run: func(r *run) {
			c := r.goAsk(r.goServe(server), []string{"GET /panic", "GET /now/404", "GET /cut/100000", "POST /panic 100"}, "-n", "100", "-c", "10")
			r.both(c)
		}},
	)
}

// busyRows run where far more threads want CPU than there are CPUs.
func busyRows() []row {
	site := sites()[1]
	rows := []row{
		{name: "Go, 100 at once", run: func(r *run) { r.both(r.goAsk(r.goServe(server), kinds, "-n", "500", "-c", "100")) }},
		{name: "grpc-go, 100 at once", run: func(r *run) { r.both(r.grpcAsk(r.grpcServe(), calls, "-n", "500", "-c", "100")) }},
		{name: "h2load -m 100, " + site.name, run: func(r *run) {
			r.both(r.h2load(site.serve(r, server), site, 3000, 100))
			r.logged()
		}},
	}
	for i, w := range rows {
		rows[i].name = "oversubscribed: " + w.name
		rows[i].run = func(r *run) {
			r.procs = append(r.procs, process.Start(r, r.linked("busy", ""), "busy"))
			w.run(r)
		}
	}
	return rows
}

// longRows are what FATHOM_LONG=1 adds: more bytes on a connection than TCP has sequence numbers.
func longRows() []row {
	if many(0) == 0 {
		return nil
	}
	large := []string{"GET /size/4500000000", "GET /now/404", "HEAD /size/100", "GET /size/10"}
	return []row{
		{name: "gigabytes: Go", run: func(r *run) { r.both(r.goAsk(r.goServe(server), large, "-n", "8", "-c", "2")) }},
		{name: "gigabytes sent: Go", run: func(r *run) {
			r.both(r.goAsk(r.goServe(server), []string{"POST /read/200 4500000000", "GET /now/404", "PUT /read/201 10"}, "-n", "6", "-c", "2"))
		}},
	}
}

// goServe starts the Go server.
func (r *run) goServe(part string, flags ...string) (addr string) {
	r.Helper()
	addr = process.FreeAddress(r)
	r.serve(part, addr, "", append(append([]string{"serve"}, flags...), addr)...)
	return addr
}

// goAsk makes requests with the Go client.
func (r *run) goAsk(addr string, kinds []string, flags ...string) counts {
	r.Helper()
	return r.ask("", goAskArgs(addr, kinds, flags...)...)
}

func goAskArgs(addr string, kinds []string, flags ...string) []string {
	return append(append(append([]string{"ask"}, flags...), addr), kinds...)
}

// serveHTTP is the Go server.
func serveHTTP(args []string) error {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	cert, key := flags.String("cert", "", "for TLS"), flags.String("key", "", "of -cert")
	upgrade := flags.Bool("upgrade", false, "with golang.org/x/net, which does Upgrade: h2c")
	table := flags.Int("table", 0, "bytes of the tables of header compression, where each response has an id; 0: as Go has them, without")
	if err := flags.Parse(args); err != nil {
		return err
	}
	s := &http.Server{Handler: http.HandlerFunc(answer), Protocols: new(http.Protocols), HTTP2: tables(*table)}
	if *table > 0 {
		var ids atomic.Uint64
		s.Handler = http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			w.Header().Set("X-Id", number(int(ids.Add(1))))
			answer(w, q)
		})
	}
	s.Protocols.SetHTTP1(true)
	s.Protocols.SetHTTP2(true)
	l, err := listen(flags.Arg(0))
	if err != nil {
		return err
	}
	switch {
	case *cert != "":
		return s.ServeTLS(l, *cert, *key)
	case *upgrade:
		s.Handler, s.Protocols = h2c.NewHandler(s.Handler, &http2.Server{}), nil //nolint:staticcheck // nothing else does
	default:
		s.Protocols.SetUnencryptedHTTP2(true)
	}
	return s.Serve(l)
}

// tables has both ends' tables of header compression have so many bytes at most.
func tables(size int) *http.HTTP2Config {
	return &http.HTTP2Config{MaxDecoderHeaderTableSize: size, MaxEncoderHeaderTableSize: size}
}

// answer does what the path says.
func answer(w http.ResponseWriter, q *http.Request) {
	what, word, _ := strings.Cut(strings.TrimPrefix(q.URL.Path, "/"), "/")
	n, _ := strconv.ParseInt(word, 10, 64)
	if what != "now" {
		defer func() { _, _ = io.Copy(io.Discard, q.Body) }()
	}
	switch what {
	case "now":
		w.WriteHeader(int(n))
	case "read":
		_, _ = io.Copy(io.Discard, q.Body)
		w.WriteHeader(int(n))
		if n != http.StatusNoContent {
			_, _ = io.WriteString(w, "read\n")
		}
	case "echo":
		_, _ = io.Copy(w, q.Body)
	case "size":
		w.Header().Set("Content-Length", word)
		_, _ = io.CopyN(w, zeros{}, n)
	case "pieces":
		for range n {
			_, _ = io.WriteString(w, "piece\n")
			w.(http.Flusher).Flush()
		}
	case "trailers":
		w.Header().Set("Trailer", "X-Sum")
		_, _ = io.WriteString(w, "hello\n")
		w.Header().Set("X-Sum", "1")
	case "redirect":
		http.Redirect(w, q, "/size/3", http.StatusFound)
	case "hints":
		for range 3 {
			w.Header().Add("Link", "</style.css>; rel=preload")
			w.WriteHeader(http.StatusEarlyHints)
		}
		w.WriteHeader(int(n))
	case "slow":
		select {
		case <-time.After(time.Duration(n) * time.Millisecond):
		case <-q.Context().Done():
		}
	case "endless":
		for q.Context().Err() == nil {
			_, _ = io.WriteString(w, "piece\n")
			w.(http.Flusher).Flush()
			time.Sleep(time.Millisecond)
		}
	case "cut":
		w.Header().Set("Content-Length", strconv.FormatInt(2*n, 10))
		_, _ = io.CopyN(w, zeros{}, n)
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	case "panic":
		panic(http.ErrAbortHandler)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// zeros is a body without an end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// goClient is a client in Go that may have several connections.
type goClient struct {
	work

	base    string
	cookies int
	table   int
	ids     atomic.Uint64
	next    chan *http.Transport // the connections in turn
}

// askHTTP is the Go client.
func askHTTP(args []string) error {
	var c goClient
	var conns int
	var secure bool
	addr, err := c.parse(args, func(flags *flag.FlagSet) {
		flags.IntVar(&conns, "conns", 1, "connections")
		flags.IntVar(&c.cookies, "cookies", 0, "of each request")
		flags.IntVar(&c.table, "table", 0, "bytes of the tables of header compression, where each request has an id; 0: as Go has them, without")
		flags.BoolVar(&secure, "tls", false, "with TLS")
	})
	if err != nil {
		return err
	}
	c.base = "http://" + addr
	if secure {
		c.base = "https://" + addr
	}
	c.next = make(chan *http.Transport, conns)
	connect := func() {
		for range conns {
			t := &http.Transport{
				Protocols: new(http.Protocols), DisableCompression: true, HTTP2: tables(c.table),
				TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // a test's own server
			}
			t.Protocols.SetHTTP2(true)
			t.Protocols.SetUnencryptedHTTP2(!secure)
			c.next <- t
		}
	}
	connect()
	if secure {
		c.fresh = func() error {
			c.close()
			connect()
			return nil
		}
	}
	defer c.close()
	return c.do(c.one)
}

func (c *goClient) close() {
	for range cap(c.next) {
		(<-c.next).CloseIdleConnections()
	}
}

// one makes the request that a text of [kinds] says.
func (c *goClient) one(kind string) error {
	words := strings.Fields(kind)
	ctx := context.Background()
	var body io.Reader
	length := int64(0)
	trailer := false
	for _, word := range words[2:] {
		n, err := strconv.ParseInt(strings.Trim(word, "!~"), 10, 64)
		if err != nil {
			return err
		}
		switch word[0] {
		case '!':
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, time.Duration(n)*time.Millisecond)
			defer cancel()
		case '~':
			body, length, trailer = pieces(n), -1, true
		default:
			body, length = io.LimitReader(zeros{}, n), n
		}
	}
	q, err := http.NewRequestWithContext(ctx, words[0], c.base+words[1], body)
	if err != nil {
		return err
	}
	q.ContentLength = length
	if c.table > 0 {
		q.Header.Set("X-Id", number(int(c.ids.Add(1))))
	}
	if trailer {
		q.Trailer = http.Header{"X-Sum": {"1"}}
	}
	if c.cookies > 0 {
		q.Header.Set("Cookie", strings.Repeat("c=0; ", c.cookies))
	}
	t := <-c.next
	c.next <- t
	resp, err := t.RoundTrip(q)
	if end := endOf(err); end != "" {
		c.add(words[0], end)
		return nil
	}
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil && endOf(err) == "" {
		return err
	}
	c.add(words[0], strconv.Itoa(resp.StatusCode))
	if to := resp.Header.Get("Location"); to != "" {
		return c.one("GET " + to)
	}
	return nil
}

// endOf tells who has ended a stream before its response, as one of the two wanted; empty: nobody.
func endOf(err error) string {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return protocol.ResetByClient
	case err != nil && strings.Contains(err.Error(), "INTERNAL_ERROR; received from peer"):
		return protocol.ResetByServer
	}
	return ""
}

// pieces is a body that is sent in n pieces.
func pieces(n int64) io.Reader {
	r, w := io.Pipe()
	go func() {
		for range 10 {
			_, _ = w.Write(make([]byte, n/10))
		}
		_ = w.Close()
	}()
	return r
}
