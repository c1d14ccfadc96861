package directory

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"

	"github.com/fathomhq/fathom/internal/kube"
)

// cluster is the issue's: 20,000 pods of 2,000 services in 200 namespaces, on 500 nodes.
func cluster() (pods []*kube.Pod, services []*kube.Service) {
	for i := range 20_000 {
		ns, app := fmt.Sprint("team-", i%200), fmt.Sprint("app-", i%2000)
		pods = append(pods, &kube.Pod{
			UID: fmt.Sprintf("0d6ff7ee-35fc-4f2b-a2b5-%012d", i), Namespace: ns, Name: fmt.Sprintf("%s-6d4cf56db6-%05d", app, i),
			Owner: kube.Owner{Kind: "Deployment", Name: app}, IPs: []netip.Addr{netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})},
			HostIPs: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, byte(i % 500 >> 8), byte(i % 500)})},
			Labels: labels{
				"app.kubernetes.io/name": app, "app.kubernetes.io/instance": app, "app.kubernetes.io/managed-by": "Helm",
				"pod-template-hash": "6d4cf56db6", "team": ns,
			},
			Ports: []kube.Port{{Name: "http", Number: 8080}, {Name: "metrics", Number: 9090}},
		})
	}
	for i := range 2000 {
		app := fmt.Sprint("app-", i)
		services = append(services, &kube.Service{
			UID: fmt.Sprintf("9a4e1ccb-0c3e-4a57-9d7a-%012d", i), Namespace: fmt.Sprint("team-", i%200), Name: app,
			IPs:      []netip.Addr{netip.AddrFrom4([4]byte{10, 96, byte(i >> 8), byte(i)})},
			Selector: labels{"app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/name": app},
			Ports:    []kube.ServicePort{{Port: 80, TargetName: "http"}},
		})
	}
	return pods, services
}

// BenchmarkBuild reads a whole cluster into an index.
func BenchmarkBuild(b *testing.B) {
	pods, services := cluster()
	for _, each := range []struct {
		name string
		make func(*Index)
	}{
		{"listed", func(x *Index) { x.ReplacePods(pods); x.ReplaceServices(services) }},
		{"services-first", func(x *Index) { x.ReplaceServices(services); x.ReplacePods(pods) }},
	} {
		b.Run(each.name, func(b *testing.B) {
			before := heap()
			var x *Index
			for b.Loop() {
				x = NewIndex(0)
				each.make(x)
			}
			b.StopTimer()
			b.ReportMetric(float64(heap()-before)/float64(len(pods)), "B/pod")
			if got := x.Identify(netip.MustParseAddrPort("10.1.0.1:8080")); got.Service != "app-1" {
				b.Errorf("got %+v", got)
			}
		})
	}
	runtime.KeepAlive(pods)
	runtime.KeepAlive(services)
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkOneNamespace is the worst case: all pods and services in one namespace, each pod with a label of its own.
func BenchmarkOneNamespace(b *testing.B) {
	pods, services := cluster()
	for i, p := range pods {
		p.Namespace = "one"
		p.Labels["statefulset.kubernetes.io/pod-name"] = p.Name
		if i < len(services) {
			services[i].Namespace = "one"
		}
	}
	before := heap()
	var x *Index
	for b.Loop() {
		x = NewIndex(0)
		x.ReplacePods(pods)
		x.ReplaceServices(services)
	}
	b.StopTimer()
	b.ReportMetric(float64(heap()-before)/float64(len(pods)), "B/pod")
	runtime.KeepAlive(x)
	runtime.KeepAlive(pods)
	runtime.KeepAlive(services)
}

// BenchmarkChange is a pod that comes and goes, with 50 watches that follow 4,096 addresses each.
func BenchmarkChange(b *testing.B) {
	pods, services := cluster()
	x := NewIndex(0)
	x.ReplacePods(pods)
	x.ReplaceServices(services)
	before := heap()
	const watches, each = 50, 4096
	for n := range watches {
		w := x.Watch(each)
		defer w.Close()
		var list []netip.AddrPort
		for i := range each {
			list = append(list, netip.AddrPortFrom(pods[(n*97+i*3)%len(pods)].IPs[0], 8080))
		}
		if err := w.Add(list); err != nil {
			b.Fatal(err)
		}
		w.Take(each)
	}
	perSubscription := float64(heap()-before) / (watches * each)
	i := 0
	for b.Loop() {
		p := pods[i%len(pods)]
		x.DeletePod(p.UID)
		x.SetPod(p)
		i++
	}
	b.ReportMetric(perSubscription, "B/subscription")
}
