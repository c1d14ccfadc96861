// Fathom's mixin, by the usual convention (https://monitoring.mixins.dev): grafanaDashboards, prometheusRules and
// prometheusAlerts, set by _config. All of them are made by `make generate`; this file only fills in settings.
{
  _config+:: {
    // The settings of README.md, by their names. What is not here has its default.
    runbookURL: 'https://github.com/fathomhq/fathom/blob/main/docs/runbooks',
    agentSelector: 'job=~".*fathom.*"',
    minimumRequestRate: 0.5,
    errorRatio: 0.05,
    latencyFactor: 1.5,
    latencySeconds: 0.02,
    queueRatio: 0.5,
    queueSeconds: 0.01,
    retransmitRatio: 0.01,
    minimumSegmentRate: 10,
    connectFailureRatio: 0.05,
    minimumConnectFailureRate: 0.1,
    sloObjective: 0.999,
    lostRatio: 0.01,
    minimumLostRate: 0.1,
    opaqueRatio: 0.5,
    minimumOpaqueRate: 10000,

    // Objectives of single workloads: [{ namespace: 'shop', workload: 'payments', objective: 0.99 }].
    objectives: [],
    // Labels for all alerts.
    alertLabels: {},
    // Names of alerts to leave out.
    disabledAlerts: [],
  },

  local config = $._config,

  // show writes a setting as people do: 0.05, not 0.050000000000000003.
  local show(value) = if std.isNumber(value) then '%.12g' % value else value,

  // fill puts settings into a text in JSON and parses it.
  local fill(text) = std.parseJson(std.foldl(
    function(t, name)
      local quoted = std.escapeStringJson(show(config[name]));
      std.strReplace(t, '@' + name + '@', quoted[1:std.length(quoted) - 1]),
    [name for name in std.objectFields(config) if !std.isArray(config[name]) && !std.isObject(config[name])],
    text
  )),

  grafanaDashboards+:: {
    'fathom-overview.json': import 'dashboards/fathom-overview.json',
    'fathom-workload.json': import 'dashboards/fathom-workload.json',
    'fathom-agents.json': import 'dashboards/fathom-agents.json',
  },

  prometheusRules+:: {
    groups+: (
      if std.length(config.objectives) == 0 then [] else [{
        name: 'fathom.objectives',
        rules: [
          {
            record: 'http_requests_objective',
            expr: 'vector(%s)' % show(o.objective),
            labels: { [name]: o[name] for name in ['namespace', 'workload'] if std.objectHas(o, name) },
          }
          for o in config.objectives
        ],
      }]
    ) + fill(importstr 'rules.json').groups,
  },

  prometheusAlerts+:: {
    groups+: [
      group {
        rules: [
          rule { labels+: config.alertLabels }
          for rule in group.rules
          if !std.member(config.disabledAlerts, rule.alert)
        ],
      }
      for group in fill(importstr 'alerts.json').groups
    ],
  },
}
