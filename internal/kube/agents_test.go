package kube

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// agentPod is a pod as the chart makes it.
func agentPod(name, node string, scheme corev1.URIScheme, port int32, phase corev1.PodPhase) corev1.Pod {
	return corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "fathom", Name: name},
		Spec: corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{
			Name: "agent", Ports: []corev1.ContainerPort{{Name: "metrics", ContainerPort: port}},
			ReadinessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/readyz", Scheme: scheme}}},
		}}},
		Status: corev1.PodStatus{Phase: phase},
	}
}

// agentAPI is an API server with agents, two pods to a page.
func agentAPI(t *testing.T, pods []corev1.Pod, status int) (*rest.Config, *[]string) {
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.RequestURI())
		w.Header().Set("Content-Type", "application/json")
		switch {
		case status != 0:
			w.WriteHeader(status)
			reason := map[int]metav1.StatusReason{403: metav1.StatusReasonForbidden, 401: metav1.StatusReasonUnauthorized}[status]
			_ = json.NewEncoder(w).Encode(metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: "Failure", Reason: reason, Code: int32(status), Message: "no"})
		case strings.Contains(r.URL.Path, "/proxy/"):
			_, _ = fmt.Fprintf(w, `{"node": %q}`, strings.Repeat("x", 20))
		default:
			list := corev1.PodList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PodList"}, Items: pods}
			if r.URL.Query().Get("labelSelector") != "app.kubernetes.io/part-of=fathom,app.kubernetes.io/component=agent" {
				list.Items = nil
			}
			if len(list.Items) > 2 && r.URL.Query().Get("continue") == "" {
				list.Items, list.Continue = list.Items[:2], "more"
			} else if len(list.Items) > 2 {
				list.Items = list.Items[2:]
			}
			_ = json.NewEncoder(w).Encode(list)
		}
	}))
	t.Cleanup(server.Close)
	return &rest.Config{Host: server.URL}, &asked
}

func TestAgents(t *testing.T) {
	cfg, asked := agentAPI(t, []corev1.Pod{
		agentPod("agent-b", "node-2", corev1.URISchemeHTTPS, 9000, corev1.PodRunning),
		agentPod("agent-a", "node-1", corev1.URISchemeHTTP, 10777, corev1.PodRunning),
		agentPod("agent-c", "node-3", corev1.URISchemeHTTP, 10777, corev1.PodPending),
	}, 0)
	agents, err := NewAgents(cfg, "")
	if err != nil {
		t.Fatal(err)
	}
	list, err := agents.List(t.Context())
	if err != nil || len(list) != 2 || list[0].Pod != "agent-a" || list[0].Node != "node-1" || list[1].Pod != "agent-b" {
		t.Fatalf("%+v, %v", list, err)
	}
	for i, want := range []string{
		"/api/v1/namespaces/fathom/pods/http:agent-a:10777/proxy/api/v1/workload?id=a&window=1m",
		"/api/v1/namespaces/fathom/pods/https:agent-b:9000/proxy/api/v1/workload?id=a&window=1m",
	} {
		data, err := list[i].Get(t.Context(), "/api/v1/workload", url.Values{"window": {"1m"}, "id": {"a"}}, 10)
		if got := (*asked)[len(*asked)-1]; got != want || err != nil || len(data) != 10 {
			t.Errorf("asked for %s, want %s; %q, %v", got, want, data, err)
		}
	}
	one, err := NewAgents(cfg, "fathom")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := one.List(t.Context()); err != nil || !strings.HasPrefix((*asked)[len(*asked)-1], "/api/v1/namespaces/fathom/pods?") {
		t.Errorf("%v, %s", err, (*asked)[len(*asked)-1])
	}
}

func TestAgentsRefused(t *testing.T) {
	for status, want := range map[int]string{0: "is Fathom installed", 403: "needs the rights to list pods and to get pods/proxy", 401: "kubectl port-forward"} {
		cfg, _ := agentAPI(t, nil, status)
		agents, err := NewAgents(cfg, "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := agents.List(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%d: %v, want %s", status, err, want)
		}
	}
}

func TestConnectAsUser(t *testing.T) {
	const config = `{apiVersion: v1, kind: Config, current-context: here, clusters: [{name: c, cluster: {server: 'https://192.0.2.1:6443'}}, {name: d, cluster: {server: 'https://192.0.2.2'}}],
contexts: [{name: here, context: {cluster: c, user: u}}, {name: there, context: {cluster: d, user: u}}], users: [{name: u, user: {token: secret}}]}`
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	home := clientcmd.RecommendedHomeFile
	clientcmd.RecommendedHomeFile = filepath.Join(t.TempDir(), "none")
	defer func() { clientcmd.RecommendedHomeFile = home }()
	for _, c := range []struct{ env, file, context, host, name, err string }{
		{"", file, "", "https://192.0.2.1:6443", "here", ""},
		{file, "", "there", "https://192.0.2.2", "there", ""},
		{"", "", "", "", "", "set KUBECONFIG"},
		{file, "", "nowhere", "", "", "nowhere"},
		{"", filepath.Join(t.TempDir(), "none"), "", "", "", "no such file"},
	} {
		t.Setenv("KUBECONFIG", c.env)
		cfg, name, err := ConnectAsUser(c.file, c.context)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%+v: %v", c, err)
			}
			continue
		}
		if err != nil || cfg.Host != c.host || name != c.name {
			t.Errorf("%+v: %v, %s, %v", c, cfg, name, err)
		}
	}
}
