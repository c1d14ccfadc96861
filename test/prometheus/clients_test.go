package prometheus

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/fathomhq/fathom/test/process"
)

// tally is what clients saw. An answer counts when all of it has arrived. A client has one
// request at a time on a connection, so that no server is killed with an answer that only
// the server knows of: writing it over loopback delivers it.
type tally struct {
	mu         sync.Mutex
	answered   map[string]int // by status
	unanswered int            // written, and the connection broke
}

func (c *tally) total() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, answers := range c.answered {
		n += answers
	}
	return n
}

// grows waits for some more answers.
func (c *tally) grows(t *testing.T) {
	t.Helper()
	before := c.total()
	for end := time.Now().Add(process.Patience); c.total() < before+50; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("no answers")
		}
	}
}

// load lets clients visit the unit until stop is called. Then the tally is final.
func (u *unit) load(t *testing.T) (seen *tally, stop func()) {
	seen = new(tally)
	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for range 3 {
		clients.Go(func() {
			for ctx.Err() == nil {
				u.visit(ctx, seen, math.MaxInt)
				time.Sleep(2 * time.Millisecond)
			}
		})
	}
	return seen, func() {
		cancel()
		clients.Wait()
	}
}

// visit makes requests on one connection until it breaks: a slow one, a fast one, then at
// random one slow in ten.
func (u *unit) visit(ctx context.Context, seen *tally, n int) {
	address, _ := u.address.Load().(string)
	if address == "" {
		return
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return
	}
	defer conn.Close()
	r := bufio.NewReader(conn)
	for i := 0; i < n && ctx.Err() == nil; i++ {
		status := statusFast
		if i == 0 || i > 1 && rand.N(10) == 0 {
			status = statusSlow
		}
		if !seen.ask(conn, r, status) {
			return
		}
		time.Sleep(8 * time.Millisecond)
	}
}

// ask makes one request and tells whether it was answered.
func (c *tally) ask(conn net.Conn, r *bufio.Reader, status int) bool {
	_ = conn.SetDeadline(time.Now().Add(process.Patience))
	_, err := fmt.Fprintf(conn, "GET /%d HTTP/1.1\r\nHost: unit\r\n\r\n", status)
	if err == nil {
		err = answer(r, status)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.unanswered++
		return false
	}
	if c.answered == nil {
		c.answered = make(map[string]int)
	}
	c.answered[strconv.Itoa(status)]++
	return true
}

// answer reads one response to its end.
func answer(r *bufio.Reader, status int) error {
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != status {
		return fmt.Errorf("status %s instead of %d", resp.Status, status)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}
