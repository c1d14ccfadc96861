package kube

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// bigPod is a pod as clusters have them: by a Deployment of 10, with 8 labels, 2 containers, environment, volumes and
// managed fields.
func bigPod(i int) []byte {
	deployment := fmt.Sprintf("service-%d", i/10)
	pod := newPod(fmt.Sprintf("%s-7d4b9c6f58-%05d", deployment, i), controller("apps/v1", "ReplicaSet", deployment+"-7d4b9c6f58"), func(p *corev1.Pod) {
		p.UID = types.UID(fmt.Sprintf("0d1f6a52-4f0e-4c4b-9a5e-%012d", i))
		p.Namespace = fmt.Sprintf("team-%d", i%40)
		p.Labels = map[string]string{
			"app.kubernetes.io/name": deployment, "app.kubernetes.io/instance": deployment, "app.kubernetes.io/version": "1.2.3", "app.kubernetes.io/part-of": "shop",
			"app.kubernetes.io/managed-by": "Helm", "helm.sh/chart": "service-4.5.6", "team": p.Namespace, "pod-template-hash": "7d4b9c6f58",
		}
		p.Annotations = map[string]string{"checksum/config": fmt.Sprintf("%064d", i), "prometheus.io/scrape": "true"}
		p.Spec.NodeName = fmt.Sprintf("node-%d.example.internal", i%500)
		p.Spec.Containers = []corev1.Container{{Name: "app", Image: "registry.example.org/team/app:1.2.3"}, {Name: "proxy", Image: "registry.example.org/proxy:2"}}
		for c := range p.Spec.Containers {
			p.Spec.Containers[c].Ports = []corev1.ContainerPort{{Name: "http", ContainerPort: int32(8080 + c)}}
			for v := range 20 {
				p.Spec.Containers[c].Env = append(p.Spec.Containers[c].Env, corev1.EnvVar{Name: fmt.Sprintf("VARIABLE_%d", v), Value: "some value"})
			}
			p.Status.ContainerStatuses = append(p.Status.ContainerStatuses, corev1.ContainerStatus{Name: p.Spec.Containers[c].Name, ContainerID: fmt.Sprintf("containerd://%063d%d", i, c)})
		}
		p.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "kubelet", FieldsV1: metav1.NewFieldsV1(strings.Repeat(" ", 1500))}}
		p.Status.PodIP, p.Status.HostIP = fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255), fmt.Sprintf("192.0.%d.%d", i%500/250, i%250)
	})
	data, err := pod.Marshal()
	if err != nil {
		panic(err)
	}
	return data
}

// BenchmarkStrip prints the bytes that stay in memory for each pod: those of the directory and those of an agent.
func BenchmarkStrip(b *testing.B) {
	for _, bb := range []struct {
		name string
		keep Strip
	}{{"directory", Strip{AllLabels: true}}, {"agent", Strip{Containers: true, Labels: []string{"team"}}}} {
		b.Run(bb.name, func(b *testing.B) {
			const n = 20000
			for b.Loop() {
				s := &stripper{keep: bb.keep}
				pods := make([]*Pod, 0, n)
				before := heap()
				for i := range n {
					var pod corev1.Pod
					if err := pod.Unmarshal(bigPod(i)); err != nil {
						b.Fatal(err)
					}
					stripped, err := s.pod(&pod)
					if err != nil {
						b.Fatal(err)
					}
					pods = append(pods, stripped)
				}
				b.ReportMetric(float64(heap()-before)/n, "bytes/pod")
				runtime.KeepAlive(pods)
				runtime.KeepAlive(s)
			}
		})
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func BenchmarkLookup(b *testing.B) {
	p := newTestPods()
	for i := range 110 {
		p.sink.Set(aPod(fmt.Sprint(i), withContainers(fmt.Sprint("id", i))))
	}
	for b.Loop() {
		p.Lookup("57", "id57")
	}
}
