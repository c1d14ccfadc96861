package integration

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fathomhq/fathom/test/selfsigned"
)

// Load is what a helper does for tests that need many requests.
type Load struct{}

// LoadCall says what load to make, or to serve.
type LoadCall struct {
	Addr        string
	Requests    int  // in all
	Connections int  // at a time
	Fresh       bool // a connection per request
	Kinds       []Kind
	Delay       time.Duration
	TLS         bool
}

// Kind is one kind of request: which method and path, and which body.
type Kind struct {
	Method, Path string
	Body         int
}

// LoadReply is the truth: what the client received, and how long it took.
type LoadReply struct {
	Addr   string
	Counts map[string]uint64 // by "METHOD STATUS"
	Errors int
	First  string        // the first error
	Sum    time.Duration // of all exchanges, as the client measured them

	Least, Most time.Duration // Handled
}

// mix is the usual load: what the servers of these tests answer as told by the path.
var mix = []Kind{
	{"GET", "/200", 0}, {"GET", "/200", 0}, {"GET", "/404", 0}, {"POST", "/201", 100},
	{"HEAD", "/200", 0}, {"PUT", "/500", 20_000}, {"DELETE", "/204", 0}, {"GET", "/304", 0},
}

// Serve runs Go's HTTP server on a free port until the process ends: /STATUS answers
// with that status.
func (*Load) Serve(c *LoadCall, r *LoadReply) error {
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	l, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	r.Addr = l.Addr().String()
	if c.TLS {
		certificate, err := selfsigned.Pair()
		if err != nil {
			return err
		}
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{certificate}})
	}
	go func() {
		_ = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			var status int
			if _, err := fmt.Sscanf(q.URL.Path, "/%d", &status); err != nil {
				status = http.StatusNotFound
			}
			_, _ = io.Copy(io.Discard, q.Body)
			time.Sleep(c.Delay)
			w.WriteHeader(status)
			if status != http.StatusNoContent && status != http.StatusNotModified {
				_, _ = io.WriteString(w, "ok")
			}
		}))
	}()
	return nil
}

// ServeOneThread serves on a free port with a single thread: it waits for the next
// request on any connection, works on it for Delay, and answers.
func (*Load) ServeOneThread(c *LoadCall, r *LoadReply) error {
	var listen Reply
	if err := (&Sys{}).Listen(&Call{Addr: "127.0.0.1:0", N: 128}, &listen); err != nil || listen.Errno != 0 {
		return errors.Join(err, listen.Errno)
	}
	r.Addr = listen.Addr
	go serveOneThread(listen.FD, c.Delay)
	return nil
}

func serveOneThread(listener int, delay time.Duration) {
	fds := []unix.PollFd{{Fd: int32(listener), Events: unix.POLLIN}}
	b := make([]byte, 4096)
	for {
		if _, err := unix.Poll(fds, -1); err != nil && err != unix.EINTR {
			return
		}
		for i := range fds {
			switch {
			case fds[i].Revents == 0:
			case i == 0:
				if fd, _, err := unix.Accept4(listener, unix.SOCK_CLOEXEC); err == nil {
					fds = append(fds, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
				}
			default:
				if !answerAfter(int(fds[i].Fd), b, delay) {
					_ = unix.Close(int(fds[i].Fd))
					fds[i].Fd = -1
				}
			}
		}
	}
}

// handled is the time that the server of one thread was busy, in ns: at least from behind each read to before
// the write, at most from before the read to behind the write.
var handled struct{ least, most atomic.Int64 }

// answerAfter reads a request that is there and answers it after a delay. It returns false at the end of
// the connection.
func answerAfter(fd int, b []byte, delay time.Duration) bool {
	before := time.Now()
	n, err := unix.Read(fd, b)
	if n <= 0 || err != nil {
		return false
	}
	inside := time.Now()
	time.Sleep(delay)
	handled.least.Add(int64(time.Since(inside)))
	_, _ = unix.Write(fd, []byte(ok))
	handled.most.Add(int64(time.Since(before)))
	return true
}

// Handled tells for how long the server of ServeOneThread was handling requests.
func (*Load) Handled(_ *LoadCall, r *LoadReply) error {
	r.Least, r.Most = time.Duration(handled.least.Load()), time.Duration(handled.most.Load())
	return nil
}

// Get makes requests with Go's HTTP client and counts the responses.
func (*Load) Get(c *LoadCall, r *LoadReply) error {
	transport := &http.Transport{MaxIdleConnsPerHost: c.Connections, DisableKeepAlives: c.Fresh}
	scheme := "http://"
	if c.TLS {
		scheme, transport.TLSClientConfig = "https://", &tls.Config{InsecureSkipVerify: true} //nolint:gosec // the test's own certificate
	}
	client := &http.Client{Transport: transport, Timeout: time.Minute}
	var (
		next atomic.Int64
		mu   sync.Mutex
		wg   sync.WaitGroup
	)
	r.Counts = map[string]uint64{}
	for range c.Connections {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(c.Requests); i = next.Add(1) {
				k := c.Kinds[int(i)%len(c.Kinds)]
				took, name, err := getOnce(client, scheme+c.Addr, k)
				mu.Lock()
				r.Sum += took
				if err != nil {
					if r.Errors++; r.Errors == 1 {
						r.First = err.Error()
					}
				} else {
					r.Counts[name]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	transport.CloseIdleConnections()
	return nil
}

func getOnce(client *http.Client, addr string, k Kind) (time.Duration, string, error) {
	var body io.Reader
	if k.Body > 0 {
		body = strings.NewReader(strings.Repeat("b", k.Body))
	}
	q, err := http.NewRequest(k.Method, addr+k.Path, body)
	if err != nil {
		return 0, "", err
	}
	began := time.Now()
	resp, err := client.Do(q)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return 0, "", err
	}
	return time.Since(began), fmt.Sprint(k.Method, " ", resp.StatusCode), nil
}

// Spin keeps as many threads busy as there are Connections, until the process ends.
func (*Load) Spin(c *LoadCall, _ *LoadReply) error {
	runtime.GOMAXPROCS(c.Connections + 1)
	for range c.Connections {
		go func() {
			for i := 0; ; i++ {
				if i%(1<<20) == 0 {
					runtime.Gosched()
				}
			}
		}()
	}
	return nil
}
