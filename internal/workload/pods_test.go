package workload

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fathomhq/fathom/internal/kernel"
)

// fakePods are the pods of a node, by UID; each knows its containers' names.
type fakePods map[string]struct {
	pod        Pod
	containers map[string]string
}

func (p fakePods) Find(uid, containerID string) (Pod, bool) {
	found, ok := p[uid]
	found.pod.Container = found.containers[containerID]
	return found.pod, ok
}

const (
	podPath = "/kubepods/burstable/pod" + uid + "/" + idA
	ownUID  = "11111111-2222-4333-8444-555555555555"
	ownPath = "/kubepods/besteffort/pod" + ownUID + "/" + idB
)

func TestPodsBecomeKnown(t *testing.T) {
	h, r := newFakeHost(t)
	pods := fakePods{}
	r.options.Pods, r.options.OwnPod = pods, ownUID
	now := time.Unix(5000, 0)
	r.now = func() time.Time { return now }
	h.add(ownPath, "fathom")
	w := kernel.Workload{ID: 7, CgroupID: h.add(podPath, "java"), Command: "java"}
	fallback := Labels{Workload: idA[:12], Kind: KindContainer, Container: idA[:12]}
	expect := func(when string, want Labels, state State) {
		t.Helper()
		if got, s := r.Resolve(w); got != want || s != state {
			t.Errorf("%s: %+v, state %d; want %+v, state %d", when, got, s, want, state)
		}
	}
	expect("unknown", fallback, Pending)
	now = now.Add(hold - 1)
	expect("unknown for long", fallback, Pending)
	now = now.Add(1)
	expect("unknown for too long", fallback, Provisional)

	web := pods[uid]
	web.pod = Pod{Namespace: "shop", Name: "web-1", Owner: "web", Kind: "Deployment", Chosen: []string{"blue", "a\x00b"}}
	pods[uid] = web
	known := Labels{Namespace: "shop", Workload: "web", Kind: "Deployment", Pod: "web-1", Container: idA[:12], Chosen: "blue\x00a\uFFFDb\x00"}
	expect("the container has no name yet", known, Provisional)

	web.containers = map[string]string{idA: "app"}
	pods[uid] = web
	known.Container = "app"
	expect("known", known, Final)
	delete(pods, uid)
	expect("forgotten", known, Final)
}

func TestPodStates(t *testing.T) {
	named := fakePods{}
	shop := named[uid]
	shop.pod, shop.containers = Pod{Namespace: "shop", Name: "web-1", Owner: "web", Kind: "Deployment"}, map[string]string{idA: "app"}
	named[uid] = shop
	for _, tt := range []struct {
		name, path string
		own        string // path of the own pod, if it is known
		shown      func(Labels) bool
		want       State
	}{
		{name: "own node", path: podPath, own: ownPath, want: Final},
		{name: "own node, own pod not told", path: podPath, want: Final},
		{name: "another node in the same tree", path: "/k-node2" + podPath, own: ownPath, want: Hidden},
		{name: "inside of a node in a container", path: podPath, own: "/docker/" + idB + ownPath, want: Hidden},
		{name: "both inside", path: "/docker/" + idB + podPath, own: "/docker/" + idB + ownPath, want: Final},
		{name: "excluded", path: podPath, own: ownPath, shown: func(l Labels) bool { return l.Namespace != "shop" }, want: Hidden},
		{name: "no pod, excluded", path: "/system.slice/a.service", shown: func(l Labels) bool { return l.Kind != KindUnit }, want: Hidden},
		{name: "sandbox", path: "/kubepods/burstable/pod" + uid, own: ownPath, want: Final},
		{name: "systemd driver", path: "/kubepods.slice/kubepods-pod" + underscored + ".slice/cri-containerd-" + idA + ".scope", own: "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" + ownUID + ".slice/cri-containerd-" + idB + ".scope", want: Final},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, r := newFakeHost(t)
			r.options.Pods, r.options.Shown = named, tt.shown
			if tt.own != "" {
				r.options.OwnPod = ownUID
				h.add(tt.own, "fathom")
			}
			w := kernel.Workload{ID: 1, CgroupID: h.add(tt.path, "x"), Command: "x"}
			if _, state := r.Resolve(w); state != tt.want {
				t.Errorf("state %d, want %d", state, tt.want)
			}
		})
	}
}

// A path that only the kernel side remembers is the end of one: it tells the pod, but not the node.
func TestPodGoneBeforeLooking(t *testing.T) {
	h, r := newFakeHost(t)
	shop := fakePods{}[uid]
	shop.pod, shop.containers = Pod{Namespace: "shop", Name: "web-1", Owner: "web", Kind: "Deployment"}, map[string]string{idA: "app"}
	r.options.Pods, r.options.OwnPod = fakePods{uid: shop}, ownUID
	h.add("/docker/"+idB+ownPath, "fathom")
	w := kernel.Workload{ID: 1, CgroupID: 1 << 50, CgroupNames: []string{idA, "pod" + uid, "burstable", "kubepods"}, Command: "x"}
	if l, state := r.Resolve(w); state != Final || l.Pod != "web-1" {
		t.Errorf("%+v, state %d", l, state)
	}
}

func TestCgroupRootBelow(t *testing.T) {
	_, found := newFakeHost(t)
	if _, err := CgroupRootBelow(found.tree.root); err == nil {
		t.Error("a plain directory passes for cgroups")
	}
	if _, err := CgroupRootBelow(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("no directory passes for cgroups")
	}
	root, err := findCgroupRoot("/proc")
	if err != nil || root == "" {
		t.Skip("this host has no cgroup2 mount")
	}
	for _, dir := range []string{root, filepath.Dir(root)} {
		if _, err := os.Stat(filepath.Join(dir, "unified")); dir != root && err != nil {
			continue // not a hybrid host
		}
		if got, err := CgroupRootBelow(dir); err != nil || got != root {
			t.Errorf("%s: %q, %v, want %q", dir, got, err, root)
		}
	}
}
