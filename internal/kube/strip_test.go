package kube

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

var (
	created      = time.Date(2026, 11, 22, 19, 30, 0, 0, time.UTC)
	compareAddrs = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
)

func addrs(ips ...string) []netip.Addr {
	var as []netip.Addr
	for _, ip := range ips {
		as = append(as, netip.MustParseAddr(ip))
	}
	return as
}

// newPod makes a pod as the API server shows it, changed by each of edit.
func newPod(name string, edit ...func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: "shop", UID: types.UID("uid-" + name),
			CreationTimestamp: metav1.NewTime(created), ResourceVersion: "7",
		},
		Spec:   corev1.PodSpec{NodeName: "node1", Containers: []corev1.Container{{Name: "main"}}},
		Status: corev1.PodStatus{Phase: corev1.PodRunning},
	}
	for _, e := range edit {
		e(p)
	}
	return p
}

func controller(apiVersion, kind, name string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		yes := true
		p.OwnerReferences = append(p.OwnerReferences, metav1.OwnerReference{APIVersion: apiVersion, Kind: kind, Name: name, Controller: &yes})
	}
}

func label(name, value string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		if p.Labels == nil {
			p.Labels = make(map[string]string)
		}
		p.Labels[name] = value
	}
}

func annotation(name, value string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		if p.Annotations == nil {
			p.Annotations = make(map[string]string)
		}
		p.Annotations[name] = value
	}
}

func TestOwner(t *testing.T) {
	hash := label("pod-template-hash", "7d4b9c")
	dc := func(name string) func(*corev1.Pod) { return annotation("openshift.io/deployment-config.name", name) }
	for _, tt := range []struct {
		name string
		pod  *corev1.Pod
		want Owner
	}{
		{"none", newPod("bare"), Owner{"Pod", "bare"}},
		{"not a controller", newPod("bare", func(p *corev1.Pod) {
			p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web"}}
		}), Owner{"Pod", "bare"}},
		{"Deployment", newPod("web-7d4b9c-x", hash, controller("apps/v1", "ReplicaSet", "web-7d4b9c")), Owner{"Deployment", "web"}},
		{"ReplicaSet without hash", newPod("web-x", controller("apps/v1", "ReplicaSet", "web-7d4b9c")), Owner{"ReplicaSet", "web-7d4b9c"}},
		{"ReplicaSet with another's hash", newPod("web-x", hash, controller("apps/v1", "ReplicaSet", "web-blue")), Owner{"ReplicaSet", "web-blue"}},
		{"nothing but a hash", newPod("x", hash, controller("apps/v1", "ReplicaSet", "-7d4b9c")), Owner{"ReplicaSet", "-7d4b9c"}},
		{"another's ReplicaSet", newPod("x", hash, controller("example.org/v1", "ReplicaSet", "web-7d4b9c")), Owner{"ReplicaSet", "web-7d4b9c"}},
		{"Rollout", newPod("web-5f6d8-x", label("rollouts-pod-template-hash", "5f6d8"), controller("apps/v1", "ReplicaSet", "web-5f6d8")), Owner{"Rollout", "web"}},
		{"Rollout with a Deployment's label in its template", newPod("web-x", hash, label("rollouts-pod-template-hash", "5f6d8"), controller("apps/v1", "ReplicaSet", "web-5f6d8")), Owner{"Rollout", "web"}},
		{"Deployment with a Rollout's label in its template", newPod("web-x", hash, label("rollouts-pod-template-hash", "5f6d8"), controller("apps/v1", "ReplicaSet", "web-7d4b9c")), Owner{"Deployment", "web"}},
		{"another's Rollout", newPod("x", label("rollouts-pod-template-hash", "5f6d8"), controller("example.org/v1", "ReplicaSet", "web-5f6d8")), Owner{"ReplicaSet", "web-5f6d8"}},
		{"CronJob", newPod("x", controller("batch/v1", "Job", "report-29924370")), Owner{"CronJob", "report"}},
		{"CronJob, pod made again days later", newPod("x", controller("batch/v1", "Job", "report-29900000")), Owner{"CronJob", "report"}},
		{"CronJob, the pod's clock is a day late", newPod("x", controller("batch/v1", "Job", "report-29924370")), Owner{"CronJob", "report"}},
		{"CronJob, at once", newPod("x", controller("batch/v1", "Job", "report-29922930")), Owner{"CronJob", "report"}},
		{"CronJob, after 30 days", newPod("x", controller("batch/v1", "Job", "report-29879730")), Owner{"CronJob", "report"}},
		{"CronJob with a number in its name", newPod("x", controller("batch/v1", "Job", "report-2-29924370")), Owner{"CronJob", "report-2"}},
		{"Job of a build", newPod("x", controller("batch/v1", "Job", "build-28912345")), Owner{"Job", "build-28912345"}},
		{"Job with a minute of long ago", newPod("x", controller("batch/v1", "Job", "build-29879729")), Owner{"Job", "build-29879729"}},
		{"Job", newPod("x", controller("batch/v1", "Job", "migrate")), Owner{"Job", "migrate"}},
		{"Job with a date", newPod("x", controller("batch/v1", "Job", "report-20261122")), Owner{"Job", "report-20261122"}},
		{"Job with seconds", newPod("x", controller("batch/v1", "Job", "report-1795462200")), Owner{"Job", "report-1795462200"}},
		{"Job with a huge number", newPod("x", controller("batch/v1", "Job", "report-99999999999999999999")), Owner{"Job", "report-99999999999999999999"}},
		{"Job with a small number", newPod("x", controller("batch/v1", "Job", "report-2")), Owner{"Job", "report-2"}},
		{"Job with a minute to come", newPod("x", controller("batch/v1", "Job", "report-29924371")), Owner{"Job", "report-29924371"}},
		{"Job named like a number", newPod("x", controller("batch/v1", "Job", "-29924370")), Owner{"Job", "-29924370"}},
		{"StatefulSet", newPod("db-0", controller("apps/v1", "StatefulSet", "db")), Owner{"StatefulSet", "db"}},
		{"DaemonSet", newPod("x", controller("apps/v1", "DaemonSet", "fathom")), Owner{"DaemonSet", "fathom"}},
		{"ReplicationController", newPod("x", controller("v1", "ReplicationController", "old")), Owner{"ReplicationController", "old"}},
		{"DeploymentConfig", newPod("web-12-x", dc("web"), controller("v1", "ReplicationController", "web-12")), Owner{"DeploymentConfig", "web"}},
		{"DeploymentConfig with a number in its name", newPod("web-2-12-x", dc("web-2"), controller("v1", "ReplicationController", "web-2-12")), Owner{"DeploymentConfig", "web-2"}},
		{"ReplicationController with a number", newPod("web-12-x", controller("v1", "ReplicationController", "web-12")), Owner{"ReplicationController", "web-12"}},
		{"ReplicationController with another's annotation", newPod("x", dc("web"), controller("v1", "ReplicationController", "shop-12")), Owner{"ReplicationController", "shop-12"}},
		{"ReplicationController without a version", newPod("x", dc("web"), controller("v1", "ReplicationController", "web-blue")), Owner{"ReplicationController", "web-blue"}},
		{"nothing but a version", newPod("x", dc(""), controller("v1", "ReplicationController", "-12")), Owner{"ReplicationController", "-12"}},
		{"annotation alone", newPod("x", dc("web")), Owner{"Pod", "x"}},
		{"static", newPod("etcd-node1", controller("v1", "Node", "Node1")), Owner{"Pod", "etcd"}},
		{"static without the node's name", newPod("etcd", controller("v1", "Node", "node1")), Owner{"Pod", "etcd"}},
		{"custom", newPod("x", controller("example.org/v1", "Workflow", "train")), Owner{"Workflow", "train"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := ownerOf(tt.pod); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestStripPod(t *testing.T) {
	always := corev1.ContainerRestartPolicyAlways
	pod := newPod("web-7d4b9c-x", label("pod-template-hash", "7d4b9c"), label("app", "web"), annotation("team", "red"), annotation("note", "x"),
		controller("apps/v1", "ReplicaSet", "web-7d4b9c"), func(p *corev1.Pod) {
			now := metav1.Now()
			p.DeletionTimestamp = &now
			p.Spec.InitContainers = []corev1.Container{
				{Name: "setup", Ports: []corev1.ContainerPort{{Name: "no", ContainerPort: 1}}},
				{Name: "proxy", RestartPolicy: &always, Ports: []corev1.ContainerPort{{Name: "admin", ContainerPort: 15000}}},
			}
			p.Spec.Containers[0].Ports = []corev1.ContainerPort{
				{Name: "http", ContainerPort: 8080, Protocol: corev1.ProtocolTCP}, {Name: "dns", ContainerPort: 53, Protocol: corev1.ProtocolUDP},
				{ContainerPort: 70000}, {ContainerPort: -1},
			}
			p.Status = corev1.PodStatus{
				Phase: corev1.PodRunning, PodIP: "10.1.0.5", HostIP: "192.0.2.1",
				PodIPs:  []corev1.PodIP{{IP: "10.1.0.5"}, {IP: "fd00::5"}, {IP: "garbage"}},
				HostIPs: []corev1.HostIP{{IP: "::ffff:192.0.2.1"}},
				InitContainerStatuses: []corev1.ContainerStatus{
					{Name: "setup", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ContainerID: "containerd://aaa"}}},
				},
				ContainerStatuses: []corev1.ContainerStatus{{
					Name: "main", ContainerID: "containerd://ccc",
					LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ContainerID: "containerd://bbb"}},
				}, {Name: "starting"}, {Name: "odd", ContainerID: "no-runtime"}, {Name: "odd", ContainerID: "cri-o://"}},
				EphemeralContainerStatuses: []corev1.ContainerStatus{{Name: "debugger", ContainerID: "cri-o://ddd"}},
			}
		})
	want := &Pod{
		UID: "uid-web-7d4b9c-x", Namespace: "shop", Name: "web-7d4b9c-x", Node: "node1", Owner: Owner{"Deployment", "web"},
		Containers: map[string]string{"aaa": "setup", "bbb": "main", "ccc": "main", "ddd": "debugger"},
		IPs:        addrs("10.1.0.5", "fd00::5"), HostIPs: addrs("192.0.2.1"),
		Ports:  []Port{{"http", 8080}, {"admin", 15000}},
		Labels: map[string]string{"app": "web"}, Annotations: map[string]string{"team": "red"},
		Created: created.Unix(), Deleting: true,
	}
	agent := &stripper{keep: Strip{Containers: true, Labels: []string{"app", "absent"}, Annotations: []string{"team"}}}
	got, err := agent.pod(pod)
	if diff := cmp.Diff(want, got, compareAddrs); diff != "" || err != nil {
		t.Errorf("agent: %v\n%s", err, diff)
	}

	want.Containers, want.Annotations = nil, nil
	want.Labels = pod.Labels
	directory := &stripper{keep: Strip{AllLabels: true}}
	got, err = directory.pod(pod)
	if diff := cmp.Diff(want, got, compareAddrs); diff != "" || err != nil {
		t.Errorf("directory: %v\n%s", err, diff)
	}
	pod.Labels["app"] = "changed"
	if got.Labels["app"] != "web" {
		t.Error("shares the labels with the object")
	}
}

func TestStripPodCases(t *testing.T) {
	for _, tt := range []struct {
		name string
		pod  *corev1.Pod
		ok   func(*Pod) bool
	}{
		{"one container", newPod("a"), func(p *Pod) bool { return p.OnlyContainer == "main" && p.Containers == nil }},
		{"init container", newPod("a", func(p *corev1.Pod) { p.Spec.InitContainers = make([]corev1.Container, 1) }), func(p *Pod) bool { return p.OnlyContainer == "" }},
		{"ephemeral container", newPod("a", func(p *corev1.Pod) { p.Spec.EphemeralContainers = make([]corev1.EphemeralContainer, 1) }), func(p *Pod) bool { return p.OnlyContainer == "" }},
		{"no container", newPod("a", func(p *corev1.Pod) { p.Spec.Containers = nil }), func(p *Pod) bool { return p.OnlyContainer == "" }},
		{"succeeded", newPod("a", func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }), func(p *Pod) bool { return p.Ended }},
		{"failed", newPod("a", func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed }), func(p *Pod) bool { return p.Ended }},
		{"running", newPod("a"), func(p *Pod) bool { return !p.Ended && !p.Deleting }},
		{"no addresses", newPod("a"), func(p *Pod) bool { return p.IPs == nil && p.HostIPs == nil }},
		{"one address, no list", newPod("a", func(p *corev1.Pod) { p.Status.PodIP, p.Status.HostIP = "10.1.0.5", "fe80::1%eth0" }), func(p *Pod) bool {
			return cmp.Equal(p.IPs, addrs("10.1.0.5"), compareAddrs) && cmp.Equal(p.HostIPs, addrs("fe80::1"), compareAddrs)
		}},
		{"static", newPod("a", controller("v1", "Node", "node1"), annotation(mirrorAnnotation, "abc"), annotation(hashAnnotation, "abc")), func(p *Pod) bool { return p.ConfigHash == "abc" }},
		{"static by its own account", newPod("a", annotation(mirrorAnnotation, "abc"), annotation(hashAnnotation, "abc")), func(p *Pod) bool { return p.ConfigHash == "" }},
		{"two hashes", newPod("a", controller("v1", "Node", "node1"), annotation(mirrorAnnotation, "abc"), annotation(hashAnnotation, "def")), func(p *Pod) bool { return p.ConfigHash == "" }},
		{"long annotation", newPod("a", annotation("note", "a"+strings.Repeat("é", 4000))), func(p *Pod) bool { return p.Annotations["note"] == "a"+strings.Repeat("é", 511) }},
		{"host network", newPod("a", func(p *corev1.Pod) { p.Spec.HostNetwork = true }), func(p *Pod) bool { return p.HostNetwork }},
		{"no time of creation", newPod("a", func(p *corev1.Pod) { p.CreationTimestamp = metav1.Time{} }), func(p *Pod) bool { return p.Created == 0 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &stripper{keep: Strip{Containers: true, Annotations: []string{"note"}}}
			got, err := s.pod(tt.pod)
			if err != nil || !tt.ok(got) {
				t.Errorf("%v: %+v", err, got)
			}
		})
	}
}

func TestStripRefuses(t *testing.T) {
	s := &stripper{}
	if _, err := s.pod(&corev1.Service{}); err == nil {
		t.Error("took a service for a pod")
	}
	if _, err := s.pod(nil); err == nil {
		t.Error("took nothing for a pod")
	}
	if _, err := s.service(&corev1.Pod{}); err == nil {
		t.Error("took a pod for a service")
	}
	if _, err := s.pod(newPod("a", func(p *corev1.Pod) { p.UID = "" })); err == nil {
		t.Error("took a pod without UID")
	}
	if _, err := s.service(&corev1.Service{ObjectMeta: metav1.ObjectMeta{UID: "a"}}); err == nil {
		t.Error("took a service without a name")
	}
}

func TestStripService(t *testing.T) {
	meta := metav1.ObjectMeta{Name: "web", Namespace: "shop", UID: "uid"}
	for _, tt := range []struct {
		name string
		spec corev1.ServiceSpec
		lb   []corev1.LoadBalancerIngress
		want Service
	}{
		{
			name: "load balancer",
			spec: corev1.ServiceSpec{
				ClusterIP: "10.96.0.1", ClusterIPs: []string{"10.96.0.1", "fd00::1"}, ExternalIPs: []string{"198.51.100.1"}, Selector: map[string]string{"app": "web"},
				Ports: []corev1.ServicePort{
					{Port: 80, NodePort: 30080, TargetPort: intstr.FromString("http"), Protocol: corev1.ProtocolTCP},
					{Port: 81, TargetPort: intstr.FromInt32(8081)}, {Port: 82}, {Port: 53, Protocol: corev1.ProtocolUDP}, {Port: -1}, {Port: 83, TargetPort: intstr.FromInt32(1 << 20)},
				},
			},
			lb: []corev1.LoadBalancerIngress{{IP: "203.0.113.7"}, {Hostname: "lb.example.org"}},
			want: Service{
				IPs: addrs("10.96.0.1", "fd00::1", "198.51.100.1", "203.0.113.7"), Selector: map[string]string{"app": "web"},
				Ports: []ServicePort{{Port: 80, NodePort: 30080, TargetName: "http"}, {Port: 81, Target: 8081}, {Port: 82, Target: 82}, {Port: 83}},
			},
		},
		{name: "headless", spec: corev1.ServiceSpec{ClusterIP: "None", ClusterIPs: []string{"None"}, Selector: map[string]string{"a": "b"}}, want: Service{Selector: map[string]string{"a": "b"}}},
		{name: "external name", spec: corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, Selector: map[string]string{"a": "b"}, ExternalName: "example.org"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := &corev1.Service{ObjectMeta: meta, Spec: tt.spec, Status: corev1.ServiceStatus{LoadBalancer: corev1.LoadBalancerStatus{Ingress: tt.lb}}}
			tt.want.UID, tt.want.Namespace, tt.want.Name = "uid", "shop", "web"
			got, err := (&stripper{}).service(v)
			if diff := cmp.Diff(&tt.want, got, compareAddrs); diff != "" || err != nil {
				t.Errorf("%v\n%s", err, diff)
			}
		})
	}
}

func TestInterner(t *testing.T) {
	var in interner
	for range 2*maxInterned + 10 {
		word := string(rune('a'+rand.N(26))) + strings.Repeat("x", rand.N(100)) + time.Duration(rand.Int64()).String()
		if got := in.get(word); got != word {
			t.Fatalf("got %q for %q", got, word)
		}
	}
	if n := len(in.new) + len(in.old); n > 2*maxInterned {
		t.Errorf("holds %d strings", n)
	}
}

// FuzzStrip decodes pods and services that nobody checked, as the client does.
func FuzzStrip(f *testing.F) {
	add := func(data []byte, err error) {
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	add(newPod("web", label("a", "b"), controller("batch/v1", "Job", "report-29924370")).Marshal())
	add((&corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "a", UID: "b"}, Spec: corev1.ServiceSpec{ClusterIP: "10.0.0.1", Ports: []corev1.ServicePort{{Port: 80}}}}).Marshal())
	s := &stripper{keep: Strip{Containers: true, AllLabels: true, Annotations: []string{"a"}}}
	f.Fuzz(func(t *testing.T, data []byte) {
		var pod corev1.Pod
		if pod.Unmarshal(data) == nil {
			if got, err := s.pod(&pod); (err == nil) != (pod.UID != "" && pod.Name != "") || err == nil && got.UID != string(pod.UID) {
				t.Errorf("got %+v, %v", got, err)
			}
		}
		var svc corev1.Service
		if svc.Unmarshal(data) == nil {
			if got, err := s.service(&svc); (err == nil) != (svc.UID != "" && svc.Name != "") || err == nil && got.UID != string(svc.UID) {
				t.Errorf("got %+v, %v", got, err)
			}
		}
	})
}
