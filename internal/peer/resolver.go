package peer

import (
	"cmp"
	"container/list"
	"context"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	pb "github.com/fathomhq/fathom/internal/directory/directorypb"
)

const (
	// DefaultMaxAddresses is twice as many as the edges that the kernel side keeps by default, so that those
	// of ended connections do not push out others.
	DefaultMaxAddresses = 8 << 10
	// patience is how long an address is [Pending]: an answer takes a round trip, and one that takes
	// longer has no directory.
	patience = 5 * time.Second
	// idle is how long addresses are followed that nobody asks for.
	idle = 10 * time.Minute
	// recent is how long an address is kept although there is no room for others: longer than from one scrape to the
	// next. Without, more addresses than there is room for would push each other out before the answers come.
	recent = 2 * time.Minute
	// sweepEvery is how often idle ones are looked for.
	sweepEvery = 30 * time.Second
)

// Pods know the pods of this node. The method is called at scrapes and does not block.
type Pods interface {
	// Peer returns the pod that has an address, false if it is none of this node.
	Peer(a netip.AddrPort) (Peer, bool)
}

// Network is a name for addresses outside of the cluster.
type Network struct {
	Prefix netip.Prefix
	Name   string
}

// Options configure [NewResolver]. The zero value knows loopback addresses and takes others for [External].
type Options struct {
	// Directory is where to ask; nil: there is none.
	Directory *Directory
	// Pods answer when there is no directory, or while it does not; nil: they are not known.
	Pods Pods
	// Networks name addresses outside of the cluster. The longest prefix wins.
	Networks []Network
	// HostNet is the directory net of a process of this node's in /proc, by which its addresses are known; empty: they are not.
	HostNet string
	// MaxAddresses bounds what is remembered (default [DefaultMaxAddresses], at most [pb.MaxAddresses]). The one
	// that was not asked for the longest makes room, unless that is less than two minutes ago.
	MaxAddresses int
	// Logger tells of the directory (default: discarded).
	Logger *slog.Logger
}

// Resolver names peers by their addresses. Its methods may be called concurrently.
type Resolver struct {
	options  Options
	networks []Network // the longest prefix first
	log      *slog.Logger
	now      func() time.Time

	mu      sync.Mutex
	host    map[netip.Addr]bool // addresses of this node
	entries map[netip.AddrPort]*entry
	order   list.List // of *entry, the last that was asked for first
	outbox  outbox
	stats   Stats
}

// entry is what is known of an address.
type entry struct {
	address  netip.AddrPort
	place    *list.Element // in order
	outside  Peer          // what it is if no pod and no service has it
	answer   Answer
	named    bool // answer is one
	answered bool // by the directory
	sent     bool // the directory was asked
	since    time.Time
	used     time.Time
}

// Stats count what a resolver did.
type Stats struct {
	Addresses   int
	Connected   bool
	Connections uint64 // to the directory, that came about
	Answers     uint64 // of the directory
	Changes     uint64 // addresses that became another's
	Refused     uint64 // questions about addresses for which there was no room
	LastError   error  // of the directory; nil if it was never lost
}

// NewResolver returns a resolver. It fails if the options contradict each other.
func NewResolver(o Options) (*Resolver, error) {
	if o.MaxAddresses <= 0 {
		o.MaxAddresses = DefaultMaxAddresses
	}
	o.MaxAddresses = min(o.MaxAddresses, pb.MaxAddresses)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Directory != nil {
		if err := o.Directory.check(); err != nil {
			return nil, err
		}
	}
	r := &Resolver{
		options: o, log: o.Logger, now: time.Now, host: hostAddresses(o.HostNet), entries: make(map[netip.AddrPort]*entry),
	}
	r.outbox.wake = make(chan struct{}, 1)
	for _, n := range o.Networks {
		r.networks = append(r.networks, Network{unmap(n.Prefix).Masked(), n.Name})
	}
	slices.SortStableFunc(r.networks, func(a, b Network) int { return cmp.Compare(b.Prefix.Bits(), a.Prefix.Bits()) })
	return r, nil
}

// Run follows the directory, and forgets what nobody asks for, until ctx ends.
func (r *Resolver) Run(ctx context.Context) {
	if r.options.Directory != nil {
		done := make(chan struct{})
		go func() {
			defer close(done)
			newClient(r).run(ctx)
		}()
		defer func() { <-done }()
	}
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			r.forgetIdle()
			r.lookAtHost()
		}
	}
}

// Resolve returns who has an address: with the port that was connected to, or with port 0 if it is that of
// a client. It does not wait.
func (r *Resolver) Resolve(a netip.AddrPort) Answer {
	ip := a.Addr().Unmap().WithZone("")
	switch {
	case !ip.IsValid():
		return Answer{}
	case ip.IsLoopback():
		return Answer{Peer: Peer{Workload: Localhost}}
	}
	a = netip.AddrPortFrom(ip, a.Port())
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entries[a]
	switch {
	case e != nil:
		r.order.MoveToFront(e.place)
	case r.hasRoom(now):
		e = r.add(a, now)
	default:
		r.stats.Refused++
		return Answer{Peer: Peer{Workload: Unknown}, State: Unavailable}
	}
	e.used = now
	if !e.answered {
		r.guess(e, now)
	}
	return e.answer
}

// Stats returns what the resolver did.
func (r *Resolver) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.stats
	s.Addresses = len(r.entries)
	return s
}

// hasRoom makes room for an address, if it can.
func (r *Resolver) hasRoom(now time.Time) bool {
	if len(r.entries) < r.options.MaxAddresses {
		return true
	}
	oldest := r.order.Back().Value.(*entry)
	if now.Sub(oldest.used) < recent {
		return false
	}
	r.forget(oldest)
	return true
}

func (r *Resolver) add(a netip.AddrPort, now time.Time) *entry {
	e := &entry{address: a, outside: r.outside(a), since: now}
	e.place = r.order.PushFront(e)
	r.entries[a] = e
	if r.options.Directory != nil {
		r.outbox.add(e)
	}
	return e
}

func (r *Resolver) forget(e *entry) {
	r.order.Remove(e.place)
	delete(r.entries, e.address)
	r.outbox.remove(e)
}

func (r *Resolver) forgetIdle() {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	for back := r.order.Back(); back != nil; back = r.order.Back() {
		e := back.Value.(*entry)
		if now.Sub(e.used) < idle {
			return
		}
		r.forget(e)
	}
}

// guess answers without the directory.
func (r *Resolver) guess(e *entry, now time.Time) {
	if r.options.Directory != nil && now.Sub(e.since) < patience {
		e.answer.State = Pending
		return
	}
	var own Peer
	var ok bool
	if r.options.Pods != nil {
		own, ok = r.options.Pods.Peer(e.address)
	}
	switch {
	case r.options.Directory == nil && ok:
		r.set(e, own, Known)
	case r.options.Directory == nil:
		r.set(e, e.outside, Known)
	case ok:
		r.set(e, own, Unavailable)
	default:
		r.set(e, Peer{Workload: Unknown}, Unavailable)
	}
}

func (r *Resolver) set(e *entry, p Peer, s State) {
	if e.named && e.answer.State == Known && e.answer.Peer != p {
		r.stats.Changes++
	}
	e.named, e.answer = true, Answer{p, s}
}

// lookAtHost reads the addresses of this node again: plugins add them for the pod network, at the node's first pod. What was
// taken for one of the others becomes it.
func (r *Resolver) lookAtHost() {
	host := hostAddresses(r.options.HostNet)
	r.mu.Lock()
	defer r.mu.Unlock()
	if maps.Equal(host, r.host) {
		return
	}
	r.host = host
	for _, e := range r.entries {
		before := e.outside
		e.outside = r.outside(e.address)
		if e.answered && e.answer.Peer == before && e.outside != before {
			r.set(e, e.outside, Known)
		}
	}
}

// outside names an address that no pod and no service has: one of this node, as that of its end of the pod network, from
// which the kubelet probes; or one that is not of the cluster. Without a directory only clients are this node: kube-proxy
// in its mode IPVS gives the addresses of all services to the node, and nobody could tell.
func (r *Resolver) outside(a netip.AddrPort) Peer {
	if r.host[a.Addr()] && (r.options.Directory != nil || a.Port() == 0) {
		return Peer{Workload: Node}
	}
	for _, n := range r.networks {
		if n.Prefix.Contains(a.Addr()) {
			return Peer{Workload: n.Name}
		}
	}
	return Peer{Workload: External}
}

// unmap makes a prefix of IPv4 addresses mapped to IPv6 one of IPv4 addresses.
func unmap(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p
}
