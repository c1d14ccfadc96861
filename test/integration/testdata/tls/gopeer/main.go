// Gopeer is an HTTPS server and client for tests that build it in several ways:
//
//	gopeer serve CERTIFICATE KEY
//	gopeer get PORT REQUESTS CONNECTIONS METHOD:PATH:BODY...
//
// They do as those of ../peer.c.
package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 3 && args[0] == "serve" {
		return serve(args[1], args[2])
	}
	if len(args) < 5 || args[0] != "get" {
		return fmt.Errorf("arguments %q", args)
	}
	requests, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	connections, err := strconv.Atoi(args[3])
	if err != nil {
		return err
	}
	return get(args[1], requests, connections, args[4:])
}

func serve(certificate, key string) error {
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return err
	}
	l, err := tls.Listen("tcp4", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}})
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	return http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		_, _ = io.Copy(io.Discard, q.Body)
		status, err := strconv.Atoi(q.URL.Path[1:])
		if err != nil {
			status = http.StatusBadRequest
		}
		w.WriteHeader(status)
		switch status {
		case http.StatusNoContent, http.StatusNotModified:
		case http.StatusNotFound:
			_, _ = io.WriteString(w, strings.Repeat("x", 40_000))
		default:
			_, _ = io.WriteString(w, "ok")
		}
	}))
}

func get(port string, requests, connections int, kinds []string) error {
	transport := &http.Transport{MaxIdleConnsPerHost: connections, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	var (
		next   atomic.Int64
		mu     sync.Mutex
		wg     sync.WaitGroup
		failed error
		counts = make(map[string]int)
	)
	for range connections {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(requests); i = next.Add(1) {
				name, err := once(transport, "https://127.0.0.1:"+port, kinds[int(i)%len(kinds)])
				mu.Lock()
				counts[name]++
				if err != nil {
					failed = err
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	transport.CloseIdleConnections()
	for name, n := range counts {
		fmt.Println(name, n)
	}
	return failed
}

func once(transport *http.Transport, url, kind string) (string, error) {
	part := strings.Split(kind, ":")
	if len(part) != 3 {
		return "", fmt.Errorf("kind %q", kind)
	}
	length, err := strconv.Atoi(part[2])
	if err != nil {
		return "", err
	}
	q, err := http.NewRequest(part[0], url+part[1], strings.NewReader(strings.Repeat("b", length)))
	if err != nil {
		return "", err
	}
	r, err := transport.RoundTrip(q)
	if err != nil {
		return "", err
	}
	defer r.Body.Close()
	_, err = io.Copy(io.Discard, r.Body)
	return fmt.Sprint(part[0], " ", r.StatusCode), err
}
