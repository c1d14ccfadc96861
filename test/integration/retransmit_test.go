package integration

import (
	"strings"
	"testing"

	"github.com/fathomhq/fathom/internal/kernel"
)

// TestRetransmits drops packets where they arrive and compares with TCP's own count of
// segments sent again, which the sending namespace keeps.
func TestRetransmits(t *testing.T) {
	f := share(t, settleAfter)
	for _, c := range []struct {
		name                      string
		offload                   bool
		size, first, every, limit int32
	}{
		{"data, with segmentation offload", true, 1000, 3, 11, 100},
		{"data, without segmentation offload", false, 1000, 3, 23, 200},
		{"handshake", true, 0, 0, 1, 1},
		{"the last packets", true, 60, 12, 1, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newVethPair(t, "retransmits")
			if err := l.server.do(func() error {
				if err := setFeature("veth0", ethtoolTSO, c.offload); err != nil {
					return err
				}
				return setFeature("veth0", ethtoolGSO, c.offload)
			}); err != nil {
				t.Fatalf("set offload: %v", err)
			}
			if testing.Short() {
				c.limit = min(c.limit, 30) // in a guest, where one may take TCP a second, and a series of them minutes
			}
			before := f.snapshot()
			dropped := dropArriving(t, l.client, c.size, c.first, c.every, c.limit)
			bulk(t, l)
			if n := l.server.retransmitted(t); dropped() == 0 || n == 0 {
				t.Fatalf("dropped %d packets, %d segments sent again: tests nothing", dropped(), n)
			}
			for _, end := range []struct {
				name string
				role kernel.Role
				ns   *netns
			}{{"server", kernel.RoleServer, l.server}, {"client", kernel.RoleClient, l.client}} {
				var got tally
				var want uint64
				ok := f.until(func(s *kernel.Snapshot) bool {
					got = edges(s, end.name, end.role).sub(edges(before, end.name, end.role))
					want = end.ns.retransmitted(t) // a late one may still come
					return got["retransmits"] == want
				})
				t.Logf("%s: %d packets dropped, %d segments sent again: %v", end.name, dropped(), want, got)
				if !ok {
					t.Errorf("%s: %d retransmits, want %d", end.name, got["retransmits"], want)
				}
			}
		})
	}
}

// bulk makes a few exchanges with large and small bodies over the link.
func bulk(t *testing.T, l vethPair) {
	p := &pair{T: t, server: start(t, serverName, l.server), client: start(t, clientName, l.client)}
	c, s := p.connectTo(p.server.listen(serverEnd.Addr().String() + ":0"))
	for _, size := range []int{10, 2 << 20, 10, 100} {
		c.send(get)
		s.expect(get)
		p.transfer(s, c, response("200 OK", strings.Repeat("x", size)))
	}
	p.client.stop()
	p.server.stop()
}
