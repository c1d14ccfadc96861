package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// wrk loads a server as fast as one thread can.
type wrk struct{ *child }

// startWrk starts wrk with 32 connections and further arguments.
func startWrk(ctx context.Context, s *starter, cpu int, url string, more ...string) (wrk, error) {
	args := append([]string{"-t1", "-c32", "-d24h", "--timeout", "10s"}, more...)
	// Ended by end.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), "wrk", append(args, url)...) //nolint:gosec // the benchmark's own arguments
	c, err := s.start("wrk", cmd, cpu)
	return wrk{c}, err
}

// Lines of wrk's report that tell of requests that went wrong.
var wrkErrors = regexp.MustCompile(`Socket errors:.*|Non-2xx.*`)

// end ends the load and returns what went wrong, as wrk tells it.
func (w wrk) end() string {
	w.stop(syscall.SIGINT)
	return strings.Join(wrkErrors.FindAllString(w.out.String(), -1), "; ")
}

func endAll(clients []client) {
	for _, c := range clients {
		c.end()
	}
}

// pace makes about perSecond requests per second over 8 connections, evenly, until ctx ends.
func pace(ctx context.Context, address string, perSecond int) error {
	const connections = 8
	group, ctx := errgroup.WithContext(ctx)
	every := time.Second * connections / time.Duration(perSecond)
	for i := range connections {
		group.Go(func() error {
			return paceOne(ctx, address, time.Now().Add(every*time.Duration(i)/connections), every)
		})
	}
	return group.Wait()
}

func paceOne(ctx context.Context, address string, next time.Time, every time.Duration) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Until(next)):
		}
		next = next.Add(every) // from the plan, not from now: the rate holds
		if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: bench\r\n\r\n"); err != nil {
			return fmt.Errorf("request: %w", err)
		}
		r, err := http.ReadResponse(in, nil)
		if err != nil {
			return fmt.Errorf("response: %w", err)
		}
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return fmt.Errorf("response: %w", err)
		}
		if err := r.Body.Close(); err != nil {
			return fmt.Errorf("response: %w", err)
		}
	}
}
