package config

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path"
	"regexp"
	"strings"
)

// Kubernetes are the settings of an agent that names pods.
type Kubernetes struct {
	Kubernetes KubernetesMode `group:"kubernetes" name:"kubernetes" env:"FATHOM_KUBERNETES" default:"auto" placeholder:"MODE" help:"Name the pods of this node: on, off, or auto: on in a pod. Default auto."`
	Kubeconfig string         `group:"kubernetes" name:"kubeconfig" env:"FATHOM_KUBECONFIG" placeholder:"FILE" help:"How to reach the API server. Default: as a pod does."`
	NodeName   string         `group:"kubernetes" name:"node-name" env:"FATHOM_NODE_NAME" placeholder:"NAME" help:"Name of this node in Kubernetes. Default: the host's name."`
	PodUID     string         `group:"kubernetes" name:"pod-uid" env:"FATHOM_POD_UID" placeholder:"UID" help:"UID of the pod that the agent runs in. With it the agent leaves out the pods of other nodes on the same kernel, as kind has them."`
	CgroupRoot string         `group:"kubernetes" name:"cgroup-root" env:"FATHOM_CGROUP_ROOT" placeholder:"DIR" help:"Where the host's /sys/fs/cgroup is mounted. Default: found."`

	PodLabels      []string  `group:"kubernetes" name:"pod-labels" env:"FATHOM_POD_LABELS" placeholder:"NAME,..." help:"Labels of pods that become labels of their metrics: app becomes label_app."`
	PodAnnotations []string  `group:"kubernetes" name:"pod-annotations" env:"FATHOM_POD_ANNOTATIONS" placeholder:"NAME,..." help:"Annotations of pods that become labels of their metrics: team becomes annotation_team."`
	Include        []Pattern `group:"kubernetes" name:"include" env:"FATHOM_INCLUDE" placeholder:"NAMESPACE[/WORKLOAD],..." help:"Show only these pods, and what is no pod. Patterns as shop, shop/web-* or */web."`
	Exclude        []Pattern `group:"kubernetes" name:"exclude" env:"FATHOM_EXCLUDE" placeholder:"NAMESPACE[/WORKLOAD],..." help:"Do not show these pods."`

	Networks           []Network `group:"kubernetes" name:"networks" env:"FATHOM_NETWORKS" placeholder:"NAME=CIDR,..." help:"Names for networks outside of the cluster, as peers: database=10.8.0.0/16. The smallest that holds an address names it; others are external."`
	DirectoryAddress   string    `group:"kubernetes" name:"directory.address" env:"FATHOM_DIRECTORY_ADDRESS" placeholder:"HOST:PORT" help:"Where fathom directory serves. Without one, peers outside of this node have no names."`
	DirectoryCAFile    string    `group:"kubernetes" name:"directory.ca-file" env:"FATHOM_DIRECTORY_CA_FILE" placeholder:"FILE" help:"Certificate authority of the directory's certificate."`
	DirectoryCertFile  string    `group:"kubernetes" name:"directory.cert-file" env:"FATHOM_DIRECTORY_CERT_FILE" placeholder:"FILE" help:"Client certificate for the directory, for mutual TLS."`
	DirectoryKeyFile   string    `group:"kubernetes" name:"directory.key-file" env:"FATHOM_DIRECTORY_KEY_FILE" placeholder:"FILE" help:"Key of the client certificate."`
	DirectoryTokenFile string    `group:"kubernetes" name:"directory.token-file" env:"FATHOM_DIRECTORY_TOKEN_FILE" placeholder:"FILE" help:"Token of a service account for the directory, instead of a client certificate."`
}

// KubernetesMode says whether pods are named.
type KubernetesMode string

// The modes.
const (
	KubernetesAuto KubernetesMode = "auto"
	KubernetesOn   KubernetesMode = "on"
	KubernetesOff  KubernetesMode = "off"
)

// UnmarshalText implements [encoding.TextUnmarshaler].
func (m *KubernetesMode) UnmarshalText(text []byte) error {
	switch v := KubernetesMode(text); v {
	case KubernetesAuto, KubernetesOn, KubernetesOff:
		*m = v
		return nil
	default:
		return fmt.Errorf("%q is neither auto, on nor off", text)
	}
}

// Enabled tells whether pods are named: auto looks for the variable by which a pod finds the API server.
func (k *Kubernetes) Enabled() bool {
	switch k.Kubernetes {
	case KubernetesOn:
		return true
	case KubernetesOff:
		return false
	}
	return k.Kubeconfig != "" || os.Getenv("KUBERNETES_SERVICE_HOST") != ""
}

// Pattern chooses pods by namespace and workload, each as path.Match has it.
type Pattern struct{ namespace, workload string }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (p *Pattern) UnmarshalText(text []byte) error {
	namespace, workload, ok := strings.Cut(string(text), "/")
	if !ok {
		workload = "*"
	}
	for _, part := range []string{namespace, workload} {
		if _, err := path.Match(part, ""); err != nil || part == "" || strings.Contains(part, "/") {
			return fmt.Errorf("%q is no pattern as shop, shop/web-* or */web", text)
		}
	}
	*p = Pattern{namespace, workload}
	return nil
}

// Match tells whether the pattern holds for a workload.
func (p Pattern) Match(namespace, workload string) bool {
	a, _ := path.Match(p.namespace, namespace)
	b, _ := path.Match(p.workload, workload)
	return a && b
}

// Network is a name for the addresses of a network.
type Network struct {
	Name   string
	Prefix netip.Prefix
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (n *Network) UnmarshalText(text []byte) error {
	name, cidr, ok := strings.Cut(string(text), "=")
	prefix, err := netip.ParsePrefix(cidr)
	if !ok || name == "" || err != nil {
		return fmt.Errorf("%q is not NAME=CIDR, as database=10.8.0.0/16", text)
	}
	*n = Network{name, prefix.Masked()}
	return nil
}

// maxChosen bounds the labels that users add: each makes every line of an exposition longer.
const maxChosen = 16

// A label's or annotation's name: an optional prefix that is a DNS subdomain, and a name of up to 63 characters
// (k8s.io/apimachinery/pkg/api/validate/content, IsQualifiedName).
var labelName = regexp.MustCompile(`^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`)

func (k *Kubernetes) check() *problem {
	return cmp.Or(
		checkChosen("pod-labels", k.PodLabels),
		checkChosen("pod-annotations", k.PodAnnotations),
		checkDirectory(k),
	)
}

func checkChosen(flag string, names []string) *problem {
	if len(names) > maxChosen {
		return &problem{flag, fmt.Sprintf("%d names: give at most %d", len(names), maxChosen)}
	}
	as := map[string]string{}
	for _, name := range names {
		if !labelName.MatchString(name) {
			return &problem{flag, fmt.Sprintf("%q is not a name as app or app.kubernetes.io/name", name)}
		}
		label := MetricLabel("", name)
		if other, ok := as[label]; ok {
			return &problem{flag, fmt.Sprintf("%q and %q would be the same label of metrics", other, name)}
		}
		as[label] = name
	}
	return nil
}

var notInLabels = regexp.MustCompile(`[^a-zA-Z0-9_]`)

// MetricLabel returns the name that a pod's label or annotation has as a label of metrics, as kube-state-metrics
// makes it.
func MetricLabel(prefix, name string) string { return prefix + notInLabels.ReplaceAllString(name, "_") }

func checkDirectory(k *Kubernetes) *problem {
	if (k.DirectoryCertFile == "") != (k.DirectoryKeyFile == "") {
		return &problem{"directory.cert-file", "goes with directory.key-file: give both or neither"}
	}
	if k.DirectoryAddress == "" {
		return nil
	}
	if _, _, err := net.SplitHostPort(k.DirectoryAddress); err != nil {
		return &problem{"directory.address", fmt.Sprintf("%q is not HOST:PORT", k.DirectoryAddress)}
	}
	return nil
}
