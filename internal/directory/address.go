package directory

import (
	"net/netip"
	"slices"
)

// address is what the index holds of one IP address.
type address struct {
	ip       netip.Addr
	pods     []*pod     // that have it as their own, in the order in which they got it
	hosts    []*pod     // in the host's network of the node that has it, likewise
	services []*service // by name
	nodes    int        // pods that run on the node that has it
	topics   []*topic
}

func (x *Index) address(ip netip.Addr) *address {
	a := x.addresses[ip]
	if a == nil {
		a = &address{ip: ip}
		x.addresses[ip] = a
	}
	return a
}

// change changes what is known of an address.
func (x *Index) change(ip netip.Addr, do func(*address)) {
	a := x.address(ip)
	do(a)
	x.touch(a)
	if a.nodes > 0 {
		x.nodes[a] = struct{}{}
	} else {
		delete(x.nodes, a)
	}
	x.release(a)
}

// release drops an address that nothing is known of.
func (x *Index) release(a *address) {
	if len(a.pods)+len(a.hosts)+len(a.services)+a.nodes+len(a.topics) == 0 {
		delete(x.addresses, a.ip)
	}
}

// touch notes that answers for an address may have changed.
func (x *Index) touch(a *address) {
	if len(a.topics) > 0 {
		x.dirty[a] = struct{}{}
	}
}

// identify applies the rules; see [Index]. a may be nil.
func (x *Index) identify(a *address, port uint16) Identity {
	if a == nil {
		return Identity{}
	}
	if p := newest(a.pods, func(*pod) bool { return true }); p != nil {
		return p.group.identity(port)
	}
	if port != 0 {
		if p := newest(a.hosts, func(p *pod) bool { return p.group.declares(port) }); p != nil {
			return p.group.identity(port)
		}
		for _, s := range a.services {
			if s.serves(port) {
				return s.identity()
			}
		}
	}
	if a.nodes > 0 {
		if list := x.nodePorts[port]; len(list) > 0 {
			return list[0].identity()
		}
		return Identity{Kind: NodeKind}
	}
	if len(a.services) > 0 {
		return a.services[0].identity()
	}
	return Identity{}
}

// newest returns the last of those that fit, of those that live if there is one.
func newest(pods []*pod, fits func(*pod) bool) *pod {
	var gone *pod
	for _, p := range slices.Backward(pods) {
		switch {
		case !fits(p):
		case p.alive():
			return p
		case gone == nil:
			gone = p
		}
	}
	return gone
}

func without[T comparable](list []T, v T) []T {
	return slices.DeleteFunc(list, func(have T) bool { return have == v })
}
