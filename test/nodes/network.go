package main

import (
	"fmt"
	"net/netip"
)

// network has the addresses of the cluster with this index, all in 10.(240+index).0.0/16.
type network int

func (n network) address(third, fourth int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(240 + int(n)), byte(third), byte(fourth)})
}

func (n network) all() netip.Prefix { return netip.PrefixFrom(n.address(0, 0), 16) }

// nodes is the network that nodes, numbered from 1, share with the host.
func (n network) nodes() netip.Prefix { return netip.PrefixFrom(n.address(0, 0), 24) }

func (n network) host() netip.Addr { return n.address(0, 1) }

func (n network) node(i int) netip.Addr { return n.address(0, 10+i) }

// pods is the network of a node's pods.
func (n network) pods(i int) netip.Prefix { return netip.PrefixFrom(n.address(i, 0), 24) }

func (n network) services() netip.Prefix { return netip.PrefixFrom(n.address(128, 0), 17) }

// apiService is what the service default/kubernetes gets: the first address.
func (n network) apiService() netip.Addr { return n.services().Addr().Next() }

// directory is an address for Fathom's directory, since there is no DNS. In a network of this size the lowest 256 are for
// services that ask for one; the others get theirs from above as long as there are any (KEP-3070).
func (n network) directory() netip.Addr { return n.address(128, 77) }

// server is the URL of the API server.
func (n network) server() string { return fmt.Sprintf("https://%s:6443", n.node(1)) }

// bridge is the interface to which the nodes' are attached.
func (n network) bridge() string { return fmt.Sprintf("fathom%d", int(n)) }

// link is the host's end of what leads to a node.
func (n network) link(i int) string { return fmt.Sprintf("fathom%dn%d", int(n), i) }

// overlapping returns the first network of the host that shares addresses with the cluster's.
func (n network) overlapping(host []netip.Prefix) (netip.Prefix, bool) {
	for _, p := range host {
		if p.Overlaps(n.all()) {
			return p, true
		}
	}
	return netip.Prefix{}, false
}

// plumbing are the commands that attach a node, whose namespace is that of a process, to the bridge. The other end is its eth0.
func (n network) plumbing(i, pid int) [][]string {
	return [][]string{
		{"link", "add", n.link(i), "type", "veth", "peer", "name", "eth0", "netns", fmt.Sprint(pid)},
		{"link", "set", n.link(i), "master", n.bridge(), "up"},
		{"route", "add", n.pods(i).String(), "via", n.node(i).String()},
	}
}

// inside are the commands that a node of so many runs in its namespace.
func (n network) inside(i, nodes int) [][]string {
	commands := [][]string{
		{"link", "set", "lo", "up"},
		{"address", "add", netip.PrefixFrom(n.node(i), n.nodes().Bits()).String(), "dev", "eth0"},
		{"link", "set", "eth0", "up"},
		{"route", "add", "default", "via", n.host().String()},
	}
	for j := 1; j <= nodes; j++ {
		if j != i {
			commands = append(commands, []string{"route", "add", n.pods(j).String(), "via", n.node(j).String()})
		}
	}
	return commands
}
