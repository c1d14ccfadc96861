package peer

import "net/netip"

// outbox is what the directory has not been told yet, while it is connected. Removals go first: the directory never has more
// addresses than the resolver.
type outbox struct {
	connected bool
	adds      map[netip.AddrPort]*entry
	removes   map[netip.AddrPort]struct{} // the directory has them all
	wake      chan struct{}
}

// open starts with a directory that has been told nothing.
func (o *outbox) open(entries map[netip.AddrPort]*entry) {
	o.connected = true
	o.adds = make(map[netip.AddrPort]*entry, len(entries))
	o.removes = make(map[netip.AddrPort]struct{})
	for a, e := range entries {
		e.sent = false
		o.adds[a] = e
	}
	o.signal()
}

func (o *outbox) close() {
	o.connected, o.adds, o.removes = false, nil, nil
}

func (o *outbox) add(e *entry) {
	if !o.connected {
		return
	}
	if _, ok := o.removes[e.address]; ok {
		delete(o.removes, e.address)
		e.sent = true
	}
	o.adds[e.address] = e // also one that the directory has: it answers once more
	o.signal()
}

func (o *outbox) remove(e *entry) {
	if !o.connected {
		return
	}
	delete(o.adds, e.address)
	if e.sent {
		o.removes[e.address] = struct{}{}
		o.signal()
	}
}

// take returns up to limit addresses.
func (o *outbox) take(limit int) (adds, removes []netip.AddrPort) {
	for a := range o.removes {
		if len(removes) == limit {
			break
		}
		removes = append(removes, a)
		delete(o.removes, a)
	}
	for a, e := range o.adds {
		if len(removes)+len(adds) == limit {
			break
		}
		adds = append(adds, a)
		delete(o.adds, a)
		e.sent = true
	}
	if len(o.removes)+len(o.adds) > 0 {
		o.signal()
	}
	return adds, removes
}

func (o *outbox) signal() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}
