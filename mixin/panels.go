package mixin

import (
	"fmt"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/heatmap"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// Dashboards have these identifiers; links use them.
const (
	overviewUID = "fathom-overview"
	workloadUID = "fathom-workload"
	agentsUID   = "fathom-agents"
)

// datasource is the data source that the user chooses in the dashboard.
func datasource() common.DataSourceRef {
	return common.DataSourceRef{Type: new("prometheus"), Uid: new("${datasource}")}
}

// query is one expression of a panel and the name of its series.
type query struct {
	expr, legend string
}

// panel is what a panel shows. The description says how to read it.
type panel struct {
	title, description, unit string
	queries                  []query
	width, height            uint32
	// draw makes the kind of panel.
	draw func(panel, uint32) cog.Builder[dashboard.Panel]
	// limit is where a value becomes bad, 0 if it never is.
	limit float64
	// columns are names and units of the values of a table, in the order of the queries.
	columns []column
	// stacked series add up to something.
	stacked bool
}

// column is a value of a table.
type column struct {
	name, unit string
	limit      float64
}

// page is a dashboard.
type page struct {
	*dashboard.DashboardBuilder
	id uint32 // of the last panel
}

// newPage begins a dashboard. Its links lead to the other two, with the time and the variables.
func newPage(uid, title, description string) *page {
	b := dashboard.NewDashboardBuilder(title).Uid(uid).Description(description).
		Tags([]string{"fathom"}).Timezone("browser").Time("now-1h", "now").Refresh("30s").Editable().
		Tooltip(dashboard.DashboardCursorSyncCrosshair).
		Link(dashboard.NewDashboardLinkBuilder("Fathom").Type(dashboard.DashboardLinkTypeDashboards).
			Tags([]string{"fathom"}).AsDropdown(false).IncludeVars(true).KeepTime(true)).
		Link(dashboard.NewDashboardLinkBuilder("Metrics").Type(dashboard.DashboardLinkTypeLink).Icon("doc").
			Tooltip("What each metric means").TargetBlank(true).
			Url("https://github.com/fathomhq/fathom/blob/main/docs/metrics.md")).
		WithVariable(dashboard.NewDatasourceVariableBuilder("datasource").Label("Data source").Type("prometheus").
			Description("The Prometheus that scrapes Fathom."))
	return &page{DashboardBuilder: b}
}

// choose adds a variable with the values of a label. Where many may be chosen, all are at first; where a series
// lacks the label, as namespaces on a host, it belongs to all.
func (p *page) choose(label, title, description, of string, many bool) {
	expr := fmt.Sprintf("label_values(%s, %s)", of, label)
	v := dashboard.NewQueryVariableBuilder(label).Label(title).Description(description).Datasource(datasource()).
		Query(dashboard.StringOrMap{Map: map[string]any{"qryType": 1, "query": expr, "refId": "PrometheusVariableQueryEditor-VariableQuery"}}).
		Definition(expr).Refresh(dashboard.VariableRefreshOnTimeRangeChanged).Sort(dashboard.VariableSortAlphabeticalAsc)
	if many {
		v = v.Multi(true).IncludeAll(true).AllValue(".*").Current(dashboard.VariableOption{
			Selected: new(true),
			Text:     dashboard.StringOrArrayOfString{ArrayOfString: []string{"All"}},
			Value:    dashboard.StringOrArrayOfString{ArrayOfString: []string{"$__all"}},
		})
	}
	p.WithVariable(v)
}

// row adds a row of panels.
func (p *page) row(title string, panels ...panel) {
	p.id++
	p.WithRow(dashboard.NewRowBuilder(title).Id(p.id))
	for _, one := range panels {
		p.id++
		p.WithPanel(one.draw(one, p.id))
	}
}

// target makes the query of a panel.
func target(q query, index int, format prometheus.PromQueryFormat) *prometheus.DataqueryBuilder {
	t := prometheus.NewDataqueryBuilder().Datasource(datasource()).Expr(q.expr).RefId(string(rune('A' + index))).
		LegendFormat(q.legend).EditorMode(prometheus.QueryEditorModeCode).Format(format)
	if format == prometheus.PromQueryFormatTable {
		return t.Instant()
	}
	return t.Range()
}

func targets(p panel, format prometheus.PromQueryFormat) (all []cog.Builder[variants.Dataquery]) {
	for i, q := range p.queries {
		all = append(all, target(q, i, format))
	}
	return all
}

// thresholds turn red from a limit on.
func thresholds(limit float64) *dashboard.ThresholdsConfigBuilder {
	steps := []dashboard.Threshold{{Color: "green"}}
	if limit > 0 {
		steps = append(steps, dashboard.Threshold{Color: "red", Value: &limit})
	}
	return dashboard.NewThresholdsConfigBuilder().Mode(dashboard.ThresholdsModeAbsolute).Steps(steps)
}

// lines draws values over time.
func lines(p panel, id uint32) cog.Builder[dashboard.Panel] {
	b := timeseries.NewPanelBuilder().Id(id).Title(p.title).Description(p.description).Datasource(datasource()).
		Targets(targets(p, prometheus.PromQueryFormatTimeSeries)).Unit(p.unit).Min(0).Span(p.width).Height(p.height).
		FillOpacity(8).ShowPoints(common.VisibilityModeAuto).Thresholds(thresholds(p.limit)).
		Legend(common.NewVizLegendOptionsBuilder().ShowLegend(true).DisplayMode(common.LegendDisplayModeList).Placement(common.LegendPlacementBottom)).
		Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeMulti).Sort(common.SortOrderDescending))
	if p.limit > 0 {
		b = b.ThresholdsStyle(common.NewGraphThresholdsStyleConfigBuilder().Mode(common.GraphThresholdsStyleModeDashed))
	}
	if p.stacked {
		b = b.FillOpacity(40).Stacking(common.NewStackingConfigBuilder().Mode(common.StackingModeNormal))
	}
	return b
}

// number shows the last value.
func number(p panel, id uint32) cog.Builder[dashboard.Panel] {
	color := common.BigValueColorModeNone
	if p.limit > 0 {
		color = common.BigValueColorModeValue
	}
	return stat.NewPanelBuilder().Id(id).Title(p.title).Description(p.description).Datasource(datasource()).
		Targets(targets(p, prometheus.PromQueryFormatTimeSeries)).Unit(p.unit).Span(p.width).Height(p.height).
		Thresholds(thresholds(p.limit)).ColorMode(color).GraphMode(common.BigValueGraphModeArea).
		ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"}))
}

// heat draws a histogram over time. Its two queries are the native form, which Grafana knows as such from 10.3 on,
// and the classic one, which is empty where there is a native one.
func heat(p panel, id uint32) cog.Builder[dashboard.Panel] {
	return heatmap.NewPanelBuilder().Id(id).Title(p.title).Description(p.description).Datasource(datasource()).
		Targets(targets(p, prometheus.PromQueryFormatHeatmap)).Span(p.width).Height(p.height).Calculate(false).
		Color(heatmap.NewHeatmapColorOptionsBuilder().Mode(heatmap.HeatmapColorModeScheme).Scheme("Oranges").
			Scale(heatmap.HeatmapColorScaleExponential).Exponent(0.5).Steps(64).Fill("dark-orange")).
		YAxis(heatmap.NewYAxisConfigBuilder().Unit(p.unit).AxisPlacement(common.AxisPlacementLeft)).
		CellGap(1).ShowLegend().CellValues(heatmap.NewCellValuesBuilder().Unit(units.RequestsPerSecond)).
		FilterValues(heatmap.NewFilterValueRangeBuilder().Le(1e-9)).
		Tooltip(heatmap.NewHeatmapTooltipBuilder().Mode(common.TooltipDisplayModeSingle).YHistogram(true).ShowColorScale(true))
}

// grid shows the last values of several queries, a row for each set of labels.
func grid(p panel, id uint32) cog.Builder[dashboard.Panel] {
	rename := map[string]string{
		"namespace": "Namespace", "workload": "Workload", "workload_kind": "Kind", "peer": "Address", "peer_namespace": "Peer's namespace",
		"peer_workload": "Peer's workload", "peer_service": "Service", "class": "Class", "reason": "Reason", "node": "Node", "instance": "Agent",
		"version": "Version", "revision": "Revision", "tap": "Tap", "mode": "Mode",
	}
	hide := map[string]bool{"Time": true}
	b := table.NewPanelBuilder().Id(id).Title(p.title).Description(p.description).Datasource(datasource()).
		Targets(targets(p, prometheus.PromQueryFormatTable)).Span(p.width).Height(p.height).Thresholds(thresholds(0)).Filterable(true).
		Footer(common.NewTableFooterOptionsBuilder().Show(false).Reducer([]string{}))
	for i, c := range p.columns {
		field := "Value"
		if len(p.columns) > 1 {
			field += " #" + string(rune('A'+i))
		}
		rename[field] = c.name
		properties := []dashboard.DynamicConfigValue{{Id: "unit", Value: c.unit}}
		if c.limit > 0 {
			limits, _ := thresholds(c.limit).Build()
			properties = append(properties,
				dashboard.DynamicConfigValue{Id: "thresholds", Value: limits},
				dashboard.DynamicConfigValue{Id: "custom.cellOptions", Value: map[string]any{"type": "color-text"}})
		}
		b = b.OverrideByName(c.name, properties)
	}
	if strings.HasPrefix(p.queries[0].expr, "label_replace(") {
		// Hidden, not left out: what is left out cannot be used in links.
		b = b.OverrideByName(linkLabel, []dashboard.DynamicConfigValue{{Id: "custom.hidden", Value: true}}).
			OverrideByName("Workload", []dashboard.DynamicConfigValue{{Id: "links", Value: []map[string]any{{
				"title": "Show this workload",
				"url": "/d/" + workloadUID + "?${datasource:queryparam}&var-namespace=${__data.fields." + linkLabel +
					"}&var-workload=${__data.fields.Workload}&${__url_time_range}",
			}}}})
	}
	return b.SortBy([]cog.Builder[common.TableSortByFieldState]{
		common.NewTableSortByFieldStateBuilder().DisplayName(p.columns[0].name).Desc(true),
	}).
		WithTransformation(dashboard.DataTransformerConfig{Id: "merge", Options: map[string]any{}}).
		WithTransformation(dashboard.DataTransformerConfig{Id: "organize", Options: map[string]any{"excludeByName": hide, "renameByName": rename}})
}

// linkLabel is a label that only links use: the value of the variable namespace that finds the workload again.
const linkLabel = "to"

// linked adds it: the namespace, or All on a host, where there is none.
func linked(expr string) string {
	return fmt.Sprintf(`label_replace(label_replace(%s, "%s", "$1", "namespace", "(.+)"), "%s", "All", "namespace", "")`, expr, linkLabel, linkLabel)
}
