package cluster

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const (
	servedName = "http_request_duration_seconds"
	madeName   = "http_client_request_duration_seconds"
)

// chain are three services that call each other: front, middle, back.
type chain struct{ *cluster }

func newChain(t *testing.T) chain {
	c := chain{newCluster(t)}
	back := c.deploy(workload{name: "back", replicas: 2})
	middle := c.deploy(workload{name: "middle", replicas: 2, next: back})
	c.deploy(workload{name: "front", replicas: 2, next: middle})
	return c
}

// of are the labels of a service's series.
func (c chain) of(name string) string {
	return fmt.Sprintf("namespace=%s workload=%s workload_kind=Deployment container=service", c.namespace, name)
}

// pair is a caller and the one that it calls.
type pair struct{ from, to string }

var calls = []pair{{"front", "middle"}, {"middle", "back"}}

// differences compares, pod by pod and edge by edge, what Fathom shows with what the services did.
func (c chain) differences() string {
	s, err := c.scrape()
	if err != nil {
		return err.Error()
	}
	wrong := ""
	for _, name := range []string{"front", "middle", "back"} {
		for _, pod := range c.pods(c.namespace, "app="+name) {
			did, err := c.truth(pod)
			if err != nil {
				return err.Error()
			}
			of := c.of(name) + " pod=" + pod.Name + " node=" + pod.Spec.NodeName + " method=GET status=200"
			wrong += equal(pod.Name+" served", s.sum(servedName, of), did.Served)
			wrong += equal(pod.Name+" made", s.sum(madeName, of), did.Made)
		}
	}
	return wrong + c.edges(s)
}

// opened are the metrics of an edge at both ends that agree however its connections end.
var opened = []atBothEnds{{"tcp_connections_opened_total", "tcp_connections_opened_total"}}

type atBothEnds struct{ at, there string }

// edges compares both ends of the traffic between services.
func (c chain) edges(s scraped) (wrong string) {
	return c.edgesOf(s, calls, append([]atBothEnds{
		{"tcp_bytes_sent_total", "tcp_bytes_received_total"}, {"tcp_bytes_received_total", "tcp_bytes_sent_total"},
	}, opened...))
}

func (c chain) edgesOf(s scraped, pairs []pair, metrics []atBothEnds) (wrong string) {
	for _, p := range pairs {
		client := fmt.Sprintf("%s role=client peer_namespace=%s peer_workload=%s peer_service=%s", c.of(p.from), c.namespace, p.to, p.to)
		server := fmt.Sprintf("%s role=server peer_namespace=%s peer_workload=%s", c.of(p.to), c.namespace, p.from)
		for _, m := range metrics {
			at, there := s.sum(m.at, client), s.sum(m.there, server)
			wrong += equal(fmt.Sprintf("%s of %s to %s, and %s there", m.at, p.from, p.to, m.there), at, there)
			if at == 0 {
				wrong += fmt.Sprintf("\n  %s of %s to %s is 0", m.at, p.from, p.to)
			}
		}
	}
	return wrong
}

// servedBy compares what the pods of one service have served.
func (c chain) servedBy(name string) (wrong string) {
	s, err := c.scrape()
	if err != nil {
		return err.Error()
	}
	for _, pod := range c.pods(c.namespace, "app="+name) {
		did, err := c.truth(pod)
		if err != nil {
			return err.Error()
		}
		wrong += equal(pod.Name, s.sum(servedName, c.of(name)+" pod="+pod.Name+" status=200 method=GET"), did.Served)
	}
	return wrong
}

func (c chain) mustMatch(when string) {
	c.Helper()
	c.eventually(when, c.differences)
}

// loadAll lets each pod of front make requests.
func (c chain) loadAll(how string) {
	c.Helper()
	for _, pod := range c.pods(c.namespace, "app=front") {
		c.load(pod, how)
	}
}

// Three services that call each other by ClusterIP: each pod's requests are counted at it, and each edge alike at both ends.
func TestServices(t *testing.T) {
	c := newChain(t)
	c.loadAll("n=1000&connections=8")
	c.mustMatch("after the load")
}

// The counts of a service whose pods are replaced under load are those of all its pods.
func TestRollingUpdate(t *testing.T) {
	c := newChain(t)
	c.loadAll("n=3000&connections=4&pause=5ms&background=1")
	patch := fmt.Sprintf(`{"spec":{"template":{"metadata":{"annotations":{"restarted":%q}}}}}`, time.Now())
	must(c.api.AppsV1().Deployments(c.namespace).Patch(c.Context(), "middle", types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{}))
	var made, failed int64
	c.eventually("the load ends", func() string {
		made, failed = 0, 0
		for _, pod := range c.pods(c.namespace, "app=front") {
			did, err := c.truth(pod)
			if err != nil {
				return err.Error()
			}
			made, failed = made+did.Made, failed+did.Failed
		}
		return equal("requests", made+failed, 6000)
	})
	t.Logf("%d requests were answered, %d were not", made, failed)
	c.eventually("counts of old and new pods", func() string {
		s, err := c.scrape()
		if err != nil {
			return err.Error()
		}
		var back int64
		for _, pod := range c.pods(c.namespace, "app=back") {
			did, err := c.truth(pod)
			if err != nil {
				return err.Error()
			}
			back += did.Served
		}
		answered := " method=GET status=200"
		return equal("made by front", s.sum(madeName, c.of("front")+answered), made) +
			equal("served by back", s.sum(servedName, c.of("back")+answered), back) +
			equal("made by middle", s.sum(madeName, c.of("middle")+answered), back)
	})
}

// A pod that is deleted and replaced: the numbers of the new one start at zero under its own name.
func TestPodDeleted(t *testing.T) {
	c := newChain(t)
	c.loadAll("n=200&connections=2")
	c.mustMatch("before")
	old := c.pods(c.namespace, "app=middle")[0]
	if err := c.api.CoreV1().Pods(c.namespace).Delete(c.Context(), old.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, pod := range c.running("middle", 2) {
		if pod.Name == old.Name {
			t.Fatalf("%s is still there", old.Name)
		}
	}
	c.loadAll("n=200&connections=2")
	c.eventually("pods", func() string { return c.servedBy("middle") })
}

// Pods in the host's network are told apart by their port.
func TestHostNetwork(t *testing.T) {
	c := chain{newCluster(t)}
	back := c.deploy(workload{name: "back", replicas: 1, hostNetwork: true, port: 18080})
	c.deploy(workload{name: "front", replicas: 1, next: back})
	c.load(c.pods(c.namespace, "app=front")[0], "n=500&connections=4")
	c.eventually("counts", func() string {
		s, err := c.scrape()
		if err != nil {
			return err.Error()
		}
		did, err := c.truth(c.pods(c.namespace, "app=back")[0])
		if err != nil {
			return err.Error()
		}
		return equal("served by back", s.sum(servedName, c.of("back")+" method=GET status=200"), did.Served) +
			equal("made by front", s.sum(madeName, c.of("front")+" method=GET status=200 peer_workload=back peer_service=back peer_namespace="+c.namespace), 500)
	})
}

// An agent that is replaced under load counts all that comes after it is ready.
func TestAgentRestart(t *testing.T) {
	c := newChain(t)
	c.loadAll("n=2000&connections=4&pause=2ms&background=1")
	agents := c.pods(c.fathom, "app.kubernetes.io/component=agent")
	for _, agent := range agents {
		if err := c.api.CoreV1().Pods(c.fathom).Delete(c.Context(), agent.Name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	c.agentsReady(len(agents), agents)
	c.eventually("the load ends", func() string {
		var done int64
		for _, pod := range c.pods(c.namespace, "app=front") {
			did, err := c.truth(pod)
			if err != nil {
				return err.Error()
			}
			done += did.Made + did.Failed
		}
		return equal("requests", done, 4000)
	})
	time.Sleep(6 * time.Second) // what was under way is settled
	before := must(c.scrape())
	c.loadAll("n=500&connections=4")
	c.eventually("counts since", func() string {
		s, err := c.scrape()
		if err != nil {
			return err.Error()
		}
		wrong := ""
		for _, name := range []string{"middle", "back"} {
			of := c.of(name) + " method=GET status=200"
			wrong += equal("served by "+name, s.sum(servedName, of)-before.sum(servedName, of), 1000)
		}
		return wrong
	})
}

func (c *cluster) agentsReady(n int, except []corev1.Pod) {
	c.Helper()
	old := map[string]bool{}
	for _, pod := range except {
		old[pod.Name] = true
	}
	c.eventually("agents are ready", func() string {
		ready := 0
		for _, pod := range c.pods(c.fathom, "app.kubernetes.io/component=agent") {
			for _, condition := range pod.Status.Conditions {
				if condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue && !old[pod.Name] {
					ready++
				}
			}
		}
		return equal("ready agents", int64(ready), int64(n))
	})
}
