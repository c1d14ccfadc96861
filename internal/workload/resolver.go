package workload

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/fathomhq/fathom/internal/kernel"
)

// hold is how long the numbers of a pod wait for its name: three times the 10 s after which a kubelet reports at the latest
// that a container runs (syncPeriod of pkg/kubelet/status), and short enough that somebody who looks for them finds
// them under their container's id.
const hold = 30 * time.Second

// Options configure [NewResolver]. The zero value means this host.
type Options struct {
	// CgroupRoot is where the host's cgroup2 hierarchy is mounted (default: found in
	// /proc/self/mountinfo). See [CgroupRootBelow].
	CgroupRoot string
	// ProcRoot is where the host's procfs is mounted (default /proc).
	ProcRoot string
	// Pods knows the pods of this node; nil on a host without Kubernetes.
	Pods Pods
	// OwnPod is the UID of the pod that this process runs in. Pods whose cgroups are elsewhere than its own are
	// those of other nodes with the same kernel, as kind makes them. Empty: all pods are of this node.
	OwnPod string
	// Shown tells which workloads are shown; nil: all.
	Shown func(Labels) bool
}

// Pods are the pods of this node.
type Pods interface {
	// Find returns the pod with a UID, or the static pod whose cgroups are named so, if it is known by now. It is called at scrapes
	// and does not block.
	Find(uid, containerID string) (Pod, bool)
}

// Pod is what Kubernetes knows of a pod and one of its containers.
type Pod struct {
	Namespace, Name string
	Owner, Kind     string // of what made the pod, as a Deployment
	// Container is the container's name; empty if the kubelet has not told which one has the id, or the id is empty.
	Container string
	Chosen    []string // values of [Options.Chosen]
}

// Resolver names workloads and tells which of them are gone. Its methods may be
// called concurrently.
type Resolver struct {
	tree    tree
	proc    string
	options Options
	now     func() time.Time

	mu      sync.Mutex
	known   map[kernel.WorkloadID]resolved
	podRoot string // where the cgroups of this node's pods are; empty: not known
}

// resolved is a cached answer and what it was given for.
type resolved struct {
	cgroup  uint64
	command string
	parsed  Cgroup
	placed  bool   // nothing more will be known of the path than parsed
	process string // what a process is called: command, or its executable
	labels  Labels
	state   State
	since   int       // walks of the tree before the question
	asked   time.Time // for the first time
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
		tree:    tree{root: o.CgroupRoot, now: time.Now},
		proc:    o.ProcRoot,
		options: o,
		now:     time.Now,
		known:   make(map[kernel.WorkloadID]resolved),
	}, nil
}

// CgroupRoot returns the cgroup2 mount that is read, empty if there is none.
func (r *Resolver) CgroupRoot() string { return r.tree.root }

// Resolve returns the labels of a workload, and what they are worth: ask again until they are final or
// the workload is hidden. A final answer for an id stays the same until the kernel side uses the id for
// another cgroup or command.
func (r *Resolver) Resolve(w kernel.Workload) (Labels, State) {
	k, ok := r.cached(w)
	if !ok {
		k = resolved{cgroup: w.CgroupID, command: w.Command, since: r.tree.count(), asked: r.now()}
		k.state = Pending
	}
	if k.state == Final || k.state == Hidden {
		return k.labels, k.state
	}
	if !k.placed {
		k.parsed, k.placed = r.parse(w, k.since)
		k.process = r.nameProcess(w, k)
	}
	k.labels, k.state = r.name(k)
	if k.state == Final && r.options.Shown != nil && !r.options.Shown(k.labels) {
		k.state = Hidden
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known[w.ID] = k
	return k.labels, k.state
}

// name returns labels for what the cgroup and the pods of this node tell now.
func (r *Resolver) name(k resolved) (Labels, State) {
	fallback := labelsOf(k.parsed, k.process)
	switch {
	case !k.placed:
		return fallback, Pending
	case k.parsed.PodUID == "" || r.options.Pods == nil:
		return fallback, Final
	}
	if r.foreign(k.parsed) {
		return fallback, Hidden
	}
	undecided := Pending
	if r.now().Sub(k.asked) >= hold {
		undecided = Provisional
	}
	pod, ok := r.options.Pods.Find(k.parsed.PodUID, k.parsed.ContainerID)
	if !ok {
		return fallback, undecided
	}
	l := Labels{
		Namespace: clean(pod.Namespace), Workload: clean(pod.Owner), Kind: clean(pod.Kind), Pod: clean(pod.Name),
		Container: clean(pod.Container), Chosen: join(pod.Chosen),
	}
	if l.Container == "" && k.parsed.ContainerID != "" {
		l.Container = fallback.Container
		return l, undecided
	}
	return l, Final
}

// nameProcess returns the command, or the executable's name where the command tells nothing and nothing else names the
// workload.
func (r *Resolver) nameProcess(w kernel.Workload, k resolved) string {
	if k.placed && isVague(w.Command) && k.parsed.Unit == "" && k.parsed.ContainerID == "" {
		if name := r.executable(w, k.since); name != "" {
			return name
		}
	}
	return w.Command
}

// join makes one comparable value of several, see [Labels.Chosen].
func join(values []string) string {
	var b strings.Builder
	for _, v := range values {
		b.WriteString(clean(v)) // without NUL
		b.WriteByte(0)
	}
	return b.String()
}

// foreign tells whether a pod's cgroup is where another node has its pods.
func (r *Resolver) foreign(c Cgroup) bool {
	if r.options.OwnPod == "" {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.podRoot == "" {
		r.podRoot = r.tree.podRoot(r.options.OwnPod)
	}
	return r.podRoot != "" && c.PodRoot != "" && c.PodRoot != r.podRoot
}

func (r *Resolver) cached(w kernel.Workload) (resolved, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k, ok := r.known[w.ID]
	return k, ok && k.cgroup == w.CgroupID && k.command == w.Command
}

// parse asks the file system first: it knows the whole path. The kernel side's names serve cgroups
// that were gone before; they are the end of a path, so that they do not tell where its pods begin. Unless they
// decide, whatever is in front of them, it is worth waiting for a walk, which may be a second away: placed
// tells that it is not.
func (r *Resolver) parse(w kernel.Workload, since int) (c Cgroup, placed bool) {
	path, ok, removed := r.tree.path(w.CgroupID, since)
	if ok {
		return ParseCgroup(path), true
	}
	path, whole := pathOf(w)
	c = ParseCgroup(path)
	c.PodRoot = ""
	return c, removed || whole || r.tree.root == "" || c.ContainerID != "" || c.PodUID != ""
}
