package directory

import (
	"net/netip"
	"testing"
	"time"

	"github.com/fathomhq/fathom/internal/kube"
)

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

func ipList(list ...string) (l []netip.Addr) {
	for _, s := range list {
		l = append(l, ip(s))
	}
	return l
}

type labels = map[string]string

// testPod returns a pod of the namespace shop on the node 192.0.2.1.
func testPod(uid, workload, address string, change ...func(*kube.Pod)) *kube.Pod {
	p := &kube.Pod{
		UID: uid, Namespace: "shop", Name: uid, Owner: kube.Owner{Kind: "Deployment", Name: workload},
		HostIPs: ipList("192.0.2.1"), Labels: labels{"app": workload},
		Ports: []kube.Port{{Name: "http", Number: 8080}, {Name: "metrics", Number: 9090}},
	}
	if address != "" {
		p.IPs = ipList(address)
	}
	for _, c := range change {
		c(p)
	}
	return p
}

func onHost(p *kube.Pod)                      { p.HostNetwork, p.IPs = true, p.HostIPs }
func ended(p *kube.Pod)                       { p.Ended = true }
func labelled(l labels) func(*kube.Pod)       { return func(p *kube.Pod) { p.Labels = l } }
func inNamespace(name string) func(*kube.Pod) { return func(p *kube.Pod) { p.Namespace = name } }
func onNode(list ...string) func(*kube.Pod)   { return func(p *kube.Pod) { p.HostIPs = ipList(list...) } }

// testService returns a service of the namespace shop that leads from port 80 to 8080.
func testService(name string, selector labels, addresses ...string) *kube.Service {
	return &kube.Service{
		UID: "service-" + name, Namespace: "shop", Name: name, IPs: ipList(addresses...), Selector: selector,
		Ports: []kube.ServicePort{{Port: 80, Target: 8080}},
	}
}

func withPorts(s *kube.Service, ports ...kube.ServicePort) *kube.Service {
	s.Ports = ports
	return s
}

func ofPod(workload, service string) Identity {
	return Identity{PodKind, "shop", workload, service}
}

func ofService(workload, service string) Identity {
	return Identity{ServiceKind, "shop", workload, service}
}

func TestRules(t *testing.T) {
	node := Identity{Kind: NodeKind}
	type answers map[string]Identity
	for name, test := range map[string]struct {
		pods     []*kube.Pod
		services []*kube.Service
		want     answers
	}{
		"nobody": {want: answers{"10.0.0.1:80": {}, "10.0.0.1:0": {}}},
		"pod": {
			pods: []*kube.Pod{testPod("1", "web", "10.0.0.1", func(p *kube.Pod) { p.IPs = ipList("10.0.0.1", "fd00::1") })},
			want: answers{
				"10.0.0.1:8080": ofPod("web", ""), "10.0.0.1:0": ofPod("web", ""), "[fd00::1]:1": ofPod("web", ""),
				"[::ffff:10.0.0.1]:8080": ofPod("web", ""),
			},
		},
		"pod without address": {pods: []*kube.Pod{testPod("1", "web", "")}, want: answers{"192.0.2.1:0": node}},
		"pod of a service": {
			pods:     []*kube.Pod{testPod("1", "web", "10.0.0.1")},
			services: []*kube.Service{testService("www", labels{"app": "web"}, "10.96.0.1")},
			want: answers{
				"10.0.0.1:8080": ofPod("web", "www"), "10.0.0.1:0": ofPod("web", "www"), "10.0.0.1:9090": ofPod("web", ""),
				"10.96.0.1:80": ofService("web", "www"), "10.96.0.1:81": ofService("web", "www"), "10.96.0.1:0": ofService("web", "www"),
			},
		},
		"several services": {
			pods: []*kube.Pod{testPod("1", "web", "10.0.0.1", labelled(labels{"app": "web", "tier": "front"}))},
			services: []*kube.Service{
				testService("c", labels{"app": "web"}),
				testService("b", labels{"tier": "front", "app": "web"}),
				testService("a", labels{"tier": "back", "app": "web"}),
				withPorts(testService("m", labels{"tier": "front"}), kube.ServicePort{Port: 1, TargetName: "metrics"}),
			},
			want: answers{
				"10.0.0.1:8080": ofPod("web", "b"), "10.0.0.1:9090": ofPod("web", "m"), "10.0.0.1:0": ofPod("web", "b"),
				"10.0.0.1:7": ofPod("web", ""),
			},
		},
		"named target port": {
			pods: []*kube.Pod{
				testPod("1", "web", "10.0.0.1"),
				testPod("2", "web", "10.0.0.2", func(p *kube.Pod) { p.Ports = []kube.Port{{Name: "http", Number: 3000}} }),
			},
			services: []*kube.Service{withPorts(testService("www", labels{"app": "web"}), kube.ServicePort{Port: 80, TargetName: "http"})},
			want: answers{
				"10.0.0.1:8080": ofPod("web", "www"), "10.0.0.1:3000": ofPod("web", ""),
				"10.0.0.2:3000": ofPod("web", "www"), "10.0.0.2:8080": ofPod("web", ""),
			},
		},
		"headless": {
			pods:     []*kube.Pod{testPod("1", "db", "10.0.0.1")},
			services: []*kube.Service{withPorts(testService("db", labels{"app": "db"}), kube.ServicePort{Port: 8080, Target: 8080})},
			want:     answers{"10.0.0.1:8080": ofPod("db", "db"), "10.0.0.1:9090": ofPod("db", "")},
		},
		"headless without ports": {
			pods: []*kube.Pod{testPod("1", "db", "10.0.0.1")},
			services: []*kube.Service{
				withPorts(testService("all", labels{"app": "db"})),
				testService("db", labels{"app": "db"}),
			},
			want: answers{"10.0.0.1:8080": ofPod("db", "db"), "10.0.0.1:9090": ofPod("db", "all"), "10.0.0.1:0": ofPod("db", "all")},
		},
		"without TCP ports": {
			pods:     []*kube.Pod{testPod("1", "dns", "10.0.0.1")},
			services: []*kube.Service{withPorts(testService("dns", labels{"app": "dns"}, "10.96.0.10"))},
			want:     answers{"10.0.0.1:8080": ofPod("dns", ""), "10.96.0.10:53": ofService("dns", "dns")},
		},
		"no port given for the target": {
			pods:     []*kube.Pod{testPod("1", "web", "10.0.0.1")},
			services: []*kube.Service{withPorts(testService("www", labels{"app": "web"}), kube.ServicePort{Port: 8080})},
			want:     answers{"10.0.0.1:8080": ofPod("web", "www")},
		},
		"service of several workloads": {
			pods: []*kube.Pod{
				testPod("1", "blue", "10.0.0.1", labelled(labels{"app": "web"})),
				testPod("2", "green", "10.0.0.2", labelled(labels{"app": "web"})),
			},
			services: []*kube.Service{testService("www", labels{"app": "web"}, "10.96.0.1")},
			want:     answers{"10.96.0.1:80": ofService("", "www"), "10.0.0.1:8080": ofPod("blue", "www"), "10.0.0.2:8080": ofPod("green", "www")},
		},
		"service without pods": {
			services: []*kube.Service{testService("www", labels{"app": "web"}, "10.96.0.1")},
			want:     answers{"10.96.0.1:80": ofService("", "www")},
		},
		"service without selector": {
			pods:     []*kube.Pod{testPod("1", "web", "10.0.0.1")},
			services: []*kube.Service{testService("api", nil, "10.96.0.1", "203.0.113.9")},
			want: answers{
				"10.96.0.1:443": ofService("", "api"), "203.0.113.9:80": ofService("", "api"), "10.0.0.1:8080": ofPod("web", ""),
			},
		},
		"services that share an address": {
			services: []*kube.Service{
				withPorts(testService("b", nil, "203.0.113.9"), kube.ServicePort{Port: 443}),
				withPorts(testService("a", nil, "203.0.113.9"), kube.ServicePort{Port: 80}),
			},
			want: answers{
				"203.0.113.9:443": ofService("", "b"), "203.0.113.9:80": ofService("", "a"), "203.0.113.9:22": ofService("", "a"),
			},
		},
		"service and pod of other namespaces": {
			pods:     []*kube.Pod{testPod("1", "web", "10.0.0.1", inNamespace("other"))},
			services: []*kube.Service{testService("www", labels{"app": "web"}, "10.96.0.1")},
			want: answers{
				"10.0.0.1:8080": {PodKind, "other", "web", ""}, "10.96.0.1:80": ofService("", "www"),
			},
		},
		"host network": {
			pods: []*kube.Pod{
				testPod("1", "proxy", "", onNode("192.0.2.1", "2001:db8::1"), onHost),
				testPod("2", "other", "", onHost, func(p *kube.Pod) { p.Ports = []kube.Port{{Number: 10250}} }),
				testPod("3", "web", "10.0.0.3", onNode("192.0.2.2")),
			},
			services: []*kube.Service{testService("ingress", labels{"app": "proxy"})},
			want: answers{
				"192.0.2.1:8080": ofPod("proxy", "ingress"), "[2001:db8::1]:9090": ofPod("proxy", ""), "192.0.2.1:10250": ofPod("other", ""),
				"192.0.2.1:22": node, "192.0.2.1:0": node, "192.0.2.2:8080": node, "192.0.2.2:0": node,
			},
		},
		"node port": {
			pods: []*kube.Pod{
				testPod("1", "web", "10.0.0.1"),
				testPod("2", "proxy", "", onHost, func(p *kube.Pod) { p.Ports = []kube.Port{{Number: 30001}} }),
			},
			services: []*kube.Service{withPorts(testService("www", labels{"app": "web"}, "10.96.0.1"),
				kube.ServicePort{Port: 80, Target: 8080, NodePort: 30000}, kube.ServicePort{Port: 81, Target: 8081, NodePort: 30001})},
			want: answers{
				"192.0.2.1:30000": ofService("web", "www"), "192.0.2.1:30001": ofPod("proxy", ""), "192.0.2.1:80": node,
				"192.0.2.9:30000": {},
			},
		},
		"service at a node's address": {
			pods:     []*kube.Pod{testPod("1", "web", "10.0.0.1")},
			services: []*kube.Service{testService("lb", labels{"app": "web"}, "192.0.2.1")},
			want:     answers{"192.0.2.1:80": ofService("web", "lb"), "192.0.2.1:81": node, "192.0.2.1:0": node},
		},
		"address used again": {
			pods: []*kube.Pod{testPod("1", "old", "10.0.0.1"), testPod("2", "new", "10.0.0.1")},
			want: answers{"10.0.0.1:0": ofPod("new", "")},
		},
		"ended": {
			pods: []*kube.Pod{testPod("1", "job", "10.0.0.1"), testPod("1", "job", "10.0.0.1", ended), testPod("2", "job", "10.0.0.2", ended)},
			want: answers{"10.0.0.1:0": {}, "10.0.0.2:0": {}, "192.0.2.1:0": {}},
		},
		"ended before the address was used again": {
			pods: []*kube.Pod{testPod("2", "new", "10.0.0.1"), testPod("1", "old", "10.0.0.1"), testPod("1", "old", "10.0.0.1", ended)},
			want: answers{"10.0.0.1:0": ofPod("new", "")},
		},
		"hostile name": {
			pods: []*kube.Pod{testPod("1", "a\xff\xffb", "10.0.0.1")},
			want: answers{"10.0.0.1:0": ofPod("a\uFFFDb", "")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			check := func(x *Index, how string) {
				t.Helper()
				for a, want := range test.want {
					if got := x.Identify(netip.MustParseAddrPort(a)); got != want {
						t.Errorf("%s: %s: %+v, want %+v", how, a, got, want)
					}
				}
			}
			podsFirst, servicesFirst := NewIndex(0), NewIndex(0)
			for _, p := range test.pods {
				podsFirst.SetPod(p)
			}
			for _, s := range test.services {
				podsFirst.SetService(s)
				servicesFirst.SetService(s)
			}
			for _, p := range test.pods {
				servicesFirst.SetPod(p)
			}
			check(podsFirst, "pods first")
			check(servicesFirst, "services first")
			if podsFirst.Synced() {
				t.Error("synced without a list")
			}

			listed := NewIndex(0)
			listed.ReplacePods(test.pods)
			listed.ReplaceServices(test.services)
			check(listed, "listed")
			if !listed.Synced() {
				t.Error("not synced after both lists")
			}
			listed.ReplacePods(nil)
			for _, s := range test.services {
				listed.DeleteService(s.UID)
			}
			mustBeEmpty(t, listed)
			for _, s := range test.services {
				podsFirst.DeleteService(s.UID)
			}
			for _, p := range test.pods {
				podsFirst.DeletePod(p.UID)
			}
			mustBeEmpty(t, podsFirst)
		})
	}
}

func mustBeEmpty(t *testing.T, x *Index) {
	t.Helper()
	if n := len(x.pods) + len(x.services) + len(x.groups) + len(x.pairs) + len(x.addresses) + len(x.nodes) + len(x.nodePorts) +
		len(x.gone) + len(x.topics) + len(x.dirty); n != 0 {
		t.Errorf("something is left: %+v, %d groups, %d labels, %d node ports", x.Stats(), len(x.groups), len(x.pairs), len(x.nodePorts))
	}
}

// step is one change and what an address is after it.
type step struct {
	do   func(*Index)
	want Identity
}

func set(p *kube.Pod) func(*Index)            { return func(x *Index) { x.SetPod(p) } }
func setService(s *kube.Service) func(*Index) { return func(x *Index) { x.SetService(s) } }
func deletePod(uid string) func(*Index)       { return func(x *Index) { x.DeletePod(uid) } }

// What changed is told to whoever follows the address, and nothing else.
func TestChanges(t *testing.T) {
	www := testService("www", labels{"app": "web"}, "10.96.0.1")
	for name, test := range map[string]struct {
		address string
		steps   []step
	}{
		"address used again, the old pod deleted late": {"10.0.0.1:0", []step{
			{set(testPod("1", "a", "10.0.0.1")), ofPod("a", "")},
			{set(testPod("2", "b", "10.0.0.1")), ofPod("b", "")},
			{deletePod("1"), ofPod("b", "")},
			{deletePod("2"), Identity{}},
		}},
		"address used again, the new pod deleted": {"10.0.0.1:0", []step{
			{set(testPod("1", "a", "10.0.0.1")), ofPod("a", "")},
			{set(testPod("2", "b", "10.0.0.1")), ofPod("b", "")},
			{deletePod("2"), ofPod("a", "")},
		}},
		"the address counts, not the pod's age": {"10.0.0.1:0", []step{
			{set(testPod("1", "a", "")), Identity{}},
			{set(testPod("2", "b", "10.0.0.1")), ofPod("b", "")},
			{set(testPod("1", "a", "10.0.0.1")), ofPod("a", "")},
			{set(testPod("2", "b", "10.0.0.1", labelled(nil))), ofPod("a", "")},
		}},
		"recreated under the same name": {"10.0.0.1:0", []step{
			{set(testPod("1", "a", "10.0.0.1")), ofPod("a", "")},
			{set(testPod("2", "a", "10.0.0.1")), ofPod("a", "")},
			{deletePod("1"), ofPod("a", "")},
		}},
		"pod changes its labels": {"10.0.0.1:8080", []step{
			{setService(www), Identity{}},
			{set(testPod("1", "web", "10.0.0.1")), ofPod("web", "www")},
			{set(testPod("1", "web", "10.0.0.1", labelled(labels{"app": "x"}))), ofPod("web", "")},
			{set(testPod("1", "web", "10.0.0.1")), ofPod("web", "www")},
		}},
		"service changes its selector": {"10.0.0.1:8080", []step{
			{set(testPod("1", "web", "10.0.0.1", labelled(labels{"app": "web", "tier": "x"}))), ofPod("web", "")},
			{setService(www), ofPod("web", "www")},
			{setService(testService("www", labels{"app": "none"}, "10.96.0.1")), ofPod("web", "")},
			{setService(testService("www", labels{"tier": "x"}, "10.96.0.1")), ofPod("web", "www")},
			{setService(withPorts(testService("www", labels{"tier": "x"}, "10.96.0.1"), kube.ServicePort{Port: 80, Target: 81})), ofPod("web", "")},
		}},
		"service of changing workloads": {"10.96.0.1:80", []step{
			{setService(www), ofService("", "www")},
			{set(testPod("1", "web", "10.0.0.1")), ofService("web", "www")},
			{set(testPod("2", "other", "10.0.0.2", labelled(labels{"app": "web"}))), ofService("", "www")},
			{deletePod("1"), ofService("other", "www")},
			{set(testPod("2", "other", "10.0.0.2")), ofService("", "www")},
			{func(x *Index) { x.DeleteService("service-www") }, Identity{}},
		}},
		"service recreated": {"10.96.0.1:80", []step{
			{setService(www), ofService("", "www")},
			{func(x *Index) {
				again := *www
				again.UID = "another"
				x.SetService(&again)
				x.DeleteService("service-www")
			}, ofService("", "www")},
		}},
		"service changes its address": {"10.96.0.1:80", []step{
			{setService(www), ofService("", "www")},
			{setService(testService("www", labels{"app": "web"}, "10.96.0.2")), Identity{}},
		}},
		"host network": {"192.0.2.1:8080", []step{
			{set(testPod("1", "web", "10.0.0.1")), Identity{Kind: NodeKind}},
			{set(testPod("2", "proxy", "", onHost)), ofPod("proxy", "")},
			{set(testPod("3", "next", "", onHost)), ofPod("next", "")},
			{deletePod("3"), ofPod("proxy", "")},
			{set(testPod("2", "proxy", "", onHost, ended)), Identity{Kind: NodeKind}},
			{deletePod("1"), Identity{}},
		}},
		"node port": {"192.0.2.1:30000", []step{
			{set(testPod("1", "web", "10.0.0.1")), Identity{Kind: NodeKind}},
			{setService(withPorts(testService("www", labels{"app": "web"}), kube.ServicePort{Port: 80, NodePort: 30000})), ofService("web", "www")},
			{set(testPod("1", "web", "10.0.0.1", labelled(nil))), ofService("", "www")},
			{setService(www), Identity{Kind: NodeKind}},
		}},
		"relist": {"10.0.0.1:8080", []step{
			{func(x *Index) { x.ReplacePods([]*kube.Pod{testPod("1", "web", "10.0.0.1")}) }, ofPod("web", "")},
			{func(x *Index) { x.ReplaceServices([]*kube.Service{www}) }, ofPod("web", "www")},
			{func(x *Index) { x.ReplacePods([]*kube.Pod{testPod("2", "new", "10.0.0.1")}) }, ofPod("new", "")},
			{func(x *Index) { x.ReplacePods(nil) }, Identity{}},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			x := NewIndex(0)
			w := x.Watch(1)
			defer w.Close()
			address := netip.MustParseAddrPort(test.address)
			if err := w.Add([]netip.AddrPort{address}); err != nil {
				t.Fatal(err)
			}
			told := takeOne(t, w, address)
			if told != (Identity{}) {
				t.Errorf("an empty index knows %+v", told)
			}
			for i, s := range test.steps {
				s.do(x)
				if got := x.Identify(address); got != s.want {
					t.Errorf("step %d: %+v, want %+v", i, got, s.want)
				}
				if s.want == told {
					if answers := w.Take(10); len(answers) > 0 {
						t.Errorf("step %d: told %+v, and nothing changed", i, answers)
					}
					continue
				}
				if told = takeOne(t, w, address); told != s.want {
					t.Errorf("step %d: told %+v, want %+v", i, told, s.want)
				}
			}
		})
	}
}

// takeOne takes the one answer that is there.
func takeOne(t *testing.T, w *Watch, address netip.AddrPort) Identity {
	t.Helper()
	select {
	case <-w.Wake():
	default:
		t.Fatal("not woken")
	}
	answers := w.Take(10)
	if len(answers) != 1 || answers[0].Address != address {
		t.Fatalf("told %+v, want one answer", answers)
	}
	return answers[0].Identity
}

func TestGrace(t *testing.T) {
	x := NewIndex(time.Minute)
	now := time.Unix(1000, 0)
	x.now = func() time.Time { return now }
	after := func(d time.Duration) { now = now.Add(d); x.Expire() }
	expect := func(address string, want Identity) {
		t.Helper()
		if got := x.Identify(netip.MustParseAddrPort(address)); got != want {
			t.Errorf("%s: %+v, want %+v", address, got, want)
		}
	}
	x.SetService(testService("www", labels{"app": "web"}, "10.96.0.1"))
	x.SetPod(testPod("1", "web", "10.0.0.1"))
	x.SetPod(testPod("2", "web", "10.0.0.2"))
	x.SetPod(testPod("3", "new", "10.0.0.3", labelled(labels{"app": "web"})))
	expect("10.96.0.1:80", ofService("", "www"))

	x.DeletePod("1")
	x.SetPod(testPod("2", "web", "10.0.0.2", ended))
	expect("10.0.0.1:8080", ofPod("web", "www"))
	expect("10.0.0.2:8080", ofPod("web", "www"))
	expect("10.96.0.1:80", ofService("new", "www")) // those that live

	x.SetPod(testPod("4", "other", "10.0.0.2"))
	expect("10.0.0.2:0", ofPod("other", ""))
	after(time.Minute - 1)
	expect("10.0.0.1:8080", ofPod("web", "www"))
	after(1)
	expect("10.0.0.1:8080", Identity{})
	expect("10.0.0.2:0", ofPod("other", ""))

	x.DeletePod("3")
	expect("10.96.0.1:80", ofService("new", "www")) // those that lived
	after(30 * time.Second)
	x.SetPod(testPod("3", "new", "10.0.0.3", labelled(labels{"app": "web"}))) // it was not gone
	after(30 * time.Second)
	expect("10.96.0.1:80", ofService("new", "www"))
	x.DeletePod("3")
	after(time.Minute)
	expect("10.96.0.1:80", ofService("", "www"))

	x.ReplacePods(nil)
	x.ReplaceServices(nil)
	after(time.Minute)
	mustBeEmpty(t, x)
}
