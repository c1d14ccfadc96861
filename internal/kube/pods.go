package kube

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"
)

// forgetInterval is how late a deleted pod may be forgotten.
const forgetInterval = 5 * time.Second

// PodsOptions configure [NewPods].
type PodsOptions struct {
	// Node is whose pods are watched, by the name that it has in the API server.
	Node string
	// Labels and Annotations are the names of those to keep.
	Labels, Annotations []string
	// Grace is how long a deleted pod stays known: its last numbers are exported for that long.
	Grace time.Duration
	Log   *slog.Logger
}

// Pods knows the pods of one node. Its methods may be called concurrently.
type Pods struct {
	node  string
	grace time.Duration
	watch *Watch
	now   func() time.Time

	mu          sync.RWMutex
	byUID       map[string]*entry
	byHash      map[string]*entry // ConfigHash
	byContainer map[string]*entry
	byIP        map[netip.Addr]*entry // none that has ended
	gone        []*entry              // deleted, oldest first
}

// entry is a pod that exists, or did.
type entry struct {
	pod  *Pod
	gone time.Time // when it was deleted
}

// Answer is what is known of a pod and a container so far.
type Answer struct {
	// Pod is nil if it is not known: the API server was not reached yet, or the pod is so new that its news is still under way,
	// or it was deleted longer ago than the grace period.
	Pod *Pod
	// Container is the container's name. It is empty until the kubelet has reported the container's id, unless the
	// pod has one container only. The pod's sandbox, which holds its network, has no name.
	Container string
}

// NewPods makes a watch of one node's pods, see [Pods.Run].
func NewPods(cfg *rest.Config, o PodsOptions) (*Pods, error) {
	if o.Node == "" {
		return nil, errors.New("the name of this node is empty: set --node-name to the spec.nodeName of its pods")
	}
	p := newPods(o)
	keep := Strip{Containers: true, Labels: o.Labels, Annotations: o.Annotations}
	var err error
	p.watch, err = WatchPods(cfg, o.Log, o.Node, keep, (*podSink)(p))
	return p, err
}

func newPods(o PodsOptions) *Pods {
	return &Pods{
		node:        o.Node,
		grace:       o.Grace,
		now:         time.Now,
		byUID:       make(map[string]*entry),
		byHash:      make(map[string]*entry),
		byContainer: make(map[string]*entry),
		byIP:        make(map[netip.Addr]*entry),
	}
}

// Run watches until the context ends, and returns nil then.
func (p *Pods) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return p.watch.Run(ctx) })
	g.Go(func() error {
		ticker := time.NewTicker(forgetInterval)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-ticker.C:
				p.mu.Lock()
				p.forget()
				p.mu.Unlock()
			}
		}
	})
	return g.Wait()
}

// Status tells how the watch gets on.
func (p *Pods) Status() Status { return p.watch.Status() }

// Lookup finds a pod by what its cgroup is named after, its UID or a static pod's [Pod.ConfigHash], and the name of one
// of its containers by the full id. Without a UID the container tells the pod.
func (p *Pods) Lookup(uid, container string) Answer {
	p.mu.RLock()
	defer p.mu.RUnlock()
	e := p.find(uid, container)
	if e == nil {
		return Answer{}
	}
	a := Answer{Pod: e.pod, Container: e.pod.Containers[container]}
	if a.Container == "" {
		a.Container = e.pod.OnlyContainer
	}
	return a
}

func (p *Pods) find(uid, container string) *entry {
	if uid == "" {
		return p.byContainer[container]
	}
	if e := p.byUID[uid]; e != nil {
		return e
	}
	return p.byHash[uid]
}

// ByIP finds the pod that has an address of its own, which pods in the host's network have not. Of pods that the API
// server shows with the same address it is the one that took it over.
func (p *Pods) ByIP(addr netip.Addr) *Pod {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if e := p.byIP[addr]; e != nil {
		return e.pod
	}
	return nil
}

// All returns the pods that exist, in no order.
func (p *Pods) All() []*Pod {
	p.mu.RLock()
	defer p.mu.RUnlock()
	all := make([]*Pod, 0, len(p.byUID)-len(p.gone))
	for _, e := range p.byUID {
		if e.gone.IsZero() {
			all = append(all, e.pod)
		}
	}
	return all
}
