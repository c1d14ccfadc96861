package mixin

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-jsonnet"
	"go.yaml.in/yaml/v3"
)

const root = ".."

// What is committed is as it would be generated now.
func TestGenerated(t *testing.T) {
	all, err := files()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range all {
		got, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is old; run make generate", name)
		}
	}
	for _, dir := range []string{"mixin/dashboards/", chart + "dashboards/"} {
		found, err := filepath.Glob(filepath.Join(root, dir, "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range found {
			if _, ok := all[dir+filepath.Base(file)]; !ok {
				t.Errorf("%s is not generated any more", file)
			}
		}
	}
}

// evaluate evaluates a snippet of Jsonnet beside mixin.libsonnet.
func evaluate(t *testing.T, snippet string, into any) {
	t.Helper()
	vm := jsonnet.MakeVM()
	text, err := vm.EvaluateAnonymousSnippet("test.jsonnet", snippet)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatal(err)
	}
}

// With its defaults the mixin in Jsonnet is what the files for use by hand are.
func TestJsonnet(t *testing.T) {
	var got struct {
		Dashboards    map[string]any
		Rules, Alerts Ruleset
		Config        map[string]any
	}
	evaluate(t, `local m = import 'mixin.libsonnet';
		{Dashboards: m.grafanaDashboards, Rules: m.prometheusRules, Alerts: m.prometheusAlerts, Config: m._config}`, &got)
	for name, have := range map[string]Ruleset{"fathom-rules.yaml": got.Rules, "fathom-alerts.yaml": got.Alerts} {
		if diff := cmp.Diff(readRules(t, name), have); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
	boards, err := dashboards()
	if err != nil {
		t.Fatal(err)
	}
	if want, have := slices.Sorted(maps.Keys(boards)), slices.Sorted(maps.Keys(got.Dashboards)); !slices.Equal(want, have) {
		t.Errorf("dashboards %v, want %v", have, want)
	}
	for _, s := range Settings() {
		if got.Config[s.Name] != s.Default {
			t.Errorf("_config.%s is %v, its default is %v", s.Name, got.Config[s.Name], s.Default)
		}
	}
}

// Settings reach the rules.
func TestJsonnetSettings(t *testing.T) {
	var got struct{ Rules, Alerts Ruleset }
	evaluate(t, `local m = (import 'mixin.libsonnet') + {_config+:: {
			agentSelector: 'job="a\\b"', errorRatio: 0.2, alertLabels: {team: 'net'}, disabledAlerts: ['FathomQueueing'],
			objectives: [{namespace: 'shop', workload: 'payments', objective: 0.99}, {workload: 'nginx.service', objective: 0.9}],
		}};
		{Rules: m.prometheusRules, Alerts: m.prometheusAlerts}`, &got)
	want := []Rule{
		{Record: "http_requests_objective", Expr: "vector(0.99)", Labels: map[string]string{"namespace": "shop", "workload": "payments"}},
		{Record: "http_requests_objective", Expr: "vector(0.9)", Labels: map[string]string{"workload": "nginx.service"}},
	}
	if diff := cmp.Diff(want, got.Rules.Groups[0].Rules); diff != "" {
		t.Error(diff)
	}
	found := 0
	for _, g := range got.Alerts.Groups {
		for _, r := range g.Rules {
			if r.Labels["team"] != "net" || r.Labels["severity"] == "" {
				t.Errorf("%s: labels %v", r.Alert, r.Labels)
			}
			switch r.Alert {
			case "FathomQueueing":
				t.Error("a disabled alert is there")
			case "FathomHighErrorRatio":
				found++
				if !strings.Contains(r.Expr, "> 0.2") {
					t.Error(r.Expr)
				}
			case "FathomAgentDown":
				found++
				if !strings.Contains(r.Expr, `up{job="a\b"} == 0`) {
					t.Error(r.Expr)
				}
			}
		}
	}
	if found != 2 {
		t.Errorf("%d of 2 alerts", found)
	}
}

func readRules(t *testing.T, name string) (set Ruleset) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &set); err != nil {
		t.Fatal(err)
	}
	return set
}

// Every setting is used, and every @NAME@ is a setting.
func TestSettings(t *testing.T) {
	text, err := json.Marshal([]Ruleset{recordings(), alerts()})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range Settings() {
		if !strings.Contains(string(text), "@"+s.Name+"@") {
			t.Errorf("%s is not used", s.Name)
		}
	}
	filled, err := fill(string(text), defaults())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(filled, "@") {
		t.Errorf("not filled: %s", filled)
	}
}

// Every alert has what people need who are woken by it, and every page about one is of an alert.
func TestAlerts(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join(root, "docs/runbooks/Fathom*.md"))
	if err != nil {
		t.Fatal(err)
	}
	known := make(map[string]bool)
	for _, group := range alerts().Groups {
		for _, r := range group.Rules {
			known[r.Alert] = true
			if r.For == "" || r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
				t.Errorf("%s lacks something: %+v", r.Alert, r)
			}
			if !slices.Contains([]string{"info", "warning", "critical"}, r.Labels["severity"]) {
				t.Errorf("%s: severity %q", r.Alert, r.Labels["severity"])
			}
			page, err := os.ReadFile(filepath.Join(root, "docs/runbooks", r.Alert+".md"))
			if err != nil {
				t.Error(err)
				continue
			}
			for _, part := range []string{"# " + r.Alert, "## What it means", "## Confirm", "## Usual causes", "## What to do", "## Silence or tune", "```promql\n"} {
				if !strings.Contains(string(page), part) {
					t.Errorf("the runbook of %s has no %q", r.Alert, part)
				}
			}
			for _, s := range Settings() {
				uses := strings.Contains(r.Expr, "@"+s.Name+"@") && s.Name != "agentSelector"
				if uses && !strings.Contains(string(page), "`"+s.Name+"`") {
					t.Errorf("the runbook of %s does not tell of the setting %s", r.Alert, s.Name)
				}
			}
		}
	}
	for _, page := range pages {
		if !known[strings.TrimSuffix(filepath.Base(page), ".md")] {
			t.Errorf("%s is about no alert", page)
		}
	}
}
