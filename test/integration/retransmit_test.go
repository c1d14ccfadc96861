package integration

import (
	"strings"
	"testing"

	"github.com/fathomhq/fathom/internal/kernel"
)

// TestRetransmits drops packets where they arrive and compares with TCP's own count of
// segments sent again, which the sending namespace keeps.
func TestRetransmits(t *testing.T) {
	f := load(t, kernel.Options{})
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
			before := f.snapshot()
			dropped := dropArriving(t, l.client, c.size, c.first, c.every, c.limit)
			bulk(t, l)
			want := l.server.retransmitted(t)
			if dropped() == 0 || want == 0 {
				t.Fatalf("dropped %d packets, %d segments sent again: tests nothing", dropped(), want)
			}
			var got tally
			ok := f.until(func(s *kernel.Snapshot) bool {
				got = edges(s, "server", kernel.RoleServer).sub(edges(before, "server", kernel.RoleServer))
				return got["retransmits"] == want
			})
			t.Logf("%d packets dropped, %d segments sent again: %v", dropped(), want, got)
			if !ok {
				t.Errorf("retransmits: want %d, got %d", want, got["retransmits"])
			}
			if n := l.client.retransmitted(t); n != 0 && f.k != nil {
				got := edges(f.snapshot(), "client", kernel.RoleClient).sub(edges(before, "client", kernel.RoleClient))
				if got["retransmits"] != n {
					t.Errorf("client's retransmits: want %d, got %d", n, got["retransmits"])
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
