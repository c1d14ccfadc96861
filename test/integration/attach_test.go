package integration

import (
	"context"
	"testing"
	"time"

	"github.com/fathomhq/fathom/internal/kernel"
)

// TestAttachUnderLoad attaches, detaches and ends Fathom under load: the traced programs
// must not notice, and when it stays attached again all counts are exact.
func TestAttachUnderLoad(t *testing.T) {
	f := load(t, kernel.Options{})
	if why := noSecondAttach(f.place); why != "" {
		t.Skip(why)
	}
	server, client := start(t, serverName, nil), start(t, clientName, nil)
	addr := server.load("Serve", LoadCall{}).Addr
	requests := 20_000
	if testing.Short() {
		requests = 4000
	}
	done := make(chan LoadReply)
	go func() {
		var r LoadReply
		c := LoadCall{Addr: addr, Requests: requests, Connections: 8, Kinds: mix}
		if err := client.call.Call("Load.Get", &c, &r); err != nil {
			r.Errors, r.First = 1, err.Error()
		}
		done <- r
	}()
	toggles := 0
	for running := true; running; toggles++ {
		select {
		case r := <-done:
			running = false
			if r.Errors > 0 {
				t.Errorf("%d requests failed, the first with: %s", r.Errors, r.First)
			}
		case <-time.After(20 * time.Millisecond):
			f.toggle(t, toggles)
		}
	}
	t.Logf("toggled %d times", toggles)
	if err := f.k.Attach(); err != nil {
		t.Fatal(err)
	}
	f.rest() // the last exchanges of connections that ended while nothing was attached
	before := f.count()
	r := client.get(LoadCall{Addr: addr, Requests: 2000, Connections: 8})
	client.stop()
	f.mustMatch(t, before, bothEnds(r.Counts), exchanges)
}

// toggle detaches and attaches by turns; every fourth time a second Fathom comes and
// goes besides.
func (f *fathom) toggle(t *testing.T, i int) {
	t.Helper()
	var err error
	if i%2 == 0 {
		err = f.k.Detach()
	} else {
		err = f.k.Attach()
	}
	if err != nil {
		t.Fatal(err)
	}
	if i%4 != 3 {
		return
	}
	k, err := kernel.Open(context.Background(), kernel.Options{})
	if err != nil {
		t.Fatalf("load a second time: %v", err)
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
}
