// Package directory tells Fathom's agents who has the addresses that they see: it is the server of
// `fathom directory`, the one place that watches the whole cluster.
//
// An [Index] is fed with pods and services and answers for addresses; a [Server] lets agents subscribe to
// those that they see.
package directory

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/fathomhq/fathom/internal/kube"
)

// Kind is what has an address.
type Kind uint8

// The kinds.
const (
	Outside Kind = iota // nothing in the cluster
	PodKind
	ServiceKind
	NodeKind // and no pod in the host's network declares the port
)

// Identity is who has an address. Empty fields make no sense for it, or are not known.
type Identity struct {
	Kind      Kind
	Namespace string
	Workload  string // name of what made the pods; of a service's if one workload made them all
	Service   string
}

// Index knows who has which address. Its methods may be called concurrently; none waits for a [Watch].
//
// The rules, for an address and the port that was connected to (0 for that of a client):
//   - An address of a pod is that pod's. Where several have it, as objects of deleted pods outlive their
//     addresses, the one that got it last.
//   - A node's address with a port that a pod in the host's network declares is that pod's; with a node port
//     of a service, the service's; otherwise the node's.
//   - An address of a service is the service's. Where several share it, that with the port, else the first by name.
//   - The service of a pod is the first by name that selects it and, with a port, leads there. Services of a
//     named target port lead to where the pod declares that name; headless ones without ports lead to all.
//   - Pods that ended or were deleted keep their addresses for the grace period unless others get them:
//     what was counted for their last connections has not been shown yet.
type Index struct {
	grace time.Duration
	now   func() time.Time

	mu        sync.Mutex
	pods      map[string]*pod     // by UID
	services  map[string]*service // by UID
	groups    map[groupKey]*group
	pairs     map[label]*pair
	addresses map[netip.Addr]*address
	nodes     map[*address]struct{} // those that are nodes' addresses
	nodePorts map[uint16][]*service
	gone      []burial // pods, the first to forget first
	topics    map[netip.AddrPort]*topic

	dirty      map[*address]struct{} // those whose answers may have changed
	dirtyNodes bool                  // so may all of nodes
	changes    uint64

	listedPods, listedServices bool
}

// NewIndex returns an empty index. Addresses of pods that are gone stay theirs for the grace period.
func NewIndex(grace time.Duration) *Index {
	return &Index{
		grace:     grace,
		now:       time.Now,
		pods:      make(map[string]*pod),
		services:  make(map[string]*service),
		groups:    make(map[groupKey]*group),
		pairs:     make(map[label]*pair),
		addresses: make(map[netip.Addr]*address),
		nodes:     make(map[*address]struct{}),
		nodePorts: make(map[uint16][]*service),
		topics:    make(map[netip.AddrPort]*topic),
		dirty:     make(map[*address]struct{}),
	}
}

// SetPod adds a pod or what is new of it.
func (x *Index) SetPod(p *kube.Pod) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.setPod(p)
	x.publish()
}

// DeletePod forgets a pod, after the grace period.
func (x *Index) DeletePod(uid string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.bury(x.pods[uid])
	x.publish()
}

// ReplacePods makes the pods those of the list. Of two that are new and have the same address, the younger
// gets it.
func (x *Index) ReplacePods(list []*kube.Pod) {
	x.mu.Lock()
	defer x.mu.Unlock()
	listed := make(map[string]bool, len(list))
	byAge := func(a, b *kube.Pod) int { return cmp.Compare(a.Created, b.Created) }
	for _, p := range slices.SortedStableFunc(slices.Values(list), byAge) {
		listed[p.UID] = true
		x.setPod(p)
	}
	for uid, p := range x.pods {
		if !listed[uid] {
			x.bury(p)
		}
	}
	x.listedPods = true
	x.publish()
}

// SetService adds a service or what is new of it.
func (x *Index) SetService(s *kube.Service) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.setService(s)
	x.publish()
}

// DeleteService forgets a service.
func (x *Index) DeleteService(uid string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.removeService(x.services[uid])
	x.publish()
}

// ReplaceServices makes the services those of the list.
func (x *Index) ReplaceServices(list []*kube.Service) {
	x.mu.Lock()
	defer x.mu.Unlock()
	listed := make(map[string]bool, len(list))
	for _, s := range list {
		listed[s.UID] = true
		x.setService(s)
	}
	for uid, s := range x.services {
		if !listed[uid] {
			x.removeService(s)
		}
	}
	x.listedServices = true
	x.publish()
}

// Synced tells whether the index holds the cluster: both lists were given once. Before, an address that it
// does not know may be a pod's.
func (x *Index) Synced() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.listedPods && x.listedServices
}

// Expire forgets pods whose grace period is over. It is to be called every second or so.
func (x *Index) Expire() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.expire(x.now().Add(-x.grace))
	x.publish()
}

// Identify returns who has an address.
func (x *Index) Identify(a netip.AddrPort) Identity {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.identify(x.addresses[a.Addr().Unmap()], a.Port())
}

// Stats are sizes of an index.
type Stats struct {
	Pods       int // those in grace included
	Gone       int // pods in grace
	Services   int
	Addresses  int    // of pods, nodes and services, and those subscribed to
	Subscribed int    // addresses with ports that somebody is subscribed to
	Changes    uint64 // answers that changed while somebody was subscribed to them
}

// Stats returns how large the index is.
func (x *Index) Stats() Stats {
	x.mu.Lock()
	defer x.mu.Unlock()
	return Stats{
		Pods: len(x.pods), Gone: len(x.gone), Services: len(x.services),
		Addresses: len(x.addresses), Subscribed: len(x.topics), Changes: x.changes,
	}
}
