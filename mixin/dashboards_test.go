package mixin

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// board is a dashboard as Grafana reads it, as far as it matters here.
type board struct {
	UID, Title, Description string
	SchemaVersion           int
	Tags                    []string
	Panels                  []boardPanel
	Templating              struct{ List []variable }
	Links                   []struct{ Type string }
}

type boardPanel struct {
	ID                       int
	Type, Title, Description string
	Datasource               ref
	GridPos                  struct{ X, Y, W, H int }
	Targets                  []struct {
		Expr, RefID, Format, LegendFormat string
		Instant, Range                    bool
		Datasource                        ref
	}
	FieldConfig struct {
		Defaults struct{ Unit string }
	}
}

type ref struct{ Type, UID string }

type variable struct {
	Name, Type, Description string
	Query                   any
	Datasource              ref
	Multi, IncludeAll       bool
	AllValue                string
}

// The dashboards are what Grafana expects, as far as that can be told without it.
func TestDashboards(t *testing.T) {
	plugins.RegisterDefaultPlugins()
	names, err := filepath.Glob("dashboards/*.json")
	if err != nil || len(names) != 3 {
		t.Fatalf("%v: %v", names, err)
	}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			var b board
			if err := json.Unmarshal(text, &b); err != nil {
				t.Fatal(err)
			}
			if b.UID+".json" != filepath.Base(name) || b.Title == "" || b.Description == "" || b.SchemaVersion < 36 || len(b.Links) == 0 {
				t.Errorf("%+v", b)
			}
			// Grafana's own schema, from which the SDK is generated, knows all fields.
			if err := new(dashboard.Dashboard).UnmarshalJSONStrict(text); err != nil {
				t.Error(err)
			}
			checkVariables(t, b, string(text))
			checkPanels(t, b)
			if regexp.MustCompile(`(?i)\bcluster\b *(=|!)`).Match(text) {
				t.Error("a label cluster is asked for, which few have")
			}
		})
	}
}

func checkVariables(t *testing.T, b board, text string) {
	t.Helper()
	if v := b.Templating.List[0]; v.Name != "datasource" || v.Type != "datasource" || v.Query != "prometheus" {
		t.Errorf("the first variable is %+v", v)
	}
	for _, v := range b.Templating.List {
		if v.Description == "" {
			t.Errorf("variable %s has no description", v.Name)
		}
		if v.Type == "query" && v.Datasource != (ref{"prometheus", "${datasource}"}) {
			t.Errorf("variable %s has the data source %v", v.Name, v.Datasource)
		}
		if v.IncludeAll && v.AllValue != ".*" {
			t.Errorf("variable %s: All is %q, which leaves out series without the label", v.Name, v.AllValue)
		}
		if v.Name != "datasource" && !strings.Contains(text, "$"+v.Name) {
			t.Errorf("variable %s is not used", v.Name)
		}
	}
}

func checkPanels(t *testing.T, b board) {
	t.Helper()
	ids, titles := make(map[int]bool), make(map[string]bool)
	taken := make(map[[2]int]string)
	queries, row := 0, ""
	for _, p := range b.Panels {
		if p.ID == 0 || ids[p.ID] {
			t.Errorf("%s: id %d again", p.Title, p.ID)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other, ok := taken[[2]int{x, y}]; ok {
					t.Fatalf("%s overlaps %s", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.GridPos.X+p.GridPos.W > 24 || p.GridPos.W == 0 || p.GridPos.H == 0 {
			t.Errorf("%s: at %+v", p.Title, p.GridPos)
		}
		if p.Type == "row" {
			row = p.Title
			continue
		}
		if titles[row+p.Title] || p.Title == "" || len(p.Description) < 20 {
			t.Errorf("%q: twice in its row, or not described: %q", p.Title, p.Description)
		}
		titles[row+p.Title] = true
		if p.Datasource != (ref{"prometheus", "${datasource}"}) {
			t.Errorf("%s has the data source %v", p.Title, p.Datasource)
		}
		if p.Type != "table" && p.Type != "heatmap" && p.FieldConfig.Defaults.Unit == "" {
			t.Errorf("%s has no unit", p.Title)
		}
		refs := make(map[string]bool)
		for _, q := range p.Targets {
			queries++
			if refs[q.RefID] || q.RefID == "" || q.Expr == "" || q.Datasource != p.Datasource {
				t.Errorf("%s: query %+v", p.Title, q)
			}
			refs[q.RefID] = true
			if (p.Type == "table") != (q.Format == "table" && q.Instant) || q.Instant == q.Range {
				t.Errorf("%s: a %s asks for %s, instant %v", p.Title, p.Type, q.Format, q.Instant)
			}
			if strings.Contains(q.Expr, "rate(") && !strings.Contains(q.Expr, "[$__rate_interval]") {
				t.Errorf("%s: a rate over another time than Grafana's: %s", p.Title, q.Expr)
			}
			if hasWorkloadMetric.MatchString(q.Expr) && !strings.Contains(q.Expr, fathoms) && !strings.Contains(q.Expr, "fathom_") {
				t.Errorf("%s also shows metrics of applications that have the same name: %s", p.Title, q.Expr)
			}
		}
		if len(p.Targets) == 0 {
			t.Errorf("%s asks nothing", p.Title)
		}
	}
	t.Logf("%d panels, %d queries", len(ids), queries)
}

var hasWorkloadMetric = regexp.MustCompile(`\b(http|tcp|db|rpc)_[a-z_]+\{`)
