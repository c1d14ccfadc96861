package kube

import (
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"time"
)

const (
	// maxGone bounds the deleted pods that are still known: nine times what a node may run (the kubelet's default
	// for maxPods is 110). Beyond, the oldest are forgotten.
	maxGone = 1000
	// maxContainers bounds the containers of one pod that are remembered after the kubelet stopped reporting them. Beyond,
	// all of them are forgotten.
	maxContainers = 64
)

// podSink takes what the watch reads.
type podSink Pods

// Replace is part of [Sink].
func (s *podSink) Replace(all []*Pod) {
	p := (*Pods)(s)
	p.mu.Lock()
	defer p.mu.Unlock()
	there := make(map[string]bool, len(all))
	for _, pod := range all {
		there[pod.UID] = true
		p.set(pod)
	}
	for uid, e := range p.byUID {
		if !there[uid] {
			p.remove(e)
		}
	}
	p.forget()
}

// Set is part of [Sink].
func (s *podSink) Set(pod *Pod) {
	p := (*Pods)(s)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.set(pod)
	p.forget()
}

// Delete is part of [Sink].
func (s *podSink) Delete(pod *Pod) {
	p := (*Pods)(s)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.set(pod) // its last state
	if e := p.byUID[pod.UID]; e != nil {
		p.remove(e)
	}
	p.forget()
}

func (p *Pods) set(pod *Pod) {
	if pod.Node != p.node {
		return // not asked for
	}
	e := p.byUID[pod.UID]
	if e == nil {
		e = &entry{}
		p.byUID[pod.UID] = e
	}
	old, back := e.pod, !e.gone.IsZero()
	if old != nil {
		pod = remember(pod, old)
		if !back && reflect.DeepEqual(pod, old) {
			return
		}
	}
	if back {
		e.gone = time.Time{}
		p.gone = slices.DeleteFunc(p.gone, func(g *entry) bool { return g == e })
	}
	e.pod = pod
	if pod.ConfigHash != "" {
		p.byHash[pod.ConfigHash] = e
	}
	if old != nil {
		p.dropContainers(e, old.Containers)
		p.assign(old.IPs)
	}
	for id := range pod.Containers {
		p.byContainer[id] = e
	}
	p.assign(pod.IPs)
}

// remember returns pod with the containers of old that the kubelet does not report any more: it keeps one former life
// of each.
func remember(pod, old *Pod) *Pod {
	all := maps.Clone(old.Containers)
	if all == nil {
		return pod
	}
	maps.Copy(all, pod.Containers)
	if len(all) == len(pod.Containers) || len(all) > maxContainers {
		return pod
	}
	merged := *pod
	merged.Containers = all
	return &merged
}

func (p *Pods) remove(e *entry) {
	if !e.gone.IsZero() {
		return
	}
	e.gone = p.now()
	p.gone = append(p.gone, e)
	p.assign(e.pod.IPs)
}

// assign decides whose the addresses are. A node has so few pods that looking at each is cheap.
func (p *Pods) assign(addrs []netip.Addr) {
	for _, addr := range addrs {
		delete(p.byIP, addr)
		for _, e := range p.byUID {
			if e.has(addr) && (p.byIP[addr] == nil || e.pod.tookOver(p.byIP[addr].pod)) {
				p.byIP[addr] = e
			}
		}
	}
}

func (e *entry) has(addr netip.Addr) bool {
	return e.gone.IsZero() && !e.pod.Ended && !e.pod.HostNetwork && slices.Contains(e.pod.IPs, addr)
}

// tookOver tells which of two pods with the same address has it now.
func (pod *Pod) tookOver(other *Pod) bool {
	if pod.Deleting != other.Deleting {
		return other.Deleting
	}
	if pod.Created != other.Created {
		return pod.Created > other.Created
	}
	return pod.UID > other.UID // always the same one
}

// forget drops those that were deleted longer ago than the grace period.
func (p *Pods) forget() {
	now := p.now()
	for len(p.gone) > 0 && (len(p.gone) > maxGone || now.Sub(p.gone[0].gone) >= p.grace) {
		e := p.gone[0]
		p.gone = slices.Delete(p.gone, 0, 1)
		delete(p.byUID, e.pod.UID)
		if p.byHash[e.pod.ConfigHash] == e {
			delete(p.byHash, e.pod.ConfigHash)
		}
		p.dropContainers(e, e.pod.Containers)
	}
}

func (p *Pods) dropContainers(e *entry, ids map[string]string) {
	for id := range ids {
		if p.byContainer[id] == e {
			delete(p.byContainer, id)
		}
	}
}
