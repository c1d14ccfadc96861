package main

import (
	"net/netip"
	"testing"
)

// No address belongs to two of nodes, pods and services, of any cluster.
func TestNetworksAreApart(t *testing.T) {
	var all []netip.Prefix
	for n := network(0); n <= maxIndex; n++ {
		part := []netip.Prefix{n.nodes(), n.services()}
		for i := 1; i <= maxNodes; i++ {
			part = append(part, n.pods(i))
			if !n.nodes().Contains(n.node(i)) || n.node(i) == n.host() {
				t.Errorf("index %d: node %d has %s", n, i, n.node(i))
			}
		}
		for _, p := range part {
			if !n.all().Contains(p.Addr()) || p.Bits() <= n.all().Bits() {
				t.Errorf("index %d: %s is not in %s", n, p, n.all())
			}
		}
		all = append(all, part...)
	}
	for i, p := range all {
		for _, q := range all[i+1:] {
			if p.Overlaps(q) {
				t.Errorf("%s and %s share addresses", p, q)
			}
		}
	}
}

func TestServiceAddresses(t *testing.T) {
	n := network(3)
	for got, want := range map[string]string{
		n.all().String(): "10.243.0.0/16", n.services().String(): "10.243.128.0/17", n.apiService().String(): "10.243.128.1",
		n.node(2).String(): "10.243.0.12", n.pods(2).String(): "10.243.2.0/24", n.server(): "https://10.243.0.11:6443",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if !n.services().Contains(n.directory()) || n.directory() == n.apiService() {
		t.Errorf("the directory has %s", n.directory())
	}
}

// The kernel takes names of 15 bytes (IFNAMSIZ in linux/if.h).
func TestLinkNames(t *testing.T) {
	if name := network(maxIndex).link(maxNodes); len(name) > 15 {
		t.Errorf("%q is too long", name)
	}
}

func TestOverlapping(t *testing.T) {
	for _, c := range []struct {
		host string
		want bool
	}{
		{"192.0.2.2/24", false}, {"10.240.3.4/24", true}, {"10.241.3.4/16", false}, {"10.0.0.1/8", true}, {"fd00::2/64", false},
	} {
		if p, got := network(0).overlapping([]netip.Prefix{netip.MustParsePrefix("127.0.0.1/8"), netip.MustParsePrefix(c.host)}); got != c.want {
			t.Errorf("%s: %v, by %s", c.host, got, p)
		}
	}
}

// Each node reaches the pods of all others.
func TestRoutes(t *testing.T) {
	routes := map[string]string{}
	for _, args := range network(0).inside(2, 3) {
		if args[0] == "route" {
			routes[args[2]] = args[4]
		}
	}
	want := map[string]string{"default": "10.240.0.1", "10.240.1.0/24": "10.240.0.11", "10.240.3.0/24": "10.240.0.13"}
	if len(routes) != len(want) {
		t.Errorf("routes %v", routes)
	}
	for to, via := range want {
		if routes[to] != via {
			t.Errorf("to %s via %q, want %s", to, routes[to], via)
		}
	}
}
