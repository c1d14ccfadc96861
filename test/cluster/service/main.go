// Command service is what the tests of a cluster deploy: an HTTP server that may ask the next one before it answers,
// and that counts what it did, as the truth that Fathom's numbers are compared with.
//
//	GET :8080/          answers 200, after a GET of NEXT if that is set
//	* :8080/status/404  answers that status, to any method
//	POST :8081/load     makes requests to NEXT: ?n=1000&connections=8&pause=10ms between those of a connection; answers when
//	                    all were answered, or with background=1 at once; with loss=5 new connections lose 5 % of what arrives
//	GET :8081/truth     what was served and made so far, as JSON
//
// With TLS=1 port 8080 speaks HTTPS, and NEXT may be of such a one.
//
// With GRPC=1 port 8080 speaks gRPC; NEXT is that of such a one as grpc://ADDRESS,ADDRESS...
//
// With FIRST=close it makes one request to NEXT as soon as it runs, and closes the connection; with FIRST=keep it keeps it. Requests to port 8081 are answered with statuses of their own, by which the comparison leaves them out.
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/fathomhq/fathom/test/selfsigned"
)

// Statuses of the port for control.
const (
	statusLoaded = http.StatusAccepted
	statusTruth  = http.StatusNonAuthoritativeInfo
)

// Truth is what the service did.
type Truth struct {
	Served int64     // requests to port 8080 that were answered
	Made   int64     // requests to NEXT that were answered
	Failed int64     // requests to NEXT that were not
	First  time.Time // when the first request to NEXT was made; zero if none was

	// Calls of gRPC, which are none of the above, by status.
	CallsServed, CallsMade map[string]int64 `json:",omitempty"`
}

type service struct {
	next                 string
	client               http.Client
	lossy                lossy
	served, made, failed atomic.Int64
	first                atomic.Pointer[time.Time]
	callsServed          outcomes
	calls                *caller // where NEXT speaks gRPC
}

func main() {
	s := &service{next: os.Getenv("NEXT")}
	s.client.Transport = &http.Transport{
		MaxIdleConnsPerHost: 64, DialContext: s.lossy.dial,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // the certificate is made anew by each service
	}
	if err := s.run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run serves until it is told to end, and then answers what is under way.
func (s *service) run() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	control := http.NewServeMux()
	control.HandleFunc("POST /load", s.load)
	control.HandleFunc("GET /truth", s.truth)
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	servers := []*http.Server{
		{Addr: ":8081", Handler: control, ReadHeaderTimeout: time.Minute},
		{Addr: ":" + port, Handler: http.HandlerFunc(s.answer), ReadHeaderTimeout: time.Minute},
	}
	failed := make(chan error, len(servers))
	if os.Getenv("GRPC") != "" {
		serve, stop, err := serveGRPC(":"+port, &s.callsServed)
		if err != nil {
			return err
		}
		defer stop()
		servers = servers[:1]
		go func() { failed <- serve() }()
	}
	if strings.HasPrefix(s.next, grpcScheme) {
		var err error
		if s.calls, err = newCaller(s.next); err != nil {
			return err
		}
	}
	if first := os.Getenv("FIRST"); first != "" {
		s.client.Transport.(*http.Transport).DisableKeepAlives = first == "close"
		go s.make(1, 1, 0)
	}
	if os.Getenv("TLS") != "" {
		certificate, err := selfsigned.Pair()
		if err != nil {
			return err
		}
		// HTTP/2 is not what is tested.
		servers[1].TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"http/1.1"}}
	}
	for _, server := range servers {
		listen := server.ListenAndServe
		if server.TLSConfig != nil {
			listen = func() error { return server.ListenAndServeTLS("", "") }
		}
		go func() { failed <- listen() }()
	}
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	var err error
	for _, server := range servers {
		err = errors.Join(err, server.Shutdown(ctx))
	}
	return err
}

func (s *service) answer(w http.ResponseWriter, r *http.Request) {
	defer s.served.Add(1)
	if s.next != "" && r.URL.Path == "/" {
		if err := s.ask(r.Context()); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	if status, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/status/")); err == nil && status >= 200 && status < 600 {
		w.WriteHeader(status)
	}
	_, _ = io.WriteString(w, "ok\n")
}

func (s *service) ask(ctx context.Context) error {
	if s.first.Load() == nil {
		s.first.CompareAndSwap(nil, new(time.Now()))
	}
	if s.calls != nil {
		return s.calls.ask(ctx)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.next, nil)
	if err != nil {
		return err
	}
	response, err := s.client.Do(request)
	if err != nil {
		s.failed.Add(1)
		return err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	s.made.Add(1)
	return err
}

func (s *service) load(w http.ResponseWriter, r *http.Request) {
	n, _ := strconv.Atoi(r.FormValue("n"))
	connections, _ := strconv.Atoi(r.FormValue("connections"))
	pause, _ := time.ParseDuration(r.FormValue("pause"))
	loss, _ := strconv.Atoi(r.FormValue("loss"))
	s.lossy.percent.Store(int64(loss))
	if r.FormValue("background") == "" {
		s.make(n, connections, pause)
	} else {
		go s.make(n, connections, pause)
	}
	s.write(w, statusLoaded)
}

// make makes n requests over that many connections.
func (s *service) make(n, connections int, pause time.Duration) {
	work := make(chan struct{})
	var done sync.WaitGroup
	for range max(1, connections) {
		done.Go(func() {
			for range work {
				if err := s.ask(context.Background()); err != nil {
					fmt.Fprintln(os.Stderr, err)
				}
				time.Sleep(pause)
			}
		})
	}
	for range n {
		work <- struct{}{}
	}
	close(work)
	done.Wait()
}

func (s *service) truth(w http.ResponseWriter, _ *http.Request) { s.write(w, statusTruth) }

func (s *service) write(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	truth := Truth{Served: s.served.Load(), Made: s.made.Load(), Failed: s.failed.Load(), CallsServed: s.callsServed.copy()}
	if s.calls != nil {
		truth.CallsMade = s.calls.copy()
	}
	if first := s.first.Load(); first != nil {
		truth.First = *first
	}
	_ = json.NewEncoder(w).Encode(truth)
}
