package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
)

// testCluster has its state in a folder of the test.
func testCluster(t *testing.T) *cluster {
	t.Helper()
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	c := &cluster{
		options:     options{Name: "x", Nodes: 2, Index: 1, Layout: layoutSystemd, Cgroup: cgroupV2},
		Hierarchies: hierarchies{V2: "/v2", V1: []string{"/v1"}}, NoLimits: true,
		Sysctls: map[string]string{"kernel/panic": "0\n"},
	}
	if err := c.locate(); err != nil {
		t.Fatal(err)
	}
	return c
}

// What down reads is what up wrote; and a second up does not write over it.
func TestState(t *testing.T) {
	c := testCluster(t)
	if _, err := load("x"); !errors.Is(err, errNone) {
		t.Errorf("before: %v", err)
	}
	if err := c.save(); err != nil {
		t.Fatal(err)
	}
	loaded, err := load("x")
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(loaded, c) {
		t.Errorf("got %+v, want %+v", loaded, c)
	}
	if err := c.save(); err == nil || !strings.Contains(err.Error(), "nodes down -name x") {
		t.Errorf("a second time: %v", err)
	}
}

// A shell that evaluates the output has the values, whatever is in them.
func TestEnv(t *testing.T) {
	c := testCluster(t)
	c.programs = "/it's here/$HOME"
	var text bytes.Buffer
	if err := c.printEnv(&text, "/a b/nodes"); err != nil {
		t.Fatal(err)
	}
	for variable, want := range map[string]string{
		"PATH":                    c.programs + ":" + os.Getenv("PATH"),
		"KUBECONFIG":              c.kubeconfigFile("admin"),
		"FATHOM_APISERVER_SIGNAL": "'/a b/nodes' signal -name x",
		"FATHOM_NODES_DIRECTORY":  "10.241.128.77",
	} {
		out, err := exec.Command("/bin/sh", "-c", text.String()+`printf %s "$`+variable+`"`).Output()
		if err != nil || string(out) != want {
			t.Errorf("%s: %q, %v; want %q", variable, out, err, want)
		}
	}
}

// Every certificate is good for what it is made for, and every kubeconfig can be read.
func TestCertificates(t *testing.T) {
	c := testCluster(t)
	if err := os.MkdirAll(c.path("pki"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := c.makeCertificates(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(c.path("pki", "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		t.Fatalf("%s is no certificate", text)
	}
	for _, id := range c.identities() {
		pair, err := tls.LoadX509KeyPair(c.path("pki", id.file+".crt"), c.path("pki", id.file+".key"))
		if err != nil {
			t.Fatal(err)
		}
		for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth} {
			if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{usage}}); err != nil {
				t.Errorf("%s: %v", id.file, err)
			}
		}
		if s := pair.Leaf.Subject; s.CommonName != id.user || strings.Join(s.Organization, ",") != id.group {
			t.Errorf("%s is of %s", id.file, s)
		}
		if !id.toKubeconfig {
			continue
		}
		config, err := clientcmd.BuildConfigFromFlags("", c.kubeconfigFile(id.file))
		if err != nil || config.Host != "https://10.241.0.11:6443" || config.CertFile != c.path("pki", id.file+".crt") {
			t.Errorf("%s: %+v, %v", id.file, config, err)
		}
	}
	for file, hosts := range map[string][]string{
		"apiserver": {"10.241.0.11", "10.241.128.1", "127.0.0.1", "kubernetes.default.svc"}, "node2": {"10.241.0.12", "node2"},
	} {
		pair, err := tls.LoadX509KeyPair(c.path("pki", file+".crt"), c.path("pki", file+".key"))
		if err != nil {
			t.Fatal(err)
		}
		for _, host := range hosts {
			if err := pair.Leaf.VerifyHostname(host); err != nil {
				t.Error(err)
			}
		}
	}
}

// Each node is configured with what is its own.
func TestConfigurations(t *testing.T) {
	c := testCluster(t)
	for node, want := range map[int][]string{
		1: {`"cgroupRoot": "/x-node1"`, "node1.crt", `"hostnameOverride": "node1"`, `"subnet": "10.241.1.0/24"`, "nodes/node1/containerd"},
		2: {`"cgroupRoot": "/x-node2"`, "node2.crt", `"hostnameOverride": "node2"`, `"subnet": "10.241.2.0/24"`, "nodes/node2/containerd"},
	} {
		var text []byte
		for _, o := range []object{c.kubeletConfig(node), c.proxyConfig(node), podNetwork(c.network().pods(node))} {
			b := encode(o)
			if !json.Valid(b) {
				t.Errorf("node %d: %s", node, b)
			}
			text = append(text, b...)
		}
		text = append(text, c.containerdConfig(node)...)
		for _, s := range want {
			if !bytes.Contains(text, []byte(s)) {
				t.Errorf("node %d: no %s in\n%s", node, s, text)
			}
		}
	}
}

// Containers are made by runc, unless something has to be changed.
func TestRuntime(t *testing.T) {
	for _, test := range []struct {
		layout   string
		noLimits bool
		want     string
	}{
		{layoutCgroupfs, false, "bin/runc"},
		{layoutCgroupfs, true, "state/x/bin/runcwrap"},
		{layoutSystemd, false, "state/x/bin/runcwrap"},
	} {
		c := testCluster(t)
		c.Layout, c.NoLimits = test.layout, test.noLimits
		if got := c.runtime(); !strings.HasSuffix(got, "fathom-nodes/"+test.want) || !strings.Contains(c.containerdConfig(1), `"`+got+`"`) {
			t.Errorf("%+v: %s", test, got)
		}
		env := c.wrapEnvironment()
		if slices.Contains(env, "RUNCWRAP_NO_LIMITS=1") != test.noLimits || !slices.Contains(env, "RUNCWRAP_LAYOUT="+test.layout) {
			t.Errorf("%+v: %v", test, env)
		}
	}
}

func TestMountsBelow(t *testing.T) {
	const mounts = "a /cache/state/x/nodes/node1/var/lib/kubelet ext4 rw 0 0\nb /cache/state/xy ext4 rw 0 0\nc / ext4 rw 0 0\n"
	for dir, want := range map[string]int{"/cache/state/x": 1, "/cache/state": 2, "/other": 0, filepath.Clean("/cache/state/xy"): 0} {
		if found, err := mountsBelow(strings.NewReader(mounts), dir); err != nil || len(found) != want {
			t.Errorf("%s: %v, %v", dir, found, err)
		}
	}
}
