package integration

import (
	"testing"

	"github.com/fathomhq/fathom/internal/kernel"
)

// TestListener fills a listener's queue: the connections in it and those that were
// dropped have to be seen.
func TestListener(t *testing.T) {
	f := share(t, settleAfter)
	ns := newNetns(t, "listener")
	server, client := start(t, serverName, ns), start(t, clientName, ns)
	const backlog = 4
	l := server.listenCall(Call{Addr: "127.0.0.1:0", N: backlog})
	for range backlog + 1 { // as many as the kernel lets wait
		client.dial(l.addr)
	}
	if !f.until(func(s *kernel.Snapshot) bool {
		got := listenerOf(s, l.addr)
		return got.Queue == backlog+1 && got.QueueMax == backlog
	}) {
		t.Errorf("full: %+v, want %d of %d", listenerOf(f.snapshot(), l.addr), backlog+1, backlog)
	}
	r := client.must("DialNonblocking", Call{Addr: l.addr}) // its SYN is dropped
	if !f.until(func(s *kernel.Snapshot) bool { return listenerOf(s, l.addr).Drops > 0 }) {
		t.Errorf("overflowing: %+v, want drops", listenerOf(f.snapshot(), l.addr))
	}
	client.must("Close", Call{FD: r.FD})
	for range backlog + 1 {
		l.accept()
	}
	if !f.until(func(s *kernel.Snapshot) bool { return listenerOf(s, l.addr).Queue == 0 }) {
		t.Errorf("emptied: %+v, want an empty queue", listenerOf(f.snapshot(), l.addr))
	}
	l.close()
	if !f.until(func(s *kernel.Snapshot) bool { return listenerOf(s, l.addr).QueueMax == 0 }) {
		t.Errorf("closed: %+v, want none", listenerOf(f.snapshot(), l.addr))
	}
}

// listenerOf finds the server's listener by its address.
func listenerOf(s *kernel.Snapshot, addr string) kernel.Listener {
	for _, l := range s.Listeners {
		if side(s.Workloads[l.Workload]) == "server" && l.Address.String() == addr {
			return l
		}
	}
	return kernel.Listener{}
}
