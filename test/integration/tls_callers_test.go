package integration

import (
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/fathomhq/fathom/internal/kernel"
)

// TestTLSCallers has as many goroutines wait in a call, at both ends, as there are connections.
func TestTLSCallers(t *testing.T) {
	pairs, n := 1, 9_000
	if long() {
		pairs, n = 3, 17_000 // a process may open 20,000 files in many places
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	f := loadTLSWith(t, kernel.Options{MaxConnections: 4 * pairs * n}, self)
	before := f.count()
	counts := make(map[string]uint64)
	var mu sync.Mutex
	var all sync.WaitGroup
	for range pairs {
		client, addr := start(t, clientName, nil), serveGoTLS(t)
		all.Go(func() {
			r := client.get(LoadCall{Addr: addr, Requests: 2 * n, Connections: n, TLS: true})
			client.stop()
			mu.Lock()
			defer mu.Unlock()
			for name, n := range r.Counts {
				counts[name] += n
			}
		})
	}
	all.Wait()
	f.mustMatch(t, before, bothEnds(counts), exchangesAndLost)
	t.Logf("%d connections", f.count()["client class http1"])
}

// TestTLSCallersOverflow has more goroutines wait than the table of callers holds: what is not counted is lost, and nothing is
// counted wrongly.
func TestTLSCallersOverflow(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	f := loadTLSWith(t, kernel.Options{MaxTLSCallers: 40}, self)
	before := f.count()
	client := start(t, clientName, nil)
	want := bothEnds(client.get(LoadCall{Addr: serveGoTLS(t), Requests: 4_000, Connections: 60, TLS: true}).Counts)
	client.stop()
	f.rest()
	got := f.count().sub(before)
	if got["lost tls_caller"] == 0 {
		t.Error("none were lost")
	}
	if _, wrong := tooMany(want, got); wrong != "" {
		t.Error(wrong)
	}
	var lost uint64
	for name, n := range got {
		if strings.HasPrefix(name, "lost ") && !strings.Contains(name, " bytes ") && !strings.Contains(name, "missed_run") {
			lost += n
		}
	}
	if n := missing(want, got); lost == 0 || n == 0 {
		t.Errorf("%d exchanges are missing, and %d lost", n, lost)
	} else {
		t.Logf("%d exchanges are missing, %d lost: %v", n, lost, got)
	}
	for _, table := range f.snapshot().Tables {
		if table.Name == "tls_callers" {
			if table.Limit != 40 || table.Overflowed == 0 || table.Used > 40 {
				t.Errorf("the table says %+v", table)
			}
		}
	}
	// Those of processes that are gone leave it.
	if !f.until(func(s *kernel.Snapshot) bool { return s.Tables[len(s.Tables)-1].Used == 0 }) {
		t.Errorf("%d goroutines of processes that are gone are in the table", f.snapshot().Tables[len(f.snapshot().Tables)-1].Used)
	}
}
