package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
)

const (
	ownNamespace = "fathom-bench-node"
	newPods      = 10
	patience     = 3 * time.Minute // for a kubelet that starts a hundred pods
)

// node is a node with an agent, that gets pods.
type node struct {
	api   kubernetes.Interface
	o     options
	name  string
	agent corev1.Pod
}

// runNode measures an agent that is installed, on a node with as many pods as it may have.
func runNode(ctx context.Context, api kubernetes.Interface, o options) error {
	agents, err := api.CoreV1().Pods("").List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=fathom,app.kubernetes.io/component=agent"})
	if err != nil {
		return err
	}
	if len(agents.Items) == 0 {
		return errors.New("no agents run; install the chart first")
	}
	n := &node{api, o, agents.Items[0].Spec.NodeName, agents.Items[0]}
	defer n.remove()
	if err := n.fill(ctx); err != nil {
		return err
	}
	if err := n.printAgent(ctx, "with them"); err != nil {
		return err
	}
	if err := n.firstRequests(ctx); err != nil {
		return err
	}
	if err := n.requests(ctx); err != nil {
		return err
	}
	for range 10 { // scrapes are work, too
		if _, err := n.scrape(ctx); err != nil {
			return err
		}
	}
	return n.printAgent(ctx, "with their series, after ten scrapes")
}

// fill starts pods until only one more has room.
func (n *node) fill(ctx context.Context) error {
	core := n.api.CoreV1()
	if _, err := core.Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ownNamespace}}, metav1.CreateOptions{}); err != nil {
		return err
	}
	there, err := core.Pods("").List(ctx, metav1.ListOptions{FieldSelector: "spec.nodeName=" + n.name})
	if err != nil {
		return err
	}
	labels := map[string]string{"app": "busy"}
	replicas := int32(max(1, n.o.nodePods-len(there.Items)-1))
	_, err = core.Services(ownNamespace).Create(ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "busy"},
		Spec:       corev1.ServiceSpec{Selector: labels, Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt(8080)}}},
	}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	_, err = n.api.AppsV1().Deployments(ownNamespace).Create(ctx, &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "busy"},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: n.spec()},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	began := time.Now()
	err = eventually(ctx, func() (bool, error) {
		pods, err := n.pods(ctx)
		running := 0
		for _, pod := range pods {
			if pod.Status.Phase == corev1.PodRunning && pod.Status.PodIP != "" {
				running++
			}
		}
		return running == int(replicas), err
	})
	if err != nil {
		return fmt.Errorf("wait for %d pods: %w", replicas, err)
	}
	fmt.Printf("%d pods on node %s, %d of them started in %.0f s\n", int(replicas)+len(there.Items), n.name, replicas, time.Since(began).Seconds())
	return nil
}

// spec is one of a pod of test/cluster/service on this node.
func (n *node) spec(env ...corev1.EnvVar) corev1.PodSpec {
	return corev1.PodSpec{
		NodeName: n.name, TerminationGracePeriodSeconds: new(int64(1)), AutomountServiceAccountToken: new(false),
		Tolerations: []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
		Containers:  []corev1.Container{{Name: "service", Image: n.o.image, ImagePullPolicy: corev1.PullIfNotPresent, Env: env}},
	}
}

func (n *node) pods(ctx context.Context) ([]corev1.Pod, error) {
	list, err := n.api.CoreV1().Pods(ownNamespace).List(ctx, metav1.ListOptions{LabelSelector: "app=busy"})
	if err != nil {
		return nil, err
	}
	return list.Items, nil
}

func (n *node) remove() {
	_ = n.api.CoreV1().Namespaces().Delete(context.Background(), ownNamespace, metav1.DeleteOptions{})
}

// requests lets every pod answer requests with as many pairs of method and status as make the series that are wanted.
func (n *node) requests(ctx context.Context) error {
	pods, err := n.pods(ctx)
	if err != nil {
		return err
	}
	var pairs [][2]string
	for _, status := range []string{"200", "201", "202", "203", "400", "401", "402", "403", "404", "405", "406", "408", "409", "410", "411", "412"} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions} {
			pairs = append(pairs, [2]string{method, status})
		}
	}
	// The first of a pod's requests makes its queue's series as well, and those of TCP.
	if err := n.request(ctx, pods, pairs[:1]); err != nil {
		return err
	}
	text, err := n.scrape(ctx)
	if err != nil {
		return err
	}
	more := max(0, n.o.nodeSeries-countSeries(text)+len(pods)-1) / len(pods)
	if err := n.request(ctx, pods, pairs[1:min(len(pairs), 1+more)]); err != nil {
		return err
	}
	if text, err = n.scrape(ctx); err != nil {
		return err
	}
	fmt.Printf("%d series in %d lines, %.1f MB of text\n", countSeries(text), bytes.Count(text, []byte("\n")), float64(len(text))/1e6)
	return nil
}

// request asks each pod for each pair of method and status, and waits until the last is counted.
func (n *node) request(ctx context.Context, pods []corev1.Pod, pairs [][2]string) error {
	err := each(ctx, len(pods)*len(pairs), func(i int) error {
		pod, pair := pods[i%len(pods)], pairs[i/len(pods)]
		_ = n.api.CoreV1().RESTClient().Verb(pair[0]).Namespace(ownNamespace).Resource("pods").
			Name(pod.Name+":8080").SubResource("proxy").Suffix("status", pair[1]).Do(ctx).Error() // of the status
		return nil
	})
	time.Sleep(8 * time.Second) // --settle-after, and some
	return err
}

// countSeries counts histograms, counters and gauges, each with its labels. A histogram is one, however many buckets it has.
func countSeries(text []byte) (n int) {
	for line := range bytes.Lines(text) {
		name, _, _ := bytes.Cut(line, []byte("{"))
		if line[0] != '#' && !bytes.HasSuffix(name, []byte("_bucket")) && !bytes.HasSuffix(name, []byte("_sum")) {
			n++
		}
	}
	return n
}

// scrape asks the agent as Prometheus does: for text, compressed.
func (n *node) scrape(ctx context.Context) ([]byte, error) {
	zipped, err := n.api.CoreV1().RESTClient().Get().Namespace(n.agent.Namespace).Resource("pods").Name(n.agent.Name+":10777").
		SubResource("proxy").Suffix("metrics").SetHeader("Accept", "text/plain;version=0.0.4").SetHeader("Accept-Encoding", "gzip").DoRaw(ctx)
	if err != nil {
		return nil, err
	}
	r, err := gzip.NewReader(bytes.NewReader(zipped))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func (n *node) printAgent(ctx context.Context, when string) error {
	text, err := n.scrape(ctx)
	if err != nil {
		return err
	}
	value := func(name string) float64 {
		_, rest, _ := strings.Cut(string(text), "\n"+name+" ")
		var v float64
		_, _ = fmt.Sscan(rest, &v)
		return v
	}
	fmt.Printf("agent %s: %.1f MB resident, %.1f MB of Go's heap, %.1f s of CPU\n", when,
		value("process_resident_memory_bytes")/1e6, value("go_memstats_heap_inuse_bytes")/1e6, value("process_cpu_seconds_total"))
	return nil
}

// firstRequests starts pods that make a request at once, and prints how soon the agent shows it with all its names.
func (n *node) firstRequests(ctx context.Context) error {
	service, err := n.api.CoreV1().Services(ownNamespace).Get(ctx, "busy", metav1.GetOptions{})
	if err != nil {
		return err
	}
	for _, how := range []string{"close", "keep"} {
		var times []time.Duration
		without := 0
		for i := range newPods {
			took, misses, err := n.firstRequest(ctx, fmt.Sprintf("%s-%d", how, i), "http://"+service.Spec.ClusterIP+"/", how)
			if err != nil {
				return err
			}
			times, without = append(times, took), without+misses
		}
		slices.Sort(times)
		fmt.Printf("first request of a new pod (%s), until a scrape shows it with all its names: median %d ms, longest %d ms of %d; %d scrapes that began after it were without\n",
			connections[how], times[newPods/2].Milliseconds(), times[newPods-1].Milliseconds(), newPods, without)
	}
	return nil
}

// connections says what a first request does with its connection: if it stays open and nothing follows, the exchange is counted when
// --settle-after has passed.
var connections = map[string]string{"close": "its connection is closed", "keep": "its connection stays open, idle"}

// firstRequest returns how long after a new pod's first request the first scrape that shows it was over, and how many scrapes that began
// after the request did not show it. The clocks of this host and of the node have to agree.
func (n *node) firstRequest(ctx context.Context, name, next, how string) (took time.Duration, without int, err error) {
	pods := n.api.CoreV1().Pods(ownNamespace)
	_, err = pods.Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       n.spec(corev1.EnvVar{Name: "FIRST", Value: how}, corev1.EnvVar{Name: "NEXT", Value: next}),
	}, metav1.CreateOptions{})
	if err != nil {
		return 0, 0, err
	}
	defer func() {
		_ = pods.Delete(context.Background(), name, metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))})
	}()
	var begins []time.Time
	var shown time.Time
	labels := []string{
		`pod="` + name + `"`, `workload="` + name + `"`, `workload_kind="Pod"`, `container="service"`, `namespace="` + ownNamespace + `"`,
		`peer_workload="busy"`, `peer_service="busy"`, `peer_namespace="` + ownNamespace + `"`,
	}
	err = eventually(ctx, func() (bool, error) {
		begins = append(begins, time.Now())
		text, err := n.scrape(ctx)
		shown = time.Now()
		return shows(text, labels), err
	})
	if err != nil {
		return 0, 0, fmt.Errorf("wait for the request of %s: %w", name, err)
	}
	var truth struct{ First time.Time }
	err = eventually(ctx, func() (bool, error) {
		text, err := pods.ProxyGet("http", name, "8081", "truth", nil).DoRaw(ctx)
		if err != nil {
			return false, nil //nolint:nilerr // it does not listen yet
		}
		return true, json.Unmarshal(text, &truth)
	})
	for _, begin := range begins[:len(begins)-1] {
		if begin.After(truth.First) {
			without++
		}
	}
	return shown.Sub(truth.First), without, err
}

func shows(text []byte, labels []string) bool {
	for line := range bytes.Lines(text) {
		if bytes.HasPrefix(line, []byte("http_client_request_duration_seconds_count{")) &&
			!slices.ContainsFunc(labels, func(l string) bool { return !bytes.Contains(line, []byte(l)) }) {
			return true
		}
	}
	return false
}

// eventually calls f until it is true.
func eventually(ctx context.Context, f func() (bool, error)) error {
	for began := time.Now(); time.Since(began) < patience; time.Sleep(20 * time.Millisecond) {
		if ok, err := f(); ok || err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return fmt.Errorf("not within %v", patience)
}
