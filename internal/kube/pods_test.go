package kube

import (
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
)

const grace = time.Minute

// testPods are those of node1, at a time that the test chooses.
type testPods struct {
	*Pods
	sink *podSink
	time time.Time
}

func newTestPods() *testPods {
	p := newPods(PodsOptions{Node: "node1", Grace: grace})
	tp := &testPods{Pods: p, sink: (*podSink)(p), time: created}
	p.now = func() time.Time { return tp.time }
	return tp
}

// pass lets time pass, and something happen.
func (p *testPods) pass(d time.Duration) {
	p.time = p.time.Add(d)
	p.sink.Set(&Pod{UID: "tick", Node: "node1", Name: "tick", Created: p.time.UnixNano()})
}

func aPod(uid string, edit ...func(*Pod)) *Pod {
	p := &Pod{UID: uid, Namespace: "shop", Name: "web", Node: "node1", Created: created.Unix()}
	for _, e := range edit {
		e(p)
	}
	return p
}

func withIP(ip string) func(*Pod) { return func(p *Pod) { p.IPs = addrs(ip) } }

func withContainers(ids ...string) func(*Pod) {
	return func(p *Pod) {
		p.Containers = make(map[string]string)
		for _, id := range ids {
			p.Containers[id] = "name-of-" + id
		}
	}
}

func TestLookup(t *testing.T) {
	p := newTestPods()
	p.sink.Replace([]*Pod{
		aPod("one", func(p *Pod) { p.OnlyContainer = "main" }),
		aPod("two", withContainers("aaa", "bbb")),
		aPod("mirror", func(p *Pod) { p.ConfigHash, p.OnlyContainer = "hash", "etcd" }),
		aPod("liar", func(p *Pod) { p.ConfigHash = "two" }),
		aPod("elsewhere", withContainers("ccc"), func(p *Pod) { p.Node = "node2" }),
	})
	for _, tt := range []struct{ uid, container, wantUID, wantName string }{
		{"one", "not reported yet", "one", "main"},
		{"two", "aaa", "two", "name-of-aaa"},
		{"two", "not reported yet", "two", ""},
		{"hash", "", "mirror", "etcd"},
		{"mirror", "", "mirror", "etcd"},
		{"", "bbb", "two", "name-of-bbb"},
		{"", "", "", ""},
		{"unknown", "aaa", "", ""},
		{"elsewhere", "ccc", "", ""},
		{"", "ccc", "", ""},
	} {
		a := p.Lookup(tt.uid, tt.container)
		uid := ""
		if a.Pod != nil {
			uid = a.Pod.UID
		}
		if uid != tt.wantUID || a.Container != tt.wantName {
			t.Errorf("%q, %q: got %q, %q", tt.uid, tt.container, uid, a.Container)
		}
	}
	if n := len(p.All()); n != 4 {
		t.Errorf("%d pods, want 4", n)
	}
}

func TestGrace(t *testing.T) {
	for _, tt := range []struct {
		name   string
		remove func(*testPods)
	}{
		{"deleted", func(p *testPods) { p.sink.Delete(aPod("old", withContainers("aaa", "bbb"), withIP("10.0.0.1"))) }},
		{"missing in a list", func(p *testPods) { p.sink.Replace(nil) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newTestPods()
			p.sink.Set(aPod("old", withContainers("aaa", "bbb"), withIP("10.0.0.1"), func(p *Pod) { p.ConfigHash = "hash" }))
			tt.remove(p)
			// The next one has the same name, and a static pod the same hash.
			p.sink.Set(aPod("new", withContainers("ccc"), func(p *Pod) { p.ConfigHash = "hash" }))
			p.pass(grace - time.Second)
			if p.Lookup("old", "").Pod == nil || p.Lookup("", "aaa").Container != "name-of-aaa" {
				t.Error("forgotten within the grace period")
			}
			if p.ByIP(netip.MustParseAddr("10.0.0.1")) != nil {
				t.Error("a deleted pod has an address")
			}
			for _, pod := range p.All() {
				if pod.UID == "old" {
					t.Error("a deleted pod is among all")
				}
			}
			p.pass(time.Second)
			if p.Lookup("old", "").Pod != nil || p.Lookup("", "aaa").Pod != nil {
				t.Error("known after the grace period")
			}
			if a := p.Lookup("hash", ""); a.Pod == nil || a.Pod.UID != "new" {
				t.Errorf("the hash means %+v", a.Pod)
			}
		})
	}
}

func TestDeletedComesBack(t *testing.T) {
	p := newTestPods()
	p.sink.Set(aPod("a", withIP("10.0.0.1")))
	p.sink.Replace(nil)
	p.sink.Set(aPod("a", withIP("10.0.0.1")))
	p.pass(2 * grace)
	if p.Lookup("a", "").Pod == nil || p.ByIP(netip.MustParseAddr("10.0.0.1")) == nil {
		t.Error("lost")
	}
}

func TestManyDeleted(t *testing.T) {
	p := newTestPods()
	for i := range maxGone + 2 {
		pod := aPod(fmt.Sprint(i), withContainers(fmt.Sprintf("id-%d", i)))
		p.sink.Set(pod)
		p.sink.Delete(pod)
	}
	if len(p.byUID) != maxGone || len(p.byContainer) != maxGone || p.Lookup("1", "").Pod != nil || p.Lookup("2", "").Pod == nil {
		t.Errorf("%d pods, %d containers", len(p.byUID), len(p.byContainer))
	}
}

func TestRestarts(t *testing.T) {
	p := newTestPods()
	for i := range maxContainers {
		p.sink.Set(aPod("a", withContainers(fmt.Sprint(i))))
	}
	if p.Lookup("a", "0").Container == "" || p.Lookup("", "0").Pod == nil {
		t.Error("a former container is forgotten")
	}
	p.sink.Set(aPod("a", withContainers("one more")))
	if len(p.byContainer) != 1 || p.Lookup("a", "one more").Container == "" {
		t.Errorf("%d containers after too many restarts", len(p.byContainer))
	}
}

func TestByIP(t *testing.T) {
	const ip = "10.0.0.1"
	later := func(p *Pod) { p.Created++ }
	deleting := func(p *Pod) { p.Deleting = true }
	ended := func(p *Pod) { p.Ended = true }
	hostNetwork := func(p *Pod) { p.HostNetwork = true }
	for _, tt := range []struct {
		name string
		pods []*Pod
		want string
	}{
		{"one", []*Pod{aPod("a", withIP(ip))}, "a"},
		{"other address", []*Pod{aPod("a", withIP("10.0.0.2"))}, ""},
		{"host network", []*Pod{aPod("a", withIP(ip), hostNetwork)}, ""},
		{"ended", []*Pod{aPod("a", withIP(ip), ended)}, ""},
		{"deleting, still at work", []*Pod{aPod("a", withIP(ip), deleting)}, "a"},
		{"taken over", []*Pod{aPod("a", withIP(ip), later, deleting), aPod("b", withIP(ip))}, "b"},
		{"taken over from one that ended", []*Pod{aPod("a", withIP(ip), later, ended), aPod("b", withIP(ip))}, "b"},
		{"the later one", []*Pod{aPod("b", withIP(ip)), aPod("a", withIP(ip), later)}, "a"},
		{"moved", []*Pod{aPod("a", withIP(ip)), aPod("a", withIP("10.0.0.2"))}, ""},
		{"late news of the former", []*Pod{aPod("a", withIP(ip)), aPod("b", withIP(ip), later), aPod("a", withIP(ip), deleting)}, "b"},
		{"the new one ends", []*Pod{aPod("a", withIP(ip)), aPod("b", withIP(ip), later), aPod("b", withIP(ip), later, ended)}, "a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newTestPods()
			for _, pod := range tt.pods {
				p.sink.Set(pod)
			}
			got := ""
			if pod := p.ByIP(netip.MustParseAddr(ip)); pod != nil {
				got = pod.UID
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestPodsOverHTTP goes the whole way, with readers at work.
func TestPodsOverHTTP(t *testing.T) {
	t.Parallel()
	f := newFakeAPI(t, kruntime.ContentTypeProtobuf, true)
	p, err := NewPods(f.config(), PodsOptions{Node: "node1", Labels: []string{"v"}, Grace: time.Hour, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- p.Run(t.Context()) }()
	t.Cleanup(func() {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					p.Lookup("uid-web", "aaa")
					p.ByIP(netip.MustParseAddr("10.0.0.1"))
					p.All()
					p.Status()
				}
			}
		})
	}

	web := newPod("web", label("v", "1"), label("other", "1"), func(p *corev1.Pod) { p.Status.PodIP = "10.0.0.1" })
	f.set(web)
	eventually(t, "the pod", func() bool { return p.Lookup("uid-web", "aaa").Container == "main" })
	if got := p.Lookup("uid-web", "").Pod.Labels; !maps.Equal(got, map[string]string{"v": "1"}) {
		t.Errorf("labels %v", got)
	}
	if p.ByIP(netip.MustParseAddr("10.0.0.1")) == nil {
		t.Error("not seen")
	}

	web.UID = "uid-next"
	f.delete("web")
	f.set(web)
	eventually(t, "the next pod of this name", func() bool { return p.Lookup("uid-next", "").Pod != nil })
	if p.Lookup("uid-web", "").Pod == nil {
		t.Error("the former pod of this name is forgotten")
	}
	close(stop)
	readers.Wait()
}

func TestNewPodsWithoutNode(t *testing.T) {
	if _, err := NewPods(&rest.Config{}, PodsOptions{}); err == nil || !strings.Contains(err.Error(), "--node-name") {
		t.Error(err)
	}
}
