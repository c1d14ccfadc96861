package integration

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fathomhq/fathom/internal/kernel"
)

// TestConnectFailures lets connection attempts fail in each way there is.
func TestConnectFailures(t *testing.T) {
	f := share(t, settleAfter)
	ns := newNetns(t, "connect")
	blackhole, unreachable := netip.MustParsePrefix("10.78.0.0/24"), netip.MustParsePrefix("10.79.0.0/24")
	l := newVethPair(t, "connect")
	for prefix, kind := range map[netip.Prefix]uint8{blackhole: unix.RTN_BLACKHOLE, unreachable: unix.RTN_UNREACHABLE} {
		if err := ns.do(func() error { return addRoute(prefix, kind, netip.Addr{}) }); err != nil {
			t.Fatal(err)
		}
	}
	// The server's namespace is a router that has no route: it says so at once, on the CPU that sends the SYN.
	routed := netip.MustParsePrefix("10.81.0.0/24")
	l.server.sysctl(t, "net.ipv4.ip_forward", "1")
	for ns, route := range map[*netns]func() error{
		l.server: func() error { return addRoute(routed, unix.RTN_UNREACHABLE, netip.Addr{}) },
		l.client: func() error { return addRoute(routed, unix.RTN_UNICAST, serverEnd.Addr()) },
	} {
		if err := ns.do(route); err != nil {
			t.Fatal(err)
		}
	}
	asked := tally{"failed unreachable": 1}
	if runningRelease(t).before(5, 16) {
		// Asking takes the error away, see icmp_error() in bpf/socket/connect.h, unless the router's word came behind connect().
		asked = tally{"failed unreachable": whatever, "failed abandoned": whatever}
	}
	silent := netip.AddrPortFrom(serverEnd.Addr(), 9).String()
	for _, c := range []struct {
		name string
		ns   *netns
		want tally
		run  func(t *testing.T, client *proc)
	}{
		{"refused", ns, tally{"failed refused": 3}, func(t *testing.T, client *proc) {
			for range 3 {
				client.fails(Call{Addr: "127.0.0.1:9"}, unix.ECONNREFUSED)
			}
		}},
		{"refused, ipv6", ns, tally{"failed refused": 1}, func(t *testing.T, client *proc) {
			client.fails(Call{Addr: "[::1]:9"}, unix.ECONNREFUSED)
		}},
		{"timed out", l.client, tally{"failed timed_out": 1, "retransmits syn": some}, func(t *testing.T, client *proc) {
			dropArriving(t, l.server, 0, 0, 1, 1<<20)
			client.fails(Call{Addr: silent, Opts: []Opt{{unix.IPPROTO_TCP, unix.TCP_SYNCNT, 1}}}, unix.ETIMEDOUT)
		}},
		{"timed out by the user's limit", l.client, tally{"failed timed_out": 1}, func(t *testing.T, client *proc) {
			dropArriving(t, l.server, 0, 0, 1, 1<<20)
			client.fails(Call{Addr: silent, Opts: []Opt{{unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 100}}}, unix.ETIMEDOUT)
		}},
		{"unreachable host", l.client, tally{"failed unreachable": 1}, func(t *testing.T, client *proc) {
			// Nobody answers ARP for this address.
			client.fails(Call{Addr: "10.77.0.77:9"}, unix.EHOSTUNREACH)
		}},
		{"a router on this host says that it is unreachable", l.client, tally{"failed unreachable": 1}, func(_ *testing.T, client *proc) {
			r := client.must("DialNonblocking", Call{Addr: "10.81.0.1:9"})
			client.must("Close", Call{FD: r.FD})
		}},
		{"and the process has asked for the error", l.client, asked, func(t *testing.T, client *proc) {
			r := client.must("DialNonblocking", Call{Addr: "10.81.0.1:9"})
			if got := client.do("SocketError", Call{FD: r.FD}); got.Errno != unix.EHOSTUNREACH {
				t.Fatalf("the socket's error is %v", got.Errno)
			}
			client.must("Close", Call{FD: r.FD})
		}},
		{"no route, which TCP does not see", ns, tally{}, func(t *testing.T, client *proc) {
			client.fails(Call{Addr: "10.78.0.1:9"}, unix.EINVAL)
			client.fails(Call{Addr: "10.79.0.1:9"}, unix.EHOSTUNREACH)
			client.fails(Call{Addr: "10.80.0.1:9"}, unix.ENETUNREACH)
		}},
		{"abandoned", l.client, tally{"failed abandoned": 2}, func(t *testing.T, client *proc) {
			dropArriving(t, l.server, 0, 0, 1, 1<<20)
			for range 2 {
				r := client.must("DialNonblocking", Call{Addr: silent})
				client.must("Close", Call{FD: r.FD})
			}
		}},
		{"abandoned by a process that dies", l.client, tally{"failed abandoned": 1}, func(t *testing.T, client *proc) {
			dropArriving(t, l.server, 0, 0, 1, 1<<20)
			client.must("DialNonblocking", Call{Addr: silent})
			client.kill()
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := f.snapshot()
			client := start(t, clientName, c.ns)
			sent := c.ns.retransmitted(t)
			c.run(t, client)
			client.stop()
			if c.want["retransmits syn"] != 0 {
				c.want["retransmits syn"] = c.ns.retransmitted(t) - sent
			}
			f.matchEdges(t, before, "client", kernel.RoleClient, c.want, func(k string) bool {
				return len(k) > 7 && k[:7] == "failed " || k == "retransmits syn" && c.want[k] != 0
			})
		})
	}
}

// fails dials and expects the error.
func (p *proc) fails(c Call, want unix.Errno) {
	p.t.Helper()
	if r := p.do("Dial", c); r.Errno != want {
		p.t.Fatalf("dial %s: %v, want %v", c.Addr, r.Errno, want)
	}
}

// matchEdges waits until the TCP counters that watch lets through have grown as wanted.
func (f *fathom) matchEdges(t *testing.T, before *kernel.Snapshot, name string, role kernel.Role, want tally, watch func(string) bool) {
	t.Helper()
	var d string
	f.until(func(s *kernel.Snapshot) bool {
		got := tally{}
		for k, n := range edges(s, name, role).sub(edges(before, name, role)) {
			if watch(k) {
				got[k] = n
			}
		}
		d = diff(want, got)
		return d == ""
	})
	if d != "" {
		t.Errorf("edges of the %s:%s", name, d)
	}
}
