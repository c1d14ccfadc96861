package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// relabel is a relabeling as Prometheus' configuration has it.
type relabel struct {
	SourceLabels []string `yaml:"source_labels"`
	TargetLabel  string   `yaml:"target_label"`
	Regex        string
	Action       string
}

type scrape struct {
	JobName     string `yaml:"job_name"`
	HonorLabels bool   `yaml:"honor_labels"`
	Discovery   []struct {
		Role       string
		Namespaces struct{ Names []string }
	} `yaml:"kubernetes_sd_configs"`
	Relabel []relabel `yaml:"relabel_configs"`
}

// guideScrape is the scrape configuration of docs/kubernetes.md.
func guideScrape(t *testing.T) scrape {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(root, guideFile))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "<!-- prometheus:begin -->\n```yaml\n")
	text, _, found := strings.Cut(rest, "```\n<!-- prometheus:end -->")
	if !found {
		t.Fatal("no scrape configuration in docs/kubernetes.md")
	}
	var config struct {
		ScrapeConfigs []scrape `yaml:"scrape_configs"`
	}
	decoder := yaml.NewDecoder(strings.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&config); err != nil || len(config.ScrapeConfigs) != 1 {
		t.Fatalf("%v: %v", config, err)
	}
	return config.ScrapeConfigs[0]
}

// target relabels as relabel.Process of Prometheus does, as far as the page uses it; nil: dropped.
func (s scrape) target(discovered map[string]string) map[string]string {
	labels := map[string]string{"job": s.JobName}
	for _, r := range s.Relabel {
		var values []string
		for _, l := range r.SourceLabels {
			values = append(values, discovered[l])
		}
		value := strings.Join(values, ";")
		matches := regexp.MustCompile("^(?:" + r.Regex + ")$").MatchString(value)
		switch {
		case r.Action == "keep" && !matches, r.Action == "drop" && matches:
			return nil
		case r.Action == "":
			labels[r.TargetLabel] = value
		}
	}
	return labels
}

// The configuration in the guide finds what the chart installs, and gives the labels that the operator gives to targets of a
// monitor (namespace, pod, container: pkg/prometheus/promcfg.go of the operator), with the chart's own relabeling.
func TestScrapeConfiguration(t *testing.T) {
	s := guideScrape(t)
	if !s.HonorLabels || s.Discovery[0].Role != "pod" || s.Discovery[0].Namespaces.Names[0] != "fathom" {
		t.Errorf("%+v", s)
	}
	all := mustRender(t, "")
	agentPod, agent := agentOf(t, all)
	directoryPod, directory := directoryOf(t, all)
	const label = "app.kubernetes.io/name"
	discovered := func(app, container, port string) map[string]string {
		return map[string]string{
			"__meta_kubernetes_namespace": "fathom", "__meta_kubernetes_pod_name": "pod-1", "__meta_kubernetes_pod_node_name": "node-1",
			"__meta_kubernetes_pod_phase": "Running", "__meta_kubernetes_pod_container_name": container,
			"__meta_kubernetes_pod_container_port_name":          port,
			"__meta_kubernetes_pod_label_app_kubernetes_io_name": app,
		}
	}
	for _, c := range []struct {
		name, app, container, port string
		want                       map[string]string
	}{
		{"agent", agentPod.Labels[label], agent.Name, agent.Ports[0].Name, map[string]string{
			"job": "fathom", "namespace": "fathom", "pod": "pod-1", "container": "agent", "node": "node-1",
		}},
		{"directory", directoryPod.Labels[label], directory.Name, directory.Ports[1].Name, map[string]string{
			"job": "fathom", "namespace": "fathom", "pod": "pod-1", "container": "directory", "node": "node-1",
		}},
		{"the directory's other port", directoryPod.Labels[label], directory.Name, directory.Ports[0].Name, nil},
		{"another pod", "web", "web", "metrics", nil},
	} {
		if diff := cmp.Diff(c.want, s.target(discovered(c.app, c.container, c.port))); diff != "" {
			t.Errorf("%s:\n%s", c.name, diff)
		}
	}
	ended := discovered("fathom", "agent", "metrics")
	ended["__meta_kubernetes_pod_phase"] = "Failed"
	if s.target(ended) != nil {
		t.Error("pods that have ended are scraped")
	}
}
