package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fathomhq/fathom/mixin"
)

// The chart's settings of rules are the mixin's, with its defaults and its words.
func TestRuleSettings(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(root, valuesFile))
	if err != nil {
		t.Fatal(err)
	}
	values, err := readValues(data)
	if err != nil {
		t.Fatal(err)
	}
	const prefix = "prometheusRule.settings."
	var got, want []value
	for _, v := range values {
		if strings.HasPrefix(v.path, prefix) {
			var plain any
			if err := yaml.Unmarshal([]byte(v.text), &plain); err != nil {
				t.Fatal(err)
			}
			v.text = fmt.Sprint(plain)
			got = append(got, v)
		}
	}
	for _, s := range mixin.Settings() {
		want = append(want, value{prefix + s.Name, fmt.Sprint(s.Default), s.What})
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(value{})); diff != "" {
		t.Error(diff)
	}
}

// rulesOf returns the groups of the PrometheusRule.
func rulesOf(t *testing.T, all objects) (set mixin.Ruleset) {
	t.Helper()
	object := one[*unstructured.Unstructured](t, all, "fathom")
	if kind := object.GetKind(); kind != "PrometheusRule" {
		t.Fatalf("a %s", kind)
	}
	text, err := json.Marshal(object.Object["spec"])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &set); err != nil {
		t.Fatal(err)
	}
	return set
}

// With its defaults the chart installs the rules and dashboards that are used by hand; without being asked, none.
func TestMixin(t *testing.T) {
	for name := range get[*unstructured.Unstructured](mustRender(t, "")) {
		t.Errorf("%s is installed without being asked for", name)
	}
	all := mustRender(t, "{dashboards: {enabled: true}, prometheusRule: {enabled: true}}")
	var want mixin.Ruleset
	for _, name := range []string{"fathom-rules.yaml", "fathom-alerts.yaml"} {
		text, err := os.ReadFile(filepath.Join(root, "mixin", name))
		if err != nil {
			t.Fatal(err)
		}
		var set mixin.Ruleset
		if err := yaml.Unmarshal(text, &set); err != nil {
			t.Fatal(err)
		}
		want.Groups = append(want.Groups, set.Groups...)
	}
	if diff := cmp.Diff(want, rulesOf(t, all)); diff != "" {
		t.Error(diff)
	}
	files, err := filepath.Glob(filepath.Join(root, "mixin/dashboards/*.json"))
	if err != nil || len(files) != 3 {
		t.Fatalf("%v: %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found := one[*corev1.ConfigMap](t, all, strings.TrimSuffix(filepath.Base(file), ".json")+"-dashboard")
		if found.Labels["grafana_dashboard"] != "1" || found.Namespace != namespace {
			t.Errorf("%s: %v", found.Name, found.ObjectMeta)
		}
		var want, got any
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(found.Data[filepath.Base(file)]), &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s:\n%s", file, diff)
		}
	}
}

// Values reach rules and dashboards.
func TestMixinValues(t *testing.T) {
	all := mustRender(t, `
dashboards: {enabled: true, namespace: grafana, labels: {board: "yes"}, annotations: {grafana_folder: Fathom}}
prometheusRule:
  enabled: true
  labels: {release: prometheus}
  alertLabels: {team: net, severity: page}
  disabledAlerts: [FathomQueueing]
  objectives: [{namespace: shop, workload: payments, objective: 0.99}]
  settings: {errorRatio: 0.25, agentSelector: 'job="a<b\\"', minimumOpaqueRate: 2000000}
`)
	board := one[*corev1.ConfigMap](t, all, "fathom-overview-dashboard")
	if board.Namespace != "grafana" || board.Labels["board"] != "yes" || board.Annotations["grafana_folder"] != "Fathom" {
		t.Errorf("%v", board.ObjectMeta)
	}
	if l := one[*unstructured.Unstructured](t, all, "fathom").GetLabels(); l["release"] != "prometheus" {
		t.Errorf("labels %v", l)
	}
	set := rulesOf(t, all)
	objective := mixin.Rule{Record: "http_requests_objective", Expr: "vector(0.99)", Labels: map[string]string{"namespace": "shop", "workload": "payments"}}
	if diff := cmp.Diff(objective, set.Groups[0].Rules[0]); diff != "" {
		t.Error(diff)
	}
	exprs := make(map[string]string)
	for _, g := range set.Groups {
		for _, r := range g.Rules {
			if r.Alert == "" {
				continue
			}
			exprs[r.Alert] = r.Expr
			if r.Labels["team"] != "net" || r.Labels["severity"] != "page" {
				t.Errorf("%s has the labels %v", r.Alert, r.Labels)
			}
		}
	}
	if exprs["FathomQueueing"] != "" {
		t.Error("a disabled alert is there")
	}
	for alert, part := range map[string]string{
		"FathomHighErrorRatio": "> 0.25\n", "FathomAgentDown": `up{job="a<b\\"} == 0`, "FathomWorkloadOpaque": "> 2e+06",
	} {
		if !strings.Contains(exprs[alert], part) {
			t.Errorf("%s: %s", alert, exprs[alert])
		}
	}
}
