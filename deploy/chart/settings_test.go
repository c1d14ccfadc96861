package main

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fathomhq/fathom/internal/config"
)

// commands is Fathom's command line, as far as the chart uses it.
type commands struct {
	Agent     config.Agent     `cmd:""`
	Directory config.Directory `cmd:""`
}

// accept parses a container's arguments and variables as Fathom would.
func accept(t *testing.T, c *corev1.Container) commands {
	t.Helper()
	var parsed commands
	parser, err := kong.New(&parsed, config.Options()...)
	if err != nil {
		t.Fatal(err)
	}
	variables := make(map[string]bool)
	for _, command := range parser.Model.Children {
		for _, flag := range command.Flags {
			for _, v := range flag.Envs {
				variables[v] = true
			}
		}
	}
	for _, e := range c.Env {
		value := e.Value
		if e.ValueFrom != nil {
			value = "from-" + e.ValueFrom.FieldRef.FieldPath
		}
		if value == "/etc/fathom/settings/fathom.yaml" {
			continue // there is none here
		}
		t.Setenv(e.Name, value)
		if !variables[e.Name] {
			t.Errorf("no setting reads %s", e.Name)
		}
	}
	if _, err := parser.Parse(c.Args); err != nil {
		t.Errorf("%s %v: %v", c.Name, c.Args, err)
	}
	return parsed
}

// Fathom understands what the chart gives it.
func TestArguments(t *testing.T) {
	all := mustRender(t, "")
	_, agent := agentOf(t, all)
	got := accept(t, agent).Agent
	if got.NodeName != "from-spec.nodeName" || got.PodUID != "from-metadata.uid" || got.CgroupRoot != "/host/sys/fs/cgroup" ||
		got.DirectoryAddress != "fathom-directory."+namespace+".svc:10778" || got.Listen[0] != ":10777" || !got.Enabled() {
		t.Errorf("agent: %+v", got)
	}
	_, directory := directoryOf(t, all)
	if got := accept(t, directory).Directory; got.TokenServiceAccount != namespace+":fathom-agent" || got.TokenAudience != "fathom-directory" {
		t.Errorf("directory: %+v", got)
	}
	pod, _ := agentOf(t, all)
	for _, v := range pod.Spec.Volumes {
		if v.Name != "directory" {
			continue
		}
		for _, source := range v.Projected.Sources {
			if token := source.ServiceAccountToken; token != nil && token.Audience != "fathom-directory" {
				t.Errorf("tokens for %s", token.Audience)
			}
		}
	}
}

// Settings arrive as the agent's file.
func TestSettings(t *testing.T) {
	all := mustRender(t, "agent: {settings: {max-series: 8192, max-connections: 1000000, exclude: [kube-system, shop/batch-*], pod-labels: [app], buckets: [1ms, 0.5]}}")
	file := filepath.Join(t.TempDir(), "fathom.yaml")
	if err := os.WriteFile(file, []byte(one[*corev1.ConfigMap](t, all, "fathom-agent").Data["fathom.yaml"]), 0o600); err != nil {
		t.Fatal(err)
	}
	_, agent := agentOf(t, all)
	for i, e := range agent.Env {
		if e.Name == "FATHOM_CONFIG" {
			agent.Env[i].Value = file
		}
	}
	got := accept(t, agent).Agent
	if got.MaxSeries != 8192 || got.MaxConnections != 1000000 || len(got.Exclude) != 2 || len(got.PodLabels) != 1 || len(got.Buckets) != 2 {
		t.Errorf("%+v", got)
	}
}

// The generated certificate holds for what agents call the directory.
func TestCertificate(t *testing.T) {
	secret := one[*corev1.Secret](t, mustRender(t, "directory: {service: {clusterIP: 10.96.0.77}}"), "fathom-directory-tls")
	block, _ := pem.Decode(secret.Data["tls.crt"])
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(secret.Data["ca.crt"]) {
		t.Fatal("no authority")
	}
	for _, host := range []string{"fathom-directory." + namespace + ".svc", "fathom-directory." + namespace + ".svc.cluster.local", "10.96.0.77"} {
		if _, err := certificate.Verify(x509.VerifyOptions{DNSName: host, Roots: roots}); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
}

// Both monitors let the labels of the metrics win.
func TestMonitors(t *testing.T) {
	for values, field := range map[string]string{
		"podMonitor: {enabled: true, labels: {release: p}, interval: 30s}":                                    "podMetricsEndpoints",
		"{serviceMonitor: {enabled: true}, podMonitor: {labels: {release: p}, interval: 30s}}":                "endpoints",
		"{serviceMonitor: {enabled: true}, podMonitor: {enabled: true, labels: {release: p}, interval: 30s}}": "endpoints",
	} {
		all := mustRender(t, values)
		monitors := get[*unstructured.Unstructured](all)
		if len(monitors) != 2 {
			t.Fatalf("%d monitors", len(monitors))
		}
		for name, monitor := range monitors {
			endpoints, _, err := unstructured.NestedSlice(monitor.Object, "spec", field)
			if err != nil || len(endpoints) != 1 {
				t.Fatalf("%s: %v %v", name, endpoints, err)
			}
			endpoint, _ := endpoints[0].(map[string]any)
			if endpoint["honorLabels"] != true || endpoint["port"] != "metrics" || endpoint["interval"] != "30s" || monitor.GetLabels()["release"] != "p" {
				t.Errorf("%s: %v", name, endpoint)
			}
		}
		if field == "endpoints" {
			checkPods(t, all) // the agents' service, too
		}
	}
}

// schemaPaths lists the leaves of the schema: what has no properties of its own.
func schemaPaths(t *testing.T) map[string]bool {
	t.Helper()
	type schema struct {
		Ref                  string `json:"$ref"`
		Properties           map[string]json.RawMessage
		AdditionalProperties json.RawMessage
		Definitions          map[string]json.RawMessage
	}
	data, err := os.ReadFile(filepath.Join(root, "deploy/helm/fathom/values.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	read := func(data []byte) (s schema) {
		if err := json.Unmarshal(data, &s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	top := read(data)
	paths := make(map[string]bool)
	// Values with a default on one line are leaves, whatever is below.
	onOneLine := map[string]bool{"agent.resources": true, "directory.resources": true, "agent.updateStrategy": true, "directory.tls.certManager.issuerRef": true}
	var add func(prefix string, s schema)
	add = func(prefix string, s schema) {
		if s.Properties != nil && string(s.AdditionalProperties) != "false" {
			t.Errorf("%s may have unknown names", prefix)
		}
		for name, below := range s.Properties {
			path, s := prefix+name, read(below)
			if definition, ok := strings.CutPrefix(s.Ref, "#/definitions/"); ok {
				s = read(top.Definitions[definition])
			}
			if s.Properties == nil || onOneLine[path] {
				paths[path] = path != "global" // Helm's own
				continue
			}
			add(path+".", s)
		}
	}
	add("", top)
	delete(paths, "global")
	return paths
}
