package cluster

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/yaml"
)

const (
	root           = "../.."
	prometheusPort = 9090
	// scrapeInterval is for the tests' patience only: all queries take whatever there is.
	scrapeInterval = "2s"
)

// configuration is one way to let Prometheus find Fathom.
type configuration struct {
	name string
	text string
	role []rbacv1.PolicyRule // what it has to read in Fathom's namespace
	adds []string            // labels of targets that others do not have
}

// prometheus is a server in the cluster.
type prometheus struct {
	*cluster
	configuration
	pod corev1.Pod
}

// configurations are all that the documentation tells of; the last is that for native histograms.
func (c *cluster) configurations() []configuration {
	c.Helper()
	guide := c.document("docs/kubernetes.md")
	block := func(name string) string {
		return between(c.T, guide, "<!-- "+name+":begin -->\n```yaml\n", "```\n<!-- "+name+":end -->")
	}
	plain := strings.ReplaceAll("global: {scrape_interval: "+scrapeInterval+"}\n"+block("prometheus"), "names: [fathom]", "names: ["+c.fathom+"]")
	const honor = "    honor_labels: true\n"
	native := strings.Replace(plain, honor, honor+"    scrape_native_histograms: true\n    always_scrape_classic_histograms: true\n", 1)
	if native == plain {
		c.Fatal("the configuration in docs/kubernetes.md does not honour labels")
	}
	role := func(name string) []rbacv1.PolicyRule {
		var r rbacv1.Role
		if err := yaml.UnmarshalStrict([]byte(block(name)), &r); err != nil {
			c.Fatalf("%s in docs/kubernetes.md: %v", name, err)
		}
		return r.Rules
	}
	pods := role("prometheus-role")
	services := append(slices.Clone(pods), rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"services", "endpoints"}, Verbs: []string{"list", "watch"}})
	endpointSlices := append(slices.Clone(pods),
		rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"services"}, Verbs: []string{"list", "watch"}},
		rbacv1.PolicyRule{APIGroups: []string{"discovery.k8s.io"}, Resources: []string{"endpointslices"}, Verbs: []string{"list", "watch"}})
	podMonitors, serviceMonitors := c.render("podMonitor"), c.render("serviceMonitor")
	c.createServices(serviceMonitors)
	return []configuration{
		{name: "plain", text: plain, role: pods},
		{"podmonitor", c.operate(podMonitors), pods, []string{"endpoint"}},
		{"servicemonitor", c.operate(serviceMonitors), services, []string{"endpoint", "service"}},
		{"servicemonitor-slices", c.operate(serviceMonitors, "-endpoint-slices"), endpointSlices, []string{"endpoint", "service"}},
		{name: "native", text: native, role: pods},
	}
}

func (c *cluster) document(name string) string {
	c.Helper()
	return string(must(os.ReadFile(filepath.Join(root, name))))
}

func between(t *testing.T, text, begin, end string) string {
	t.Helper()
	_, rest, found := strings.Cut(text, begin)
	inner, _, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("nothing between %q and %q", begin, end)
	}
	return inner
}

// render lets Helm render the chart's monitors of that kind.
func (c *cluster) render(kind string) []byte {
	c.Helper()
	agents := c.pods(c.fathom, "app.kubernetes.io/component=agent")
	if len(agents) == 0 {
		c.Fatalf("no agents run in namespace %s", c.fathom)
	}
	return c.run(nil, env("HELM", filepath.Join(root, "bin/helm")), "template", agents[0].Labels["app.kubernetes.io/instance"],
		filepath.Join(root, "deploy/helm/fathom"), "--namespace", c.fathom, "--set", kind+".enabled=true", "--show-only", "templates/monitors.yaml")
}

// operate makes of monitors the configuration that the operator would.
func (c *cluster) operate(monitors []byte, flags ...string) string {
	c.Helper()
	return string(c.run(monitors, filepath.Join(root, "bin/operatorconfig"), append(flags, "-interval", scrapeInterval)...))
}

// run runs one of the programs that scripts/cluster.sh builds.
func (c *cluster) run(input []byte, program string, args ...string) []byte {
	c.Helper()
	if _, err := os.Stat(program); err != nil {
		c.Skipf("%v: scripts/chart.sh and scripts/prometheus-image.sh build it", err)
	}
	cmd := exec.Command(program, args...)
	for _, kind := range []string{"CACHE", "CONFIG", "DATA"} {
		cmd.Env = append(cmd.Environ(), "HELM_"+kind+"_HOME="+c.TempDir())
	}
	var complaint bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(input), &complaint
	out, err := cmd.Output()
	if err != nil {
		c.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, &complaint)
	}
	return out
}

// createServices makes the services among manifests, which the chart has beside its ServiceMonitors only.
func (c *cluster) createServices(manifests []byte) {
	c.Helper()
	for document := range strings.SplitSeq(string(manifests), "\n---\n") {
		if !strings.Contains(document, "\nkind: Service\n") {
			continue
		}
		var s corev1.Service
		if err := yaml.UnmarshalStrict([]byte(document), &s); err != nil {
			c.Fatal(err)
		}
		services := c.api.CoreV1().Services(s.Namespace)
		_, err := services.Create(c.Context(), &s, metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) {
			continue // the chart is installed with them
		}
		if err != nil {
			c.Fatal(err)
		}
		c.Cleanup(func() { _ = services.Delete(context.Background(), s.Name, metav1.DeleteOptions{}) })
	}
}

// prometheus starts a server that may read what its configuration needs, and nothing else.
func (c *cluster) prometheus(how configuration) prometheus {
	c.Helper()
	meta := metav1.ObjectMeta{Name: "prometheus-" + how.name, Labels: map[string]string{"app": "prometheus-" + how.name}}
	must(c.api.CoreV1().ServiceAccounts(c.namespace).Create(c.Context(), &corev1.ServiceAccount{ObjectMeta: meta}, metav1.CreateOptions{}))
	must(c.api.CoreV1().ConfigMaps(c.namespace).Create(c.Context(), &corev1.ConfigMap{
		ObjectMeta: meta, Data: map[string]string{"prometheus.yml": how.text},
	}, metav1.CreateOptions{}))
	c.grant(meta.Name, how.role)
	must(c.api.CoreV1().Pods(c.namespace).Create(c.Context(), &corev1.Pod{ObjectMeta: meta, Spec: prometheusPod(meta.Name)}, metav1.CreateOptions{}))
	p := prometheus{c, how, corev1.Pod{}}
	c.eventually(meta.Name+" is ready", func() string {
		p.pod = *must(c.api.CoreV1().Pods(c.namespace).Get(c.Context(), meta.Name, metav1.GetOptions{}))
		for _, s := range p.pod.Status.ContainerStatuses {
			if w := s.State.Waiting; w != nil && w.Reason == "ErrImageNeverPull" {
				c.Skipf("%s: scripts/prometheus-image.sh makes it", w.Message)
			}
			if s.State.Terminated != nil || s.RestartCount > 0 {
				log, _ := c.api.CoreV1().Pods(c.namespace).GetLogs(meta.Name, &corev1.PodLogOptions{Previous: s.RestartCount > 0}).DoRaw(c.Context())
				c.Fatalf("%s ended:\n%s\n%s", meta.Name, log, how.text)
			}
			if s.Ready {
				return ""
			}
		}
		return "it is " + string(p.pod.Status.Phase)
	})
	return p
}

// grant lets a service account of the test read in Fathom's namespace.
func (c *cluster) grant(account string, rules []rbacv1.PolicyRule) {
	c.Helper()
	meta := metav1.ObjectMeta{Name: c.namespace + "-" + account}
	roles, bindings := c.api.RbacV1().Roles(c.fathom), c.api.RbacV1().RoleBindings(c.fathom)
	must(roles.Create(c.Context(), &rbacv1.Role{ObjectMeta: meta, Rules: rules}, metav1.CreateOptions{}))
	c.Cleanup(func() { _ = roles.Delete(context.Background(), meta.Name, metav1.DeleteOptions{}) })
	must(bindings.Create(c.Context(), &rbacv1.RoleBinding{
		ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: meta.Name},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: c.namespace, Name: account}},
	}, metav1.CreateOptions{}))
	c.Cleanup(func() { _ = bindings.Delete(context.Background(), meta.Name, metav1.DeleteOptions{}) })
}

func prometheusPod(name string) corev1.PodSpec {
	const user = 65534 // that of the image
	return corev1.PodSpec{
		ServiceAccountName: name, TerminationGracePeriodSeconds: new(int64(5)),
		SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: new(true), FSGroup: new(int64(user))},
		Containers: []corev1.Container{{
			Name: "prometheus", Image: env("FATHOM_TEST_PROMETHEUS_IMAGE", "localhost/fathom-test-prometheus:dev"), ImagePullPolicy: corev1.PullNever,
			Args: []string{"--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/data"},
			SecurityContext: &corev1.SecurityContext{
				AllowPrivilegeEscalation: new(false), ReadOnlyRootFilesystem: new(true), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			},
			ReadinessProbe: &corev1.Probe{
				ProbeHandler:  corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/-/ready", Port: intstr.FromInt(prometheusPort)}},
				PeriodSeconds: 1,
			},
			VolumeMounts: []corev1.VolumeMount{{Name: "config", MountPath: "/etc/prometheus"}, {Name: "data", MountPath: "/data"}},
		}},
		Volumes: []corev1.Volume{
			{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: name}}}},
			{Name: "data", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
		},
	}
}
