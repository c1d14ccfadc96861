package main

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// What is generated is as it would be generated now.
func TestGenerated(t *testing.T) {
	files, err := generate(root)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(string(got), "\n")); diff != "" {
			t.Errorf("%s is old; run scripts/chart.sh:\n%s", name, diff)
		}
	}
}

// The manifest for kubectl decodes strictly, has the safeguards, and no secret.
func TestManifest(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "deploy/kubernetes.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	all := decode(t, string(text))
	checkPods(t, all)
	if len(get[*corev1.Secret](all)) > 0 {
		t.Error("a key that everybody knows")
	}
	if level := one[*corev1.Namespace](t, all, "fathom").Labels["pod-security.kubernetes.io/enforce"]; level != "privileged" {
		t.Errorf("pods with host paths are not admitted at level %q", level)
	}
	pod, _ := directoryOf(t, all)
	if got := pod.Spec.Volumes[0].Secret.SecretName; got != "fathom-directory-tls" {
		t.Errorf("docs/kubernetes.md makes the secret fathom-directory-tls, the manifest wants %s", got)
	}
}

func TestDefault(t *testing.T) {
	all := mustRender(t, "")
	checkPods(t, all)
	pod, agent := agentOf(t, all)
	if !pod.Spec.HostPID || pod.Spec.HostNetwork || pod.Spec.HostIPC {
		t.Error("the agent is to have the host's process ids, and no other namespace of the host")
	}
	for _, m := range agent.VolumeMounts {
		if !m.ReadOnly {
			t.Errorf("%s is writable", m.Name)
		}
	}
	for _, v := range pod.Spec.Volumes {
		if v.HostPath != nil && v.HostPath.Path != "/sys/fs/cgroup" && v.HostPath.Path != "/sys/kernel/tracing" {
			t.Errorf("the agent sees %s of the host", v.HostPath.Path)
		}
	}
	if len(pod.Spec.Tolerations) != 1 || pod.Spec.Tolerations[0] != (corev1.Toleration{Operator: corev1.TolerationOpExists}) {
		t.Errorf("tainted nodes have no agent: %v", pod.Spec.Tolerations)
	}
	if pod.Spec.PriorityClassName != "system-node-critical" {
		t.Errorf("priority %q", pod.Spec.PriorityClassName)
	}
	update := one[*appsv1.DaemonSet](t, all, "fathom-agent").Spec.UpdateStrategy
	if update.RollingUpdate == nil || update.RollingUpdate.MaxUnavailable.String() != "10%" {
		t.Errorf("updates by %v", update)
	}
	if n := *one[*appsv1.Deployment](t, all, "fathom-directory").Spec.Replicas; n != 2 {
		t.Errorf("%d directories", n)
	}
	if least := one[*policyv1.PodDisruptionBudget](t, all, "fathom-directory").Spec.MinAvailable.String(); least != "1" {
		t.Errorf("%s directories are to remain", least)
	}
	directory, _ := directoryOf(t, all)
	if directory.Spec.Affinity.PodAntiAffinity == nil {
		t.Error("both directories may be on one node")
	}
	if u := directory.Spec.SecurityContext; !*u.RunAsNonRoot {
		t.Error("the directory needs no root")
	}
	if mode := *directory.Spec.Volumes[0].Secret.DefaultMode; mode != 0o440 {
		t.Errorf("the directory's key has mode %o", mode)
	}
}

// Runtimes whose default forbids bpf take another profile.
func TestSeccompProfile(t *testing.T) {
	agent, _ := agentOf(t, mustRender(t, "agent: {seccompProfile: {type: Localhost, localhostProfile: fathom.json}}"))
	p := agent.Spec.SecurityContext.SeccompProfile
	if p == nil || p.Type != corev1.SeccompProfileTypeLocalhost || p.LocalhostProfile == nil || *p.LocalhostProfile != "fathom.json" {
		t.Errorf("got %v", p)
	}
}

// The examples render, and are in the README.
func TestExamples(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(root, readmeFile))
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(root, "deploy/helm/fathom/examples/*.yaml"))
	if err != nil || len(files) < 5 {
		t.Fatalf("%d examples: %v", len(files), err)
	}
	for _, file := range files {
		values, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all := mustRender(t, string(values))
		_, agent := agentOf(t, all)
		accept(t, agent)
		if !strings.Contains(string(readme), "(examples/"+filepath.Base(file)+")") {
			t.Errorf("the README does not know %s", file)
		}
	}
}

// checkPods checks what holds for every pod of Fathom's.
func checkPods(t *testing.T, all objects) {
	t.Helper()
	agent, _ := agentOf(t, all)
	directory, _ := directoryOf(t, all)
	for _, pod := range []*corev1.PodTemplateSpec{agent, directory} {
		if p := pod.Spec.SecurityContext.SeccompProfile; p == nil || p.Type != corev1.SeccompProfileTypeRuntimeDefault {
			t.Error("no seccomp profile")
		}
		if pod.Spec.AutomountServiceAccountToken == nil || !*pod.Spec.AutomountServiceAccountToken {
			t.Error("no token for the API server")
		}
		account := one[*corev1.ServiceAccount](t, all, pod.Spec.ServiceAccountName)
		if account.AutomountServiceAccountToken == nil || *account.AutomountServiceAccountToken {
			t.Errorf("whoever names the service account %s gets its token", account.Name)
		}
		for _, c := range pod.Spec.Containers {
			s := c.SecurityContext
			if *s.Privileged || *s.AllowPrivilegeEscalation || !*s.ReadOnlyRootFilesystem {
				t.Errorf("%s: privileged, or may become so, or can write", c.Name)
			}
			if !slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) {
				t.Errorf("%s keeps capabilities: drops %v", c.Name, s.Capabilities.Drop)
			}
			for _, missing := range []bool{c.LivenessProbe == nil, c.ReadinessProbe == nil, c.StartupProbe == nil} {
				if missing {
					t.Errorf("%s lacks a probe", c.Name)
				}
			}
			if c.Resources.Limits.Memory().IsZero() || c.Resources.Requests.Cpu().IsZero() || c.Resources.Requests.Memory().IsZero() {
				t.Errorf("%s: resources %v", c.Name, c.Resources)
			}
		}
	}
	checkSelectors(t, all, agent, directory)
}

// checkSelectors checks that what selects pods selects one kind of them, and all.
func checkSelectors(t *testing.T, all objects, pods ...*corev1.PodTemplateSpec) {
	t.Helper()
	selected := func(what string, selector map[string]string) {
		n := 0
		for _, pod := range pods {
			matches := len(selector) > 0
			for k, v := range selector {
				matches = matches && pod.Labels[k] == v
			}
			if matches {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%s selects %d kinds of pods", what, n)
		}
	}
	selected("the daemon set", one[*appsv1.DaemonSet](t, all, "fathom-agent").Spec.Selector.MatchLabels)
	selected("the deployment", one[*appsv1.Deployment](t, all, "fathom-directory").Spec.Selector.MatchLabels)
	for _, o := range get[*corev1.Service](all) {
		selected("service "+o.Name, o.Spec.Selector)
	}
	for _, o := range get[*policyv1.PodDisruptionBudget](all) {
		selected("the budget "+o.Name, o.Spec.Selector.MatchLabels)
	}
	for _, o := range get[*networkingv1.NetworkPolicy](all) {
		selected("network policy "+o.Name, o.Spec.PodSelector.MatchLabels)
	}
}

// The roles have what is used and no more.
func TestRights(t *testing.T) {
	all := mustRender(t, "")
	watch := []string{"list", "watch"}
	for role, want := range map[string][]rbacv1.PolicyRule{
		"fathom-agent": {{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: watch}},
		"fathom-directory": {
			{APIGroups: []string{""}, Resources: []string{"pods", "services"}, Verbs: watch},
			{APIGroups: []string{"authentication.k8s.io"}, Resources: []string{"tokenreviews"}, Verbs: []string{"create"}},
		},
	} {
		if diff := cmp.Diff(want, one[*rbacv1.ClusterRole](t, all, role).Rules); diff != "" {
			t.Errorf("%s:\n%s", role, diff)
		}
		binding := one[*rbacv1.ClusterRoleBinding](t, all, role)
		subject := rbacv1.Subject{Kind: "ServiceAccount", Name: role, Namespace: namespace}
		if binding.RoleRef.Name != role || len(binding.Subjects) != 1 || binding.Subjects[0] != subject {
			t.Errorf("%s is bound to %v", binding.RoleRef.Name, binding.Subjects)
		}
	}
	if n := len(get[*rbacv1.Role](all)) + len(get[*rbacv1.ClusterRole](all)); n != 2 {
		t.Errorf("%d roles", n)
	}
}

// Who may reach what.
func TestNetworkPolicies(t *testing.T) {
	all := mustRender(t, "")
	directory := one[*networkingv1.NetworkPolicy](t, all, "fathom-directory").Spec
	for _, rule := range directory.Ingress {
		if rule.Ports[0].Port.String() == "grpc" && len(rule.From) != 1 {
			t.Error("others than agents reach the directory")
		}
	}
	if len(directory.Egress) != 1 {
		t.Errorf("the directory reaches more than the API server: %v", directory.Egress)
	}
	agent := one[*networkingv1.NetworkPolicy](t, all, "fathom-agent").Spec
	if len(agent.Ingress) != 1 || agent.Ingress[0].Ports[0].Port.String() != "metrics" || len(agent.Egress) != 3 {
		t.Errorf("agents: in %v, out %v", agent.Ingress, agent.Egress)
	}
	all = mustRender(t, "networkPolicy: {scrapers: [{namespaceSelector: {}}]}")
	for name, policy := range get[*networkingv1.NetworkPolicy](all) {
		for _, rule := range policy.Spec.Ingress {
			if len(rule.From) != 1 {
				t.Errorf("%s lets everybody in: %v", name, rule)
			}
		}
	}
}

// Reading TLS adds its capabilities and the flag; without, neither is there.
func TestTLS(t *testing.T) {
	for values, want := range map[string]bool{"": false, "agent: {tls: {enabled: true}}": true} {
		t.Run(values, func(t *testing.T) { // accept changes the environment of one test
			_, agent := agentOf(t, mustRender(t, values))
			if got := accept(t, agent).Agent.TLS; got != want {
				t.Errorf("read: %v", got)
			}
			for _, name := range []corev1.Capability{"SYS_PTRACE", "DAC_READ_SEARCH", "CHECKPOINT_RESTORE"} {
				if got := slices.Contains(agent.SecurityContext.Capabilities.Add, name); got != want {
					t.Errorf("%s: %v", name, got)
				}
			}
		})
	}
	if got := tlsCapabilities(); len(got) != 3 {
		t.Errorf("adds %v; values.yaml names three", got)
	}
	if _, err := render(t, "agent: {settings: {tls: true}}"); err == nil {
		t.Error("TLS may be set without its capabilities")
	}
}

// The profiles give what the table of internal/requirements asks for.
func TestProfiles(t *testing.T) {
	for _, p := range profiles() {
		_, agent := agentOf(t, mustRender(t, "agent: {capabilities: {profile: "+p.name+"}}"))
		var got []string
		for _, c := range agent.SecurityContext.Capabilities.Add {
			got = append(got, string(c))
		}
		if !slices.Equal(got, p.capabilities()) {
			t.Errorf("%s: %v, want %v", p.name, got, p.capabilities())
		}
	}
	_, agent := agentOf(t, mustRender(t, "agent: {capabilities: {profile: minimal, add: [NET_BIND_SERVICE, BPF]}}"))
	if got, want := agent.SecurityContext.Capabilities.Add, []corev1.Capability{"BPF", "PERFMON", "NET_BIND_SERVICE"}; !slices.Equal(got, want) {
		t.Errorf("with more: %v, want %v", got, want)
	}
}

// What values change.
func TestValues(t *testing.T) {
	for _, c := range []struct {
		name, values string
		args         []string
		check        func(*testing.T, objects)
	}{
		{"no directory", "directory: {enabled: false}", nil, func(t *testing.T, all objects) {
			_, agent := agentOf(t, all)
			for name := range environment(agent) {
				if strings.Contains(name, "DIRECTORY") {
					t.Errorf("%s is set", name)
				}
			}
			if len(get[*appsv1.Deployment](all))+len(get[*corev1.Service](all))+len(get[*corev1.Secret](all)) > 0 {
				t.Error("something of it is left")
			}
		}},
		{"a fixed address", "directory: {service: {clusterIP: 'fd00::7'}}", nil, func(t *testing.T, all objects) {
			_, agent := agentOf(t, all)
			if got := environment(agent)["FATHOM_DIRECTORY_ADDRESS"]; got != "[fd00::7]:10778" {
				t.Errorf("agents go to %s", got)
			}
		}},
		{"certificates of clients", "directory: {clientCertificateSecret: agents}", nil, func(t *testing.T, all objects) {
			_, agent := agentOf(t, all)
			_, directory := directoryOf(t, all)
			if env := environment(agent); env["FATHOM_DIRECTORY_TOKEN_FILE"] != "" || env["FATHOM_DIRECTORY_CERT_FILE"] == "" {
				t.Errorf("agents show %v", env)
			}
			if !slices.Contains(directory.Args, "--tls.client-ca-file=/var/run/fathom/client/ca.crt") {
				t.Errorf("directory %v", directory.Args)
			}
			if rules := one[*rbacv1.ClusterRole](t, all, "fathom-directory").Rules; len(rules) != 1 {
				t.Errorf("the directory needs no token reviews: %v", rules)
			}
		}},
		{"cert-manager", "directory: {tls: {source: certManager, certManager: {issuerRef: {name: ca, kind: ClusterIssuer}}}}", nil, func(t *testing.T, all objects) {
			if len(get[*corev1.Secret](all)) > 0 || get[*unstructured.Unstructured](all)["fathom-directory"] == nil {
				t.Error("not cert-manager's certificate")
			}
		}},
		{"writable tracefs", "agent: {tracefs: writable}", nil, func(t *testing.T, all objects) {
			_, agent := agentOf(t, all)
			for _, m := range agent.VolumeMounts {
				if m.ReadOnly == (m.Name == "tracefs") {
					t.Errorf("%s: read-only %v", m.Name, m.ReadOnly)
				}
			}
		}},
		{"no tracefs", "agent: {tracefs: none}", nil, func(t *testing.T, all objects) {
			pod, _ := agentOf(t, all)
			if slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == "tracefs" }) {
				t.Error("it is mounted")
			}
		}},
		{"a digest", "image: {tag: v9, digest: 'sha256:" + strings.Repeat("0a", 32) + "'}", nil, func(t *testing.T, all objects) {
			_, agent := agentOf(t, all)
			if want := "fathomhq/fathom@sha256:" + strings.Repeat("0a", 32); agent.Image != want {
				t.Errorf("image %s", agent.Image)
			}
		}},
		{"an old Kubernetes", "", []string{"--kube-version", "1.25.0"}, func(t *testing.T, all objects) {
			_, agent := agentOf(t, all)
			for _, m := range agent.VolumeMounts {
				if m.RecursiveReadOnly != nil {
					t.Errorf("%s: 1.25 knows no recursiveReadOnly", m.Name)
				}
			}
		}},
		{"GKE", "", []string{"--kube-version", "1.34.1-gke.1293000"}, func(t *testing.T, all objects) {
			if len(get[*corev1.ResourceQuota](all)) != 1 {
				t.Error("GKE does not admit the priority class without a quota")
			}
		}},
		{"other names", "fullnameOverride: deep", nil, func(t *testing.T, all objects) {
			one[*appsv1.DaemonSet](t, all, "deep-agent")
			one[*rbacv1.ClusterRoleBinding](t, all, "deep-directory")
		}},
		{"extras", `{agent: {extraArgs: [--log.level=debug], extraEnv: [{name: A, value: b}], podLabels: {a: b}, prometheusAnnotations: true}, imagePullSecrets: [{name: s}], commonLabels: {team: net}}`, nil, func(t *testing.T, all objects) {
			pod, agent := agentOf(t, all)
			if !slices.Equal(agent.Args, []string{"agent", "--log.level=debug"}) || environment(agent)["A"] != "b" ||
				pod.Labels["a"] != "b" || pod.Labels["team"] != "net" || pod.Annotations["prometheus.io/port"] != "10777" ||
				!reflect.DeepEqual(pod.Spec.ImagePullSecrets, []corev1.LocalObjectReference{{Name: "s"}}) {
				t.Errorf("%v %v", agent, pod.ObjectMeta)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) { c.check(t, mustRender(t, c.values, c.args...)) })
	}
}

// What cannot work is refused, in words.
func TestRefused(t *testing.T) {
	for values, word := range map[string]string{
		"agnet: {}":                                     "agnet",
		"agent: {image: x}":                             "image",
		"agent: {capabilities: {profile: all}}":         "profile",
		"agent: {capabilities: {add: [CAP_SYS_ADMIN]}}": "add",
		"agent: {port: 0}":                              "port",
		"agent: {tracefs: true}":                        "tracefs",
		"agent: {resources: {limit: {}}}":               "limit",
		"agent: {settings: {node-name: a}}":             "the chart sets node-name itself",
		"agent: {settings: {limits: {max-series: 1}}}":  "settings",
		"directory: {tls: {source: secret}}":            "directory.tls.secretName",
		"directory: {tls: {source: certManager}}":       "issuerRef",
		"directory: {replicas: 0}":                      "replicas",
		"image: {pullPolicy: Sometimes}":                "pullPolicy",
		"networkPolicy: {apiServerPorts: []}":           "apiServerPorts",
		"prometheusRule: {settings: {errorRatio: 5}}":   "errorRatio",
		"prometheusRule: {settings: {errorRate: 0.5}}":  "errorRate",
		"prometheusRule: {objectives: [{workload: a}]}": "objective",
	} {
		if _, err := render(t, values); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %v, want an error with %q", values, err, word)
		}
	}
}

// The schema and the values have the same names.
func TestSchemaIsComplete(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(root, valuesFile))
	if err != nil {
		t.Fatal(err)
	}
	values, err := readValues(data)
	if err != nil {
		t.Fatal(err)
	}
	known := schemaPaths(t)
	for _, v := range values {
		if !known[v.path] {
			t.Errorf("the schema does not know %s", v.path)
		}
		delete(known, v.path)
	}
	if len(known) > 0 {
		t.Errorf("no values: %v", slices.Sorted(maps.Keys(known)))
	}
}
