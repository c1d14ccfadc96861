package workload

import (
	"fmt"
	"sync"
	"time"

	"github.com/fathomhq/fathom/internal/kernel"
)

// Options configure [NewResolver]. The zero value means this host.
type Options struct {
	// CgroupRoot is where the cgroup2 hierarchy is mounted (default: found in
	// /proc/self/mountinfo).
	CgroupRoot string
	// ProcRoot is where the host's procfs is mounted (default /proc).
	ProcRoot string
}

// Resolver names workloads and tells which of them are gone. Its methods may be
// called concurrently.
type Resolver struct {
	tree tree
	proc string

	mu    sync.Mutex
	known map[kernel.WorkloadID]resolved
}

// resolved is a cached answer and what it was given for.
type resolved struct {
	cgroup  uint64
	command string
	labels  Labels
	since   int // walks of the tree before the question
}

// NewResolver returns a resolver for the host. A host without a cgroup2 mount is no
// error: its workloads are named after their processes.
func NewResolver(o Options) (*Resolver, error) {
	if o.ProcRoot == "" {
		o.ProcRoot = "/proc"
	}
	if o.CgroupRoot == "" {
		root, err := findCgroupRoot(o.ProcRoot)
		if err != nil {
			return nil, fmt.Errorf("find cgroup2 mount: %w", err)
		}
		o.CgroupRoot = root
	}
	return &Resolver{
		tree:  tree{root: o.CgroupRoot, now: time.Now},
		proc:  o.ProcRoot,
		known: make(map[kernel.WorkloadID]resolved),
	}, nil
}

// CgroupRoot returns the cgroup2 mount that is read, empty if there is none.
func (r *Resolver) CgroupRoot() string { return r.tree.root }

// Resolve returns the labels of a workload. The answer for an id stays the same
// until the kernel side uses the id for another cgroup or command.
func (r *Resolver) Resolve(w kernel.Workload) Labels {
	if k, ok := r.cached(w); ok {
		return k.labels
	}
	k := resolved{cgroup: w.CgroupID, command: w.Command, since: r.tree.count()}
	k.labels = labelsOf(ParseCgroup(r.cgroupPath(w, k.since)), w.Command)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known[w.ID] = k
	return k.labels
}

func (r *Resolver) cached(w kernel.Workload) (resolved, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k, ok := r.known[w.ID]
	return k, ok && k.cgroup == w.CgroupID && k.command == w.Command
}

// cgroupPath asks the file system first: it knows the whole path. The kernel
// side's names serve cgroups that were gone before.
func (r *Resolver) cgroupPath(w kernel.Workload, since int) string {
	if path, ok, _ := r.tree.path(w.CgroupID, since); ok {
		return path
	}
	return pathOf(w)
}
