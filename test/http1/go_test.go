package http1

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"strconv"
	"strings"
	"time"
)

// goProgram is what the test binary does as a Go server ("serve ADDRESS") or as a Go client ("ask ADDRESS REQUEST...").
func goProgram(args []string) error {
	if args[0] == "serve" {
		return goServe(args[1])
	}
	return goAsk(args[1], args[2:])
}

// goServe answers /now/STATUS at once, /read/STATUS behind the body, and /trailers with chunks and trailers.
func goServe(addr string) error {
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	l, err := lc.Listen(context.Background(), "tcp", addr)
	if err != nil {
		return err
	}
	return http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		words := strings.Split(q.URL.Path, "/")
		switch words[1] {
		case "read":
			_, _ = io.Copy(io.Discard, q.Body)
			fallthrough
		case "now":
			status, _ := strconv.Atoi(words[2])
			w.WriteHeader(status)
		case "hints":
			n, _ := strconv.Atoi(words[2])
			for range n {
				w.Header().Set("Link", "</style.css>; rel=preload")
				w.WriteHeader(http.StatusEarlyHints)
			}
		case "trailers":
			w.Header().Set("Trailer", "X-Sum")
			for range 5 {
				_, _ = io.WriteString(w, looksLikeHTTP)
				w.(http.Flusher).Flush()
			}
			w.Header().Set("X-Sum", "1")
		}
	}))
}

// goAsk makes requests one after the other on a kept connection, and prints what was answered. A request is "METHOD PATH"; then may
// come "chunked", "trailers", "expect" or a body, and "*N" repeats it. "SLEEP N" waits for N milliseconds.
func goAsk(addr string, requests []string) error {
	transport := &http.Transport{MaxIdleConnsPerHost: 1, ExpectContinueTimeout: 200 * time.Millisecond, DisableCompression: true}
	defer transport.CloseIdleConnections()
	trace := &httptrace.ClientTrace{Got1xxResponse: func(int, textproto.MIMEHeader) error { return nil }}
	ctx := httptrace.WithClientTrace(context.Background(), trace)
	for _, text := range requests {
		words := strings.Fields(text)
		n := 1
		if last := words[len(words)-1]; last[0] == '*' {
			n, _ = strconv.Atoi(last[1:])
			words = words[:len(words)-1]
		}
		for range n {
			if words[0] == "SLEEP" {
				ms, _ := strconv.Atoi(words[1])
				time.Sleep(time.Duration(ms) * time.Millisecond)
				continue
			}
			q, err := http.NewRequestWithContext(ctx, words[0], "http://"+addr+words[1], nil)
			if err != nil {
				return err
			}
			for _, word := range words[2:] {
				switch word {
				case "trailers":
					q.Trailer = http.Header{"X-Sum": {"1"}}
				case "chunked":
					q.Body, q.ContentLength = slowly(5), -1
				case "expect":
					q.Header.Set("Expect", "100-continue")
				default:
					q.Body, q.ContentLength = io.NopCloser(strings.NewReader(word)), int64(len(word))
				}
			}
			start := time.Now()
			resp, err := transport.RoundTrip(q)
			if err != nil {
				return err
			}
			if _, err := io.Copy(io.Discard, resp.Body); err != nil {
				return err
			}
			_ = resp.Body.Close()
			fmt.Fprintf(os.Stdout, "%s %d 1 %f\n", words[0], resp.StatusCode, time.Since(start).Seconds())
		}
	}
	return nil
}

// slowly is a body of n pieces that look like requests, each in a write of its own.
func slowly(n int) io.ReadCloser {
	r, w := io.Pipe()
	go func() {
		for range n {
			_, _ = io.WriteString(w, "DELETE /404 HTTP/1.1\r\nHost: a\r\n\r\n")
			time.Sleep(3 * time.Millisecond)
		}
		_ = w.Close()
	}()
	return r
}
