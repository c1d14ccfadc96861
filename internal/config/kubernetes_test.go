package config

import (
	"io"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

func TestPattern(t *testing.T) {
	for _, tt := range []struct {
		text, namespace, workload string
		want                      bool
	}{
		{"shop", "shop", "web", true},
		{"shop", "shop2", "web", false},
		{"shop/web-*", "shop", "web-1", true},
		{"shop/web-*", "shop", "db", false},
		{"*/web", "any", "web", true},
		{"kube-*", "kube-system", "coredns", true},
	} {
		var p Pattern
		if err := p.UnmarshalText([]byte(tt.text)); err != nil {
			t.Fatal(err)
		}
		if got := p.Match(tt.namespace, tt.workload); got != tt.want {
			t.Errorf("%s matches %s/%s: %t", tt.text, tt.namespace, tt.workload, got)
		}
	}
}

// What cannot be used is refused, by the name of its setting.
func TestKubernetesIsChecked(t *testing.T) {
	for arg, want := range map[string]string{
		"--kubernetes=maybe":                             "neither auto, on nor off",
		"--include=shop/":                                "is no pattern",
		"--exclude=a/b/c":                                "is no pattern",
		"--exclude=[":                                    "is no pattern",
		"--networks=database":                            "is not NAME=CIDR",
		"--networks==10.0.0.0/8":                         "is not NAME=CIDR",
		"--networks=a=10.0.0.0/40":                       "is not NAME=CIDR",
		"--pod-labels=a b":                               "is not a name",
		"--pod-labels=a.b,a-b":                           "would be the same label",
		"--directory.address=host":                       "is not HOST:PORT",
		"--directory.cert-file=tls.crt":                  "give both or neither",
		"--pod-labels=a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q": "give at most 16",
	} {
		if _, err := parse(t, "", nil, arg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", arg, err, want)
		}
	}
}

func TestMetricLabel(t *testing.T) {
	if got := MetricLabel("label_", "app.kubernetes.io/name"); got != "label_app_kubernetes_io_name" {
		t.Error(got)
	}
}

func TestKubernetesEnabled(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	for _, tt := range []struct {
		k    Kubernetes
		host string
		want bool
	}{
		{Kubernetes{Kubernetes: KubernetesAuto}, "", false},
		{Kubernetes{Kubernetes: KubernetesAuto}, "10.0.0.1", true},
		{Kubernetes{Kubernetes: KubernetesAuto, Kubeconfig: "file"}, "", true},
		{Kubernetes{Kubernetes: KubernetesOff, Kubeconfig: "file"}, "10.0.0.1", false},
		{Kubernetes{Kubernetes: KubernetesOn}, "", true},
	} {
		t.Setenv("KUBERNETES_SERVICE_HOST", tt.host)
		if got := tt.k.Enabled(); got != tt.want {
			t.Errorf("%+v with API server %q: %t", tt.k, tt.host, got)
		}
	}
}

func TestDirectoryIsChecked(t *testing.T) {
	const tls, token = "--tls.cert-file=a --tls.key-file=b", "--token-audience=x --token-service-account=n:m"
	for args, want := range map[string]string{
		tls + " " + token:               "",
		tls + " --tls.client-ca-file=c": "",
		token:                           "by TLS",
		"--tls.cert-file=a " + token:    "by TLS",
		tls:                             "no agent could connect",
		tls + " --token-audience=x":     "go together",
		tls + " --token-audience=x --token-service-account=m": "is not NAMESPACE:NAME",
		tls + " " + token + " --listen-address=10778":         "is not HOST:PORT",
		tls + " " + token + " --web.config.file=/none":        "web.config.file",
	} {
		var d struct {
			Directory Directory `cmd:""`
		}
		parser, err := kong.New(&d, append(Options(), kong.Writers(io.Discard, io.Discard))...)
		if err != nil {
			t.Fatal(err)
		}
		_, err = parser.Parse(append([]string{"directory"}, strings.Fields(args)...))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
}
