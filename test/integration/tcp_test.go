package integration

import (
	"strings"
	"testing"

	"github.com/fathomhq/fathom/internal/kernel"
)

// TestTCPCounters compares bytes, openings, ends and resets with what the helpers did.
func TestTCPCounters(t *testing.T) {
	f := share(t, settleAfter)
	for _, c := range []struct {
		name           string
		run            func(p *pair)
		server, client tally // opened, closed and resets
	}{
		{"closed by the client", func(p *pair) {
			for range 3 {
				c, s := p.connect()
				p.exchange(c, s, get, ok)
				c.close()
				s.recvEOF()
				s.close()
			}
		}, tally{"opened": 3, "closed": 3}, tally{"opened": 3, "closed": 3}},
		{"large bodies", func(p *pair) {
			c, s := p.connect()
			head, body := upload(1 << 20)
			p.transfer(c, s, head+body)
			p.transfer(s, c, response("200 OK", strings.Repeat("x", 3<<20)))
		}, tally{"opened": 1, "closed": 1}, tally{"opened": 1, "closed": 1}},
		{"not HTTP", func(p *pair) {
			c, s := p.connect()
			p.exchange(c, s, "\x00\x01\x02", "\x03\x04")
		}, tally{"opened": 1, "closed": 1}, tally{"opened": 1, "closed": 1}},
		{"reset by the client", func(p *pair) {
			c, s := p.connect()
			p.exchange(c, s, get, ok)
			c.reset()
			s.recvError()
			s.close()
		}, tally{"opened": 1, "closed": 1, "resets received": 1}, tally{"opened": 1, "closed": 1, "resets sent": 1}},
		{"reset by the server", func(p *pair) {
			c, s := p.connect()
			p.exchange(c, s, get, ok)
			s.reset()
			c.recvError()
			c.close()
		}, tally{"opened": 1, "closed": 1, "resets sent": 1}, tally{"opened": 1, "closed": 1, "resets received": 1}},
		{"one way", func(p *pair) {
			c, s := p.connect()
			c.send(get)
			s.expect(get)
			c.close()
			s.recvEOF()
		}, tally{"opened": 1, "closed": 1}, tally{"opened": 1, "closed": 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := f.snapshot()
			p := newPair(t, f)
			c.run(p)
			p.client.stop()
			p.server.stop()
			c.server["bytes sent"], c.client["bytes received"] = p.server.sent, p.server.sent
			c.client["bytes sent"], c.server["bytes received"] = p.client.sent, p.client.sent
			watch := func(k string) bool {
				return !strings.HasPrefix(k, "retransmits") && k != "segments sent" && k != "rtt samples"
			}
			f.matchEdges(t, before, "server", kernel.RoleServer, c.server, watch)
			f.matchEdges(t, before, "client", kernel.RoleClient, c.client, watch)
		})
	}
}

// TestTCPSamples checks what depends on when it is sampled: only that it is there while
// the connection lives.
func TestTCPSamples(t *testing.T) {
	f := share(t, settleAfter)
	before := f.snapshot()
	p := newPair(t, f)
	c, s := p.connect()
	p.exchange(c, s, get, ok)
	for _, name := range []string{"server", "client"} {
		role := kernel.RoleServer
		if name == "client" {
			role = kernel.RoleClient
		}
		var got tally
		if !f.until(func(s *kernel.Snapshot) bool {
			got = edges(s, name, role).sub(edges(before, name, role))
			return got["rtt samples"] > 0 && got["segments sent"] > 0 && got["bytes sent"] > 0
		}) {
			t.Errorf("%s: not sampled while the connection lives: %v", name, got)
		}
	}
}
