package history

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fathomhq/fathom/internal/kernel"
)

// One bad link shows however much goes over the others; one with few retransmissions does not.
func TestWorstLink(t *testing.T) {
	h := newHost(t, nil)
	id := h.begin(1, unit("shop.service"))
	send := func(role kernel.Role, peer string, segments, resent uint64) {
		e := h.edge(id, role, peer)
		e.SegmentsSent += segments
		e.Retransmits[kernel.RetransmitFast] += resent
	}
	send(kernel.RoleClient, "10.0.0.1:80", 100, 0)
	h.next(Interval)
	if got := h.row("shop.service", time.Minute).WorstLink; got != nil {
		t.Errorf("without retransmissions: %+v", got)
	}
	send(kernel.RoleClient, "10.0.0.1:80", 1_000_000, 1000)
	send(kernel.RoleClient, "10.0.0.2:80", 100, 5)
	send(kernel.RoleServer, "10.0.0.3:0", 10, worstLinkResent-1)
	h.next(Interval)
	want := &Link{Role: "client", End: End{Peer: "10.0.0.2:80"}, SegmentsSent: 100, Resent: 5, RetransmitRatio: 0.05}
	if diff := cmp.Diff(want, h.row("shop.service", time.Minute).WorstLink); diff != "" {
		t.Error(diff)
	}
}
