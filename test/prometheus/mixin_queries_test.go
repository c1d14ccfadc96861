package prometheus

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const root = "../.."

// question is a query of the mixin or of a document.
type question struct {
	where, expr string
	unit        string // of its values, if a panel says it
	overTime    bool   // asked for over a range of time, as graphs do
	alert       string // of which this is the expression
	variable    bool   // asks for the values of a dashboard's variable
	form        string // native or classic: has data where histograms are of this form
}

// dashboardQuestions are all queries of the dashboards, as Grafana has them, before it fills in variables.
func dashboardQuestions(t *testing.T) (all []question) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "mixin/dashboards/*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no dashboards: %v", err)
	}
	for _, file := range files {
		var board struct {
			Title  string
			Panels []struct {
				Title   string
				Type    string
				Targets []struct {
					Expr  string
					RefID string
					Range bool
				}
				FieldConfig struct {
					Defaults struct{ Unit string }
				}
			}
			Templating struct {
				List []struct{ Name, Type, Definition string }
			}
		}
		decode(t, file, &board)
		for _, v := range board.Templating.List {
			if v.Type == "query" {
				all = append(all, question{where: board.Title + ", variable " + v.Name, expr: v.Definition, variable: true})
			}
		}
		for _, p := range board.Panels {
			for _, q := range p.Targets {
				where := board.Title + ", " + p.Title + " " + q.RefID
				asked := question{where: where, expr: q.Expr, unit: p.FieldConfig.Defaults.Unit, overTime: q.Range}
				if p.Type == "heatmap" {
					asked.form = map[bool]string{true: "classic", false: "native"}[strings.Contains(q.Expr, "_bucket{")]
				}
				all = append(all, asked)
			}
		}
	}
	return all
}

// ruleFiles are the rules as they are used by hand.
var ruleFiles = []string{"mixin/fathom-rules.yaml", "mixin/fathom-alerts.yaml"}

// ruleQuestions are the expressions of all rules.
func ruleQuestions(t *testing.T) (all []question) {
	t.Helper()
	for _, file := range ruleFiles {
		for _, r := range readRules(t, file) {
			record, _ := r["record"].(string)
			alert, _ := r["alert"].(string)
			all = append(all, question{where: record + alert, expr: r["expr"].(string), alert: alert})
		}
	}
	return all
}

// readRules reads the rules of a file as they are.
func readRules(t *testing.T, file string) (all []map[string]any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	var set struct {
		Groups []struct{ Rules []map[string]any }
	}
	if err := yaml.Unmarshal(text, &set); err != nil {
		t.Fatal(err)
	}
	for _, g := range set.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

// documentQuestions are all queries in the documents.
func documentQuestions(t *testing.T) (all []question) {
	t.Helper()
	var files []string
	for _, pattern := range []string{"README.md", "mixin/README.md", "docs/*.md", "docs/runbooks/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range strings.Split(string(text), "```promql\n")[1:] {
			block, _, closed := strings.Cut(block, "```")
			if !closed {
				t.Errorf("%s: a block of queries without an end", file)
			}
			for query := range strings.SplitSeq(block, "\n\n") {
				all = append(all, question{where: strings.TrimPrefix(file, root+"/"), expr: strings.TrimSpace(query)})
			}
		}
	}
	return all
}

func decode(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// choice is what somebody has chosen in a dashboard. Grafana puts the value of All as it is, and several values as
// (one|another).
type choice struct{ namespace, workloads, workload string }

var labelValues = regexp.MustCompile(`^label_values\((.+), ([a-z_]+)\)$`)

// interpolate does what Grafana does with a query before it sends it.
func (q question) interpolate(c choice) string {
	expr := q.expr
	if q.variable {
		expr = labelValues.ReplaceAllString(expr, `count by ($2) ($1{$2!=""})`)
		expr = strings.ReplaceAll(expr, "}{", ",") // selectors of both
		expr = strings.ReplaceAll(expr, ",}", "}")
	}
	return strings.NewReplacer(
		"$__rate_interval", "1m", "$namespace", c.namespace, `=~"$workload"`, `=~"`+c.workloads+`"`, "$workload", c.workload, "$instance", ".*",
	).Replace(expr)
}
