package integration

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// randomPath makes exchanges of random kinds, cut at random, by random system calls, and
// knows what it made. FATHOM_SEED repeats a run.
func randomPath() path {
	return path{name: "exchanges of random kinds", run: func(p *pair) {
		r := seeded(p.T, 3)
		for range rounds(30) {
			c, s := p.connect()
			for range 1 + r.IntN(12) {
				made := p.randomExchange(r, c, s)
				p.made["server "+made]++
				p.made["client "+made]++
			}
			if r.IntN(2) == 0 {
				c.close()
				s.close()
			}
		}
	}}
}

// randomExchange makes one and returns its method and status.
func (p *pair) randomExchange(r *rand.Rand, c, s sock) string {
	p.Helper()
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	method := pick("GET", "GET", "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "REPORT")
	status := []int{200, 200, 201, 204, 301, 304, 400, 404, 418, 500, 503}[r.IntN(11)]
	request := method + " /" + strings.Repeat("p", r.IntN(300)) + " HTTP/1.1\r\nHost: it\r\n"
	if method == "POST" || method == "PUT" || method == "PATCH" {
		body := strings.Repeat("GET / HTTP/1.1\r\n\r\n", r.IntN(200))
		request += fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
	} else {
		request += "\r\n"
	}
	p.sendRandomly(r, c, s, request)
	var answer string
	for r.IntN(6) == 0 {
		answer += pick(interim100, interim103)
	}
	switch {
	case method == "HEAD" || status == 204 || status == 304:
		answer += fmt.Sprintf("HTTP/1.1 %d X\r\n\r\n", status)
	case r.IntN(3) == 0:
		answer += fmt.Sprintf("HTTP/1.1 %d X\r\nTransfer-Encoding: chunked\r\n\r\n", status)
		for range r.IntN(4) {
			answer += chunk(strings.Repeat("HTTP/1.1 500 X\r\n\r\n", 1+r.IntN(100)))
		}
		answer += lastChunk
	default:
		answer += response(fmt.Sprint(status, " X"), strings.Repeat("0\r\n\r\n", r.IntN(2000)))
	}
	p.sendRandomly(r, s, c, answer)
	known := []string{"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"}
	if !slices.Contains(known, method) {
		method = "OTHER"
	}
	return fmt.Sprint(method, " ", status)
}

// sendRandomly sends data in up to 12 pieces, each read in pieces of other sizes.
func (p *pair) sendRandomly(r *rand.Rand, from, to sock, data string) {
	p.Helper()
	sends := []string{"write", "sendto", "sendmsg", "writev", "pwritev2"}
	recvs := []string{"read", "recv", "recvfrom", "recvmsg", "readv", "preadv2"}
	size := func() int { return 1 + r.IntN(1<<(1+r.IntN(12))) }
	unread := ""
	for i := 0; len(data) > 0; i++ {
		n := min(size(), len(data))
		if i == 11 {
			n = len(data)
		}
		from.send(data[:n], via(sends[r.IntN(len(sends))], size(), size(), size()))
		unread += data[:n]
		data = data[n:]
		for len(unread) > 0 && (len(data) == 0 || r.IntN(3) > 0) {
			n := min(size(), len(unread))
			to.expect(unread[:n], via(recvs[r.IntN(len(recvs))], size(), size(), size()))
			unread = unread[n:]
		}
		if r.IntN(50) == 0 {
			time.Sleep(settleAfter / 10)
		}
	}
}
