package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fathomhq/fathom/internal/kernel"
)

// activeOf returns the open exchanges of a helper.
func activeOf(s *kernel.Snapshot, name string) kernel.ActiveExchanges {
	var sum kernel.ActiveExchanges
	for _, a := range s.Active {
		if side(s.Workloads[a.Workload]) != name || a.Role.String() != name {
			continue
		}
		sum.Count += a.Count
		sum.Oldest = max(sum.Oldest, a.Oldest)
	}
	return sum
}

// activeIn tells which helpers have open exchanges, in lines like those of diff.
func activeIn(s *kernel.Snapshot) string {
	var out strings.Builder
	for _, name := range []string{"server", "client"} {
		if a := activeOf(s, name); a.Count != 0 {
			fmt.Fprintf(&out, "\n  %s: %d still active after the end", name, a.Count)
		}
	}
	return out.String()
}

// TestActive has servers that hang: their requests must show before they are answered.
func TestActive(t *testing.T) {
	f := share(t, settleAfter)
	before := f.count()
	p := newPair(t, f)
	var ends [][2]sock
	for range 3 {
		c, s := p.connect()
		c.send(get)
		s.expect(get)
		ends = append(ends, [2]sock{c, s})
	}
	shows := func(count int, atLeast time.Duration) {
		t.Helper()
		for _, name := range []string{"server", "client"} {
			var got kernel.ActiveExchanges
			if !f.until(func(s *kernel.Snapshot) bool {
				got = activeOf(s, name)
				return got.Count == count && got.Oldest >= atLeast
			}) {
				t.Errorf("%s: %d active, the oldest for %v; want %d, at least %v", name, got.Count, got.Oldest, count, atLeast)
			}
		}
	}
	shows(3, time.Nanosecond)
	time.Sleep(2 * settleAfter)
	shows(3, 2*settleAfter) // not settled: they are not answered
	for i, e := range ends {
		e[1].send(ok)
		e[0].expect(ok)
		shows(len(ends)-1-i, 0)
	}
	p.client.stop()
	p.server.stop()
	f.mustMatch(t, before, parseTally("", "3 server GET 200, 3 client GET 200"), exchangesAndLost)
}
