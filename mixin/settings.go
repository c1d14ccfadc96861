package mixin

import (
	"encoding/json"
	"fmt"
	"strings"
)

// A Setting is a number or a text in the rules that users change: in the chart's values under prometheusRule.settings,
// or in _config of mixin.libsonnet. In the rules it stands as @NAME@.
type Setting struct {
	Name string
	// Default is a float64 or a string.
	Default any
	// What says what it is, and why it has this value.
	What string
}

// Settings are all settings of the rules.
func Settings() []Setting {
	return []Setting{
		{"runbookURL", "https://github.com/fathomhq/fathom/blob/main/docs/runbooks", "Where the runbooks are; alerts append the name of their page."},
		{"agentSelector", `job=~".*fathom.*"`, "Selects the targets of Fathom in `up`. Change it where their job is called otherwise."},
		{"minimumRequestRate", 0.5, "Requests per second that a workload has to serve for alerts about a share of them: of 150 requests in 5 minutes, 5 % are 8. One failure of three is none."},
		{"errorRatio", 0.05, "Share of requests answered with 5xx or reset by the server, and of gRPC calls with an error of the server. A workload that has an objective is better watched by its error budget; this catches the others."},
		{"latencyFactor", 1.5, "How many times as long requests take as at the same time last week. Days differ from week to week by some 10 to 30 %, this is beyond."},
		{"latencySeconds", 0.02, "By how much longer they have to take, in seconds. Half a millisecond more is no news, though it may be twice as long."},
		{"queueRatio", 0.5, "Share of the time of requests that they wait unread in the socket. From a half on a request waits longer than it is worked on."},
		{"queueSeconds", 0.01, "Seconds that they have to wait on average. To wake a process takes a fraction of a millisecond, which may be half of a short request."},
		{"retransmitRatio", 0.01, "Share of TCP segments sent again. At 1 %, one in ten responses of ten segments is late by a round trip or by a timer of 200 ms; networks that are well have below 0.1 %."},
		{"minimumSegmentRate", 10.0, "Segments per second that have to be sent to a peer for this: 1 % of 10 are 60 in 10 minutes."},
		{"connectFailureRatio", 0.05, "Share of attempts to connect that fail."},
		{"minimumConnectFailureRate", 0.1, "Failures per second that there have to be: 60 in 10 minutes. A deployment that replaces one pod makes fewer."},
		{"sloObjective", 0.999, "Share of requests that must not be answered with 5xx or reset by the server, and of gRPC calls that must not end with an error of the server, over 30 days: the objective of workloads that have none of their own. 0 means none."},
		{"lostRatio", 0.01, "Share of the requests on a node that Fathom may fail to count."},
		{"minimumLostRate", 0.1, "Losses per second that there have to be. Some are normal when an agent starts."},
		{"opaqueRatio", 0.5, "Share of a workload's bytes in TLS or another class that may be HTTP and is not read."},
		{"minimumOpaqueRate", 10000.0, "Bytes per second that a workload has to carry for this."},
	}
}

// fill puts values into a text in JSON.
func fill(text string, values map[string]any) (string, error) {
	for name, value := range values {
		encoded, err := json.Marshal(fmt.Sprint(value))
		if err != nil {
			return "", err
		}
		text = strings.ReplaceAll(text, "@"+name+"@", string(encoded[1:len(encoded)-1]))
	}
	return text, nil
}

// defaults are the values of the settings that users have not changed.
func defaults() map[string]any {
	values := make(map[string]any)
	for _, s := range Settings() {
		values[s.Name] = s.Default
	}
	return values
}

// SettingsTable lists the settings in Markdown.
func SettingsTable() string {
	var b strings.Builder
	b.WriteString("| setting | default | what it is |\n|---|---|---|\n")
	for _, s := range Settings() {
		fmt.Fprintf(&b, "| `%s` | `%v` | %s |\n", s.Name, s.Default, s.What)
	}
	return b.String()
}
