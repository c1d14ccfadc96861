package integration

import (
	"fmt"
	"testing"

	"github.com/fathomhq/fathom/internal/kernel"
)

// TestSeriesLimit has a workload that wants ten times as many series as there may be: the
// surplus goes to the overflow, and another workload keeps its own numbers.
func TestSeriesLimit(t *testing.T) {
	const limit = 100
	f := load(t, kernel.Options{MaxSeries: limit, MaxSeriesPerWorkload: limit / 4})
	noisy := start(t, noisyName, nil)
	p := newPair(t, f)
	var wanted uint64
	c, s := noisyConnection(p, noisy)
	before := tables(f.snapshot())
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE"} {
		for status := 200; status < 400; status++ {
			p.exchange(c, s, request(method), fmt.Sprintf("HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n", status))
			wanted++
		}
	}
	c.close()
	after := tables(f.snapshot())
	q, r := p.connect()
	p.exchange(q, r, get, ok)
	p.exchange(q, r, post, response("404 No", ""))
	q.close()
	got := tally{}
	f.until(func(s *kernel.Snapshot) bool {
		got = commandCounts(s, noisyName)
		return got["exchanges"]+got["overflow"] == wanted
	})
	if got["exchanges"]+got["overflow"] != wanted || got["overflow"] == 0 {
		t.Errorf("noisy: %d exchanges in series of their own and %d in the overflow, want %d in all", got["exchanges"], got["overflow"], wanted)
	}
	if got["series"] > limit/4 {
		t.Errorf("noisy: %d series, the limit is %d", got["series"], limit/4)
	}
	want := parseTally("client ", "GET 200, POST 404")
	f.mustMatch(t, tally{}, want, func(k string) bool { return len(k) > 7 && k[:7] == "client " && exchanges(k) })
	if table := after["http_series"]; table.Used > limit || table.Overflowed == 0 {
		t.Errorf("series table: %+v, want at most %d used and overflows", table, limit)
	}
	for name, table := range after {
		if table.MemoryBytes != before[name].MemoryBytes && before[name].MemoryBytes > 0 && table.MemoryBytes > 2*before[name].MemoryBytes {
			t.Errorf("memory of %s grew from %d to %d bytes", name, before[name].MemoryBytes, table.MemoryBytes)
		}
	}
}

// noisyConnection connects from the noisy helper to the pair's server.
func noisyConnection(p *pair, noisy *proc) (c, s sock) {
	c = noisy.dial(p.listener().addr)
	return c, p.listener().accept()
}

// TestConnectionLimit opens ten times as many connections as there may be. What was
// not tracked is lost, and counted so; what came before keeps its numbers.
func TestConnectionLimit(t *testing.T) {
	const limit, n = 1000, 5000 // each has two ends
	f := load(t, kernel.Options{MaxConnections: limit})
	p := newPair(t, f)
	c, s := p.connect()
	p.exchange(c, s, get, ok)
	noisy := start(t, noisyName, nil)
	var noisyC, noisyS sock
	for range n {
		noisyC, noisyS = noisyConnection(p, noisy)
	}
	before := f.count()
	p.exchange(noisyC, noisyS, get, ok) // the last one: not tracked
	p.exchange(c, s, get, ok)
	table := tables(f.snapshot())["connections"]
	if table.Used > limit || table.Overflowed < 2*n-limit {
		t.Errorf("connection table: %+v, want at most %d used and at least %d overflows", table, limit, 2*n-limit)
	}
	got := f.count()
	if lost := got["lost connections_full"]; lost < 2*n-limit {
		t.Errorf("%d connections counted as lost, want at least %d", lost, 2*n-limit)
	}
	bytes := uint64(len(get) + len(ok)) // both ends read one and write the other
	for _, name := range []string{"lost read bytes connections_full", "lost write bytes connections_full"} {
		if n := got.sub(before)[name]; n != bytes {
			t.Errorf("%s: want %d, got %d", name, bytes, n)
		}
	}
	noisy.stop()
	p.exchange(c, s, get, ok)
	p.client.stop()
	f.mustMatch(t, tally{}, parseTally("", "3 server GET 200, 3 client GET 200"), exchanges) // the connection from before
}

func tables(s *kernel.Snapshot) map[string]kernel.Table {
	out := map[string]kernel.Table{}
	for _, t := range s.Tables {
		out[t.Name] = t
	}
	return out
}

// commandCounts counts the exchanges of a workload, those in its overflow and in the
// global one apart, and its series.
func commandCounts(s *kernel.Snapshot, command string) tally {
	out := tally{}
	for _, h := range s.Exchanges {
		switch {
		case h.Overflow && (h.Workload == 0 || s.Workloads[h.Workload].Command == command):
			out["overflow"] += h.Duration.Count()
		case s.Workloads[h.Workload].Command == command:
			out["exchanges"] += h.Duration.Count()
			out["series"]++
		}
	}
	return out
}
