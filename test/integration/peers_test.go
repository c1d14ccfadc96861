package integration

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/fathomhq/fathom/internal/kernel"
)

// TestPeers checks who is said to be at the other end: for a client the address and port
// that it dialed, for a server the client's address alone.
func TestPeers(t *testing.T) {
	f := share(t, settleAfter)
	for _, c := range []struct{ listen, dial, peer string }{
		{"127.0.0.1:0", "127.0.0.1", "127.0.0.1"},
		{"[::1]:0", "[::1]", "::1"},
		{"[::]:0", "127.0.0.1", "127.0.0.1"},               // the server's socket is IPv6
		{"127.0.0.1:0", "[::ffff:127.0.0.1]", "127.0.0.1"}, // the client's is
	} {
		t.Run(c.dial+" to "+c.listen, func(t *testing.T) {
			p := newPair(t, f)
			l := p.server.listen(c.listen)
			l.addr = c.dial + l.addr[strings.LastIndex(l.addr, ":"):]
			conn, s := p.connectTo(l)
			p.exchange(conn, s, get, ok)
			p.client.stop()
			p.server.stop()
			dialed := netip.AddrPortFrom(netip.MustParseAddr(c.peer), netip.MustParseAddrPort(l.addr).Port())
			var missing string
			f.until(func(s *kernel.Snapshot) bool {
				missing = missingPeer(s, dialed)
				return missing == ""
			})
			if missing != "" {
				t.Errorf("no %s", missing)
			}
		})
	}
}

// missingPeer says what does not know the peers of a connection to the address.
func missingPeer(s *kernel.Snapshot, dialed netip.AddrPort) string {
	found := map[string]bool{}
	for _, h := range s.Exchanges {
		if h.Peer == dialed && h.Role == kernel.RoleClient && side(s.Workloads[h.Workload]) == "client" {
			found["exchange of a client"] = true
		}
	}
	for _, e := range s.Edges {
		switch {
		case e.Role == kernel.RoleClient && e.Peer == dialed && side(s.Workloads[e.Workload]) == "client":
			found["edge of a client"] = true
		case e.Role == kernel.RoleServer && e.Peer == netip.AddrPortFrom(dialed.Addr(), 0) && side(s.Workloads[e.Workload]) == "server":
			found["edge of a server"] = true
		}
	}
	for _, what := range []string{"exchange of a client", "edge of a client", "edge of a server"} {
		if !found[what] {
			return what + " with peer " + dialed.String()
		}
	}
	return ""
}
