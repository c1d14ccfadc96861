package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"
)

// constraint is a SecurityContextConstraints of security.openshift.io/v1, as far as the guide uses it.
type constraint struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`
	Metadata   struct {
		Name string `yaml:"name"`
	} `yaml:"metadata"`
	Users                    []string `yaml:"users"`
	AllowHostPID             bool     `yaml:"allowHostPID"`
	AllowHostDirVolumePlugin bool     `yaml:"allowHostDirVolumePlugin"`
	AllowHostIPC             bool     `yaml:"allowHostIPC"`
	AllowHostNetwork         bool     `yaml:"allowHostNetwork"`
	AllowHostPorts           bool     `yaml:"allowHostPorts"`
	AllowPrivilegedContainer bool     `yaml:"allowPrivilegedContainer"`
	AllowPrivilegeEscalation bool     `yaml:"allowPrivilegeEscalation"`
	ReadOnlyRootFilesystem   bool     `yaml:"readOnlyRootFilesystem"`
	AllowedCapabilities      []string `yaml:"allowedCapabilities"`
	RequiredDropCapabilities []string `yaml:"requiredDropCapabilities"`
	Volumes                  []string `yaml:"volumes"`
	SeccompProfiles          []string `yaml:"seccompProfiles"`

	RunAsUser          map[string]string `yaml:"runAsUser"`
	SELinuxContext     map[string]string `yaml:"seLinuxContext"`
	FSGroup            map[string]string `yaml:"fsGroup"`
	SupplementalGroups map[string]string `yaml:"supplementalGroups"`
}

// The constraint in the guide allows what the agent's pod has with the defaults, and nothing else.
func TestOpenShiftConstraint(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, guideFile))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "<!-- openshift:begin -->\n```yaml\n")
	text, _, found := strings.Cut(rest, "```\n<!-- openshift:end -->")
	if !found {
		t.Fatal("no constraint in docs/kubernetes.md")
	}
	var c constraint
	decoder := yaml.NewDecoder(strings.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&c); err != nil {
		t.Fatal(err)
	}
	pod, agent := agentOf(t, mustRender(t, ""))
	var volumes, capabilities []string
	for _, v := range pod.Spec.Volumes {
		switch {
		case v.HostPath != nil:
			volumes = append(volumes, "hostPath")
		case v.Projected != nil:
			volumes = append(volumes, "projected")
		default:
			t.Errorf("the volume %s is of a kind that this test does not know", v.Name)
		}
	}
	for _, name := range agent.SecurityContext.Capabilities.Add {
		capabilities = append(capabilities, string(name))
	}
	slices.Sort(volumes)
	slices.Sort(capabilities)
	for what, lists := range map[string][2][]string{
		"volumes":      {c.Volumes, slices.Compact(volumes)},
		"capabilities": {c.AllowedCapabilities, capabilities},
		"users":        {c.Users, {"system:serviceaccount:fathom:" + pod.Spec.ServiceAccountName}},
		"seccomp":      {c.SeccompProfiles, {map[corev1.SeccompProfileType]string{"RuntimeDefault": "runtime/default"}[pod.Spec.SecurityContext.SeccompProfile.Type]}},
	} {
		if !slices.Equal(lists[0], lists[1]) {
			t.Errorf("%s: the guide allows %v, the pod has %v", what, lists[0], lists[1])
		}
	}
	s := agent.SecurityContext
	for what, values := range map[string][2]bool{
		"hostPID":                {c.AllowHostPID, pod.Spec.HostPID},
		"hostIPC":                {c.AllowHostIPC, pod.Spec.HostIPC},
		"hostNetwork":            {c.AllowHostNetwork, pod.Spec.HostNetwork},
		"host paths":             {c.AllowHostDirVolumePlugin, slices.Contains(volumes, "hostPath")},
		"host ports":             {c.AllowHostPorts, slices.ContainsFunc(agent.Ports, func(p corev1.ContainerPort) bool { return p.HostPort != 0 })},
		"privileged":             {c.AllowPrivilegedContainer, *s.Privileged},
		"privilege escalation":   {c.AllowPrivilegeEscalation, *s.AllowPrivilegeEscalation},
		"read-only root":         {c.ReadOnlyRootFilesystem, *s.ReadOnlyRootFilesystem},
		"user 0 without a range": {c.RunAsUser["type"] == "RunAsAny", *s.RunAsUser == 0},
	} {
		if values[0] != values[1] {
			t.Errorf("%s: the guide says %t, the pod has %t", what, values[0], values[1])
		}
	}
}
