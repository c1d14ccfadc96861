package directory

import (
	"net/netip"
	"time"

	"github.com/fathomhq/fathom/internal/kube"
)

// pod is what the index holds of a pod. What it has in common with others is in its group.
type pod struct {
	uid   string
	group *group
	at    int // its place in group.pods
	own   ips // its addresses; none in the host's network
	hosts ips // its node's addresses
	gone  time.Time
}

// ips holds a pod's or a node's addresses: Kubernetes has at most one of each family (validatePodIPs and
// validateHostIPs in pkg/apis/core/validation).
type ips [2]netip.Addr

// burial is when a pod went.
type burial struct {
	pod  *pod
	when time.Time
}

func (p *pod) alive() bool { return p.gone.IsZero() }

func ipsOf(list []netip.Addr) (l ips) {
	n := 0
	for _, ip := range list {
		if ip.IsValid() && n < len(l) && !l.has(ip.Unmap()) {
			l[n] = ip.Unmap()
			n++
		}
	}
	return l
}

func (l *ips) has(ip netip.Addr) bool { return l[0] == ip || l[1] == ip }

// minus calls do for the addresses that are not in other.
func (l *ips) minus(other *ips, do func(netip.Addr)) {
	for _, ip := range l {
		if ip.IsValid() && !other.has(ip) {
			do(ip)
		}
	}
}

// setPod ignores pods that had ended before they were seen: their addresses may be anybody's.
func (x *Index) setPod(p *kube.Pod) {
	have := x.pods[p.UID]
	if p.Ended {
		x.bury(have)
		return
	}
	own, hosts := ipsOf(p.IPs), ipsOf(p.HostIPs)
	if p.HostNetwork {
		if hosts == (ips{}) {
			hosts = own
		}
		own = ips{}
	}
	if have != nil && (!have.alive() || have.group.hostNetwork != p.HostNetwork) {
		x.remove(have)
		have = nil
	}
	if have == nil {
		have = &pod{uid: p.UID}
		x.pods[p.UID] = have
	}
	if g := x.groupOf(p); have.group != g {
		x.leave(have)
		x.join(have, g)
	}
	x.move(have, own, hosts)
}

// move gives a pod other addresses than it had.
func (x *Index) move(p *pod, own, hosts ips) {
	p.own.minus(&own, func(ip netip.Addr) {
		x.change(ip, func(a *address) { a.pods = without(a.pods, p) })
	})
	p.hosts.minus(&hosts, func(ip netip.Addr) {
		x.change(ip, func(a *address) {
			a.nodes--
			a.hosts = without(a.hosts, p)
		})
	})
	own.minus(&p.own, func(ip netip.Addr) {
		x.change(ip, func(a *address) { a.pods = append(a.pods, p) })
	})
	hosts.minus(&p.hosts, func(ip netip.Addr) {
		x.change(ip, func(a *address) {
			a.nodes++
			if p.group.hostNetwork {
				a.hosts = append(a.hosts, p)
			}
		})
	})
	p.own, p.hosts = own, hosts
}

// bury lets a pod, which may be nil, wait for its end.
func (x *Index) bury(p *pod) {
	if p == nil || !p.alive() {
		return
	}
	if x.grace <= 0 {
		x.remove(p)
		return
	}
	p.gone = x.now()
	x.gone = append(x.gone, burial{p, p.gone})
	x.count(p.group, -1)
	x.touchPod(p)
}

// expire removes the pods that went until then.
func (x *Index) expire(until time.Time) {
	for len(x.gone) > 0 && !x.gone[0].when.After(until) {
		// One that came back since has another object, or went another time.
		if p := x.gone[0].pod; p.gone.Equal(x.gone[0].when) && x.pods[p.uid] == p {
			x.remove(p)
		}
		x.gone[0] = burial{}
		x.gone = x.gone[1:]
	}
	if len(x.gone) == 0 {
		x.gone = nil
	}
}

func (x *Index) remove(p *pod) {
	x.move(p, ips{}, ips{})
	x.leave(p)
	delete(x.pods, p.uid)
}

// touchPod notes that answers for a pod's addresses may have changed.
func (x *Index) touchPod(p *pod) {
	l := &p.own
	if p.group.hostNetwork {
		l = &p.hosts
	}
	l.minus(&ips{}, func(ip netip.Addr) { x.touch(x.addresses[ip]) })
}
