package integration

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
)

// hostilePaths send bytes that mean harm, or nothing.
func hostilePaths() []path {
	paths := []path{
		{name: "method without an end", class: "other", run: oneWay("GETGETGETGETGETGETGET")},
		{name: "method of 1 MB", class: "other", run: oneWay(strings.Repeat("A", 1<<20))},
		{name: "lower case", class: "other", run: oneWay("get / HTTP/1.1\r\n\r\n")},
		{name: "only line ends", class: "other", run: oneWay(strings.Repeat("\r\n", 100))},
		{name: "NUL in the method", class: "other", run: oneWay("GE\x00T / HTTP/1.1\r\n\r\n")},
		{name: "tab after the method", class: "other", run: oneWay("GET\t/ HTTP/1.1\r\n\r\n")},
		{name: "response where a request belongs", class: "other", run: oneWay(ok)},
	}
	for _, c := range []struct{ name, bytes, want string }{
		{"letters for a status", "HTTP/1.1 abc OK\r\n\r\n", "GET other"},
		{"a negative status", "HTTP/1.1 -20 OK\r\n\r\n", "GET other"},
		{"four digits", "HTTP/1.1 2000 OK\r\n\r\n", "GET other"},
		{"no status", "HTTP/1.1 \r\nA: b\r\n\r\n", "GET other"},
		{"no space", "HTTP/1.1200 OK\r\n\r\n", "GET other"},
		{"garbage", "\x00\xff\x00\xff garbage", "GET other"},
		{"another version", "HTTP/9.9 200 OK\r\n\r\n", "GET other"},
	} {
		paths = append(paths, path{name: "answered with " + c.name, want: c.want, run: func(p *pair) {
			conn, s := p.connect()
			p.exchange(conn, s, get, c.bytes)
		}})
	}
	return append(paths, fuzz())
}

// oneWay sends the bytes to a server that does not answer.
func oneWay(data string) func(*pair) {
	return func(p *pair) {
		c, s := p.connect()
		p.transfer(c, s, data)
	}
}

// fuzz sends random bytes in random pieces, both ways, on many connections. The first
// bytes are such that nothing known can start with them. FATHOM_SEED repeats a run.
func fuzz() path {
	return path{name: "random bytes at random cuts", class: "other", run: func(p *pair) {
		r := seeded(p.T, 1)
		for range rounds(40) {
			c, s := p.connect()
			for range 1 + r.IntN(4) {
				p.transferCut(r, c, s, "\x00"+randomText(r))
				p.transferCut(r, s, c, randomText(r))
			}
			c.close()
			s.close()
		}
	}}
}

// randomText returns bytes that look like HTTP now and then.
func randomText(r *rand.Rand) string {
	words := []string{"GET ", "POST ", "HTTP/1.1 ", "200", " OK\r\n", "\r\n\r\n", "0\r\n\r\n", "\x16\x03\x01", "PRI * HTTP/2.0\r\n", "\x00", "\xff"}
	n := 1 + r.IntN(1<<uint(1+r.IntN(17)))
	var b strings.Builder
	for b.Len() < n {
		if r.IntN(3) == 0 {
			b.WriteString(words[r.IntN(len(words))])
		} else {
			fmt.Fprintf(&b, "%c", byte(r.Uint32()))
		}
	}
	return b.String()[:n]
}

// transferCut sends data in up to 8 pieces.
func (p *pair) transferCut(r *rand.Rand, from, to sock, data string) {
	p.Helper()
	for i := 0; len(data) > 0; i++ {
		n := 1 + r.IntN(len(data))
		if i == 7 {
			n = len(data)
		}
		p.transfer(from, to, data[:n])
		data = data[n:]
	}
}

// rounds returns how often something random is tried: a quarter of n in the short form, which many guests run.
func rounds(n int) int {
	if testing.Short() {
		return n / 4
	}
	return n
}

// seeded returns a source of random numbers that FATHOM_SEED repeats.
func seeded(t *testing.T, stream uint64) *rand.Rand {
	seed := rand.Uint64()
	if n, err := strconv.ParseUint(os.Getenv("FATHOM_SEED"), 10, 64); err == nil {
		seed = n
	}
	t.Logf("FATHOM_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, stream))
}
