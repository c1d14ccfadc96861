package agent

import (
	"slices"
	"testing"

	"github.com/fathomhq/fathom/internal/config"
	"github.com/fathomhq/fathom/internal/workload"
)

func pattern(t *testing.T, text string) config.Pattern {
	t.Helper()
	var p config.Pattern
	if err := p.UnmarshalText([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestShown(t *testing.T) {
	pod := func(namespace, name string) workload.Labels {
		return workload.Labels{Namespace: namespace, Workload: name, Pod: name + "-1"}
	}
	include, exclude := []config.Pattern{pattern(t, "shop")}, []config.Pattern{pattern(t, "*/debug")}
	for _, tt := range []struct {
		include, exclude []config.Pattern
		labels           workload.Labels
		want             bool
	}{
		{include, nil, pod("shop", "web"), true},
		{include, nil, pod("bank", "web"), false},
		{include, exclude, pod("shop", "debug"), false},
		{nil, exclude, pod("bank", "web"), true},
		{nil, exclude, pod("bank", "debug"), false},
		{include, exclude, workload.Labels{Workload: "sshd.service"}, true}, // no pod
	} {
		var c config.Agent
		c.Include, c.Exclude = tt.include, tt.exclude
		if got := shown(c)(tt.labels); got != tt.want {
			t.Errorf("%+v: %t", tt.labels, got)
		}
	}
	if shown(config.Agent{}) != nil {
		t.Error("asks although nothing is left out")
	}
}

func TestChosenLabels(t *testing.T) {
	var c config.Agent
	c.PodLabels, c.PodAnnotations = []string{"app.kubernetes.io/name"}, []string{"team"}
	if got := chosenLabels(c); !slices.Equal(got, []string{"label_app_kubernetes_io_name", "annotation_team"}) {
		t.Error(got)
	}
}

// Without Kubernetes there is no cluster, and nothing waits for one.
func TestNoCluster(t *testing.T) {
	var c config.Agent
	c.Kubernetes.Kubernetes = config.KubernetesOff
	in, err := newCluster(c, "dev", nil)
	if in != nil || err != nil {
		t.Fatal(in, err)
	}
	if err := in.ready(); err != nil {
		t.Error(err)
	}
	if err := in.run(t.Context()); err != nil {
		t.Error(err)
	}
}
