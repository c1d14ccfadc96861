package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	servicePort, controlPort = 8080, 8081
	agentPort                = "10777"
	// patience is for what takes a rollout, a scrape or a kubelet's sync: far more than any of them does.
	patience = 2 * time.Minute
)

// cluster is where the tests run, in a namespace of their own.
type cluster struct {
	*testing.T
	api       kubernetes.Interface
	namespace string
	fathom    string // Fathom's namespace
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	file := os.Getenv("KUBECONFIG")
	if file == "" {
		t.Skip("there is no KUBECONFIG")
	}
	config, err := clientcmd.BuildConfigFromFlags("", file)
	if err != nil {
		t.Fatal(err)
	}
	config.QPS, config.Burst = 200, 400
	api, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{T: t, api: api, fathom: env("FATHOM_NAMESPACE", "fathom")}
	name := strings.ToLower(strings.ReplaceAll(t.Name(), "/", "-"))
	made, err := api.CoreV1().Namespaces().Create(c.Context(), &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{GenerateName: name + "-"},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c.namespace = made.Name
	t.Cleanup(func() {
		_ = api.CoreV1().Namespaces().Delete(context.Background(), c.namespace, metav1.DeleteOptions{})
	})
	return c
}

func env(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

// must fails the test if there is an error, and returns the value.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // of the test's goroutine: its stack says where
	}
	return v
}

// eventually calls f until it returns "", which it has to within patience.
func (c *cluster) eventually(what string, f func() string) {
	c.Helper()
	wrong := ""
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(300 * time.Millisecond) {
		if wrong = f(); wrong == "" {
			return
		}
	}
	c.Fatalf("%s: %s", what, wrong)
}

// workload is a Deployment to make.
type workload struct {
	name        string
	replicas    int32
	next        string // what it calls
	hostNetwork bool
	port        int // default servicePort
	node        string
	add         []corev1.Capability
	tls         bool // it speaks HTTPS
	grpc        bool // it speaks gRPC
	headless    bool // its Service has no address: what is returned are its pods'
	first       string
}

// deploy makes a Deployment of the test's service with a Service before it, waits until its pods run, and returns the URL
// by which others call it.
func (c *cluster) deploy(w workload) string {
	c.Helper()
	labels := map[string]string{"app": w.name}
	if w.port == 0 {
		w.port = servicePort
	}
	pod := corev1.PodSpec{
		HostNetwork: w.hostNetwork, NodeName: w.node, TerminationGracePeriodSeconds: new(int64(5)),
		Containers: []corev1.Container{{
			Name: "service", Image: env("FATHOM_TEST_IMAGE", "localhost/fathom-test-service:dev"), ImagePullPolicy: corev1.PullNever,
			SecurityContext: &corev1.SecurityContext{Capabilities: &corev1.Capabilities{Add: w.add}},
			Env:             []corev1.EnvVar{{Name: "NEXT", Value: w.next}, {Name: "PORT", Value: fmt.Sprint(w.port)}},
			Ports:           []corev1.ContainerPort{{Name: "http", ContainerPort: int32(w.port)}, {Name: "control", ContainerPort: controlPort}},
		}},
	}
	scheme := "http"
	environment := &pod.Containers[0].Env
	if w.tls {
		scheme = "https"
		*environment = append(*environment, corev1.EnvVar{Name: "TLS", Value: "1"})
	}
	if w.grpc {
		scheme = "grpc"
		*environment = append(*environment, corev1.EnvVar{Name: "GRPC", Value: "1"})
	}
	if w.first != "" {
		*environment = append(*environment, corev1.EnvVar{Name: "FIRST", Value: w.first})
	}
	must(c.api.AppsV1().Deployments(c.namespace).Create(c.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: w.name},
		Spec: appsv1.DeploymentSpec{
			Replicas: &w.replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: pod},
		},
	}, metav1.CreateOptions{}))
	spec := corev1.ServiceSpec{Selector: labels, Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt(w.port)}}}
	if w.headless {
		spec.ClusterIP = corev1.ClusterIPNone
	}
	service := must(c.api.CoreV1().Services(c.namespace).Create(c.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: w.name}, Spec: spec,
	}, metav1.CreateOptions{}))
	addresses := []string{service.Spec.ClusterIP + ":80"} // a cluster may have no DNS
	pods := c.running(w.name, int(w.replicas))
	if w.headless {
		addresses = nil
		for _, pod := range pods {
			addresses = append(addresses, net.JoinHostPort(pod.Status.PodIP, fmt.Sprint(w.port)))
		}
	}
	url := scheme + "://" + strings.Join(addresses, ",")
	if !w.grpc {
		url += "/"
	}
	return url
}

// running waits until just n pods of a Deployment run, and answer, and returns them.
func (c *cluster) running(name string, n int) (pods []corev1.Pod) {
	c.Helper()
	c.eventually(name+" runs", func() string {
		pods = c.pods(c.namespace, "app="+name)
		if len(pods) != n {
			return fmt.Sprintf("%d pods, want %d", len(pods), n)
		}
		for _, pod := range pods {
			if pod.Status.Phase != corev1.PodRunning || pod.DeletionTimestamp != nil {
				return pod.Name + " is " + string(pod.Status.Phase)
			}
			if _, err := c.truth(pod); err != nil {
				return err.Error()
			}
		}
		return ""
	})
	return pods
}

func (c *cluster) pods(namespace, selector string) []corev1.Pod {
	list, err := c.api.CoreV1().Pods(namespace).List(c.Context(), metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		c.Log(err)
		return nil
	}
	return list.Items
}

// get asks a pod, through the API server.
func (c *cluster) get(pod corev1.Pod, port, path string) ([]byte, error) {
	return c.api.CoreV1().Pods(pod.Namespace).ProxyGet("http", pod.Name, port, path, nil).DoRaw(c.Context())
}

// truth is what a pod of the test's service did.
type truth struct {
	Served, Made, Failed   int64
	CallsServed, CallsMade map[string]int64 // of gRPC, by status
}

func (c *cluster) truth(pod corev1.Pod) (t truth, err error) {
	b, err := c.get(pod, fmt.Sprint(controlPort), "truth")
	if err != nil {
		return t, fmt.Errorf("%s: %w", pod.Name, err)
	}
	return t, json.Unmarshal(b, &t)
}

// load lets a pod make requests to its next service; how is the query of its port for control.
func (c *cluster) load(pod corev1.Pod, how string) {
	c.Helper()
	r := c.api.CoreV1().RESTClient().Post().Namespace(pod.Namespace).Resource("pods").
		Name(fmt.Sprintf("%s:%d", pod.Name, controlPort)).SubResource("proxy").Suffix("load").Timeout(patience)
	for k, v := range must(url.ParseQuery(how)) {
		r.Param(k, v[0])
	}
	if err := r.Do(c.Context()).Error(); err != nil {
		c.Fatalf("load by %s: %v", pod.Name, err)
	}
}

// scraped are the samples of all agents. Histograms are their counts.
type scraped []*sample

type sample struct {
	name   string
	labels map[string]string
	value  float64
}

// scrape asks all agents.
func (c *cluster) scrape() (all scraped, err error) {
	agents := c.pods(c.fathom, "app.kubernetes.io/component=agent")
	if len(agents) == 0 {
		return nil, fmt.Errorf("no agents run in namespace %s", c.fathom)
	}
	for _, agent := range agents {
		text, err := c.get(agent, agentPort, "metrics")
		if err != nil {
			return nil, fmt.Errorf("scrape %s: %w", agent.Name, err)
		}
		parser := expfmt.NewTextParser(model.UTF8Validation)
		families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
		if err != nil {
			return nil, fmt.Errorf("scrape %s: %w", agent.Name, err)
		}
		for name, family := range families {
			for _, m := range family.Metric {
				all = append(all, &sample{name, labelsOf(m), valueOf(m)})
			}
		}
	}
	return all, nil
}

func labelsOf(m *dto.Metric) map[string]string {
	labels := map[string]string{}
	for _, l := range m.Label {
		labels[l.GetName()] = l.GetValue()
	}
	return labels
}

func valueOf(m *dto.Metric) float64 {
	switch {
	case m.Histogram != nil:
		return float64(m.Histogram.GetSampleCount())
	case m.Counter != nil:
		return m.Counter.GetValue()
	}
	return m.GetGauge().GetValue()
}

// sum adds up the samples of a metric that have these labels, given as "name=value" between spaces.
func (s scraped) sum(name, labels string) (sum int64) {
	want := map[string]string{}
	for pair := range strings.FieldsSeq(labels) {
		k, v, _ := strings.Cut(pair, "=")
		want[k] = v
	}
next:
	for _, x := range s {
		if x.name != name {
			continue
		}
		for k, v := range want {
			if x.labels[k] != v {
				continue next
			}
		}
		sum += int64(x.value)
	}
	return sum
}

// equal compares two numbers and says what is wrong.
func equal(what string, got, want int64) string {
	if got == want {
		return ""
	}
	return fmt.Sprintf("\n  %s: got %d, want %d", what, got, want)
}
