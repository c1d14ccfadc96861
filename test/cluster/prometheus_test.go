package cluster

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A real Prometheus finds Fathom with the configuration of the documentation, and with those that the operator makes of the
// chart's monitors: all give the same labels, and the queries of the README name the services.
func TestPrometheus(t *testing.T) {
	c := chain{newCluster(t)}
	back := c.deploy(workload{name: "back", replicas: 2})
	middle := c.deploy(workload{name: "middle", replicas: 2, next: back})
	c.deploy(workload{name: "front", replicas: 2, next: middle, add: []corev1.Capability{"NET_ADMIN"}}) // by which it loses packets
	var servers []prometheus
	for _, configuration := range c.configurations() {
		servers = append(servers, c.prometheus(configuration))
	}
	for _, p := range servers {
		c.eventually(p.name+": targets", p.targets)
	}
	c.loadAll("n=1500&connections=4&pause=20ms&loss=2")
	for _, pod := range c.pods(c.namespace, "app=front") {
		if did := must(c.truth(pod)); did.Failed > 0 || did.Made == 0 {
			t.Fatalf("%s: %+v; its log says why", pod.Name, did)
		}
	}
	for _, p := range servers {
		c.eventually(p.name+": counts", func() string { return p.counts(c, "%s_count{%s}") })
	}
	native := servers[len(servers)-1]
	c.eventually("native counts", func() string { return native.counts(c, "histogram_count(%s{%s})") })

	for name, of := range map[string]string{
		"the services": fmt.Sprintf(`{namespace=%q, workload=~"front|middle|back", __name__!~"http_.+_seconds"}`, c.namespace), // none has a native form
		"Fathom":       `{__name__=~"fathom_.+", workload=""}`,
	} {
		c.eventually("labels of "+name, func() string { return sameLabels(servers, of) })
	}
	queries := c.printedQueries()
	for _, p := range servers {
		p.checkLabels()
		for _, q := range queries {
			c.eventually(p.name+": "+q, func() string { return p.named(q) })
		}
	}
	c.eventually("native histograms", func() string { return native.named(c.nativeQuery()) })
}

// ask asks the server's API.
func (p prometheus) ask(path string, params map[string]string, answer any) error {
	raw, err := p.api.CoreV1().Pods(p.namespace).ProxyGet("http", p.pod.Name, fmt.Sprint(prometheusPort), path, params).DoRaw(p.Context())
	if err != nil {
		return fmt.Errorf("%s: %w: %s", path, err, raw)
	}
	return json.Unmarshal(raw, &struct{ Data any }{answer})
}

// query returns the series of an instant vector, each with its value; of a native histogram that is 0.
func (p prometheus) query(expression string) (all scraped, err error) {
	var answer struct {
		Result []struct {
			Metric map[string]string
			Value  []any // time and text
		}
	}
	if err := p.ask("api/v1/query", map[string]string{"query": expression}, &answer); err != nil {
		return nil, err
	}
	for _, r := range answer.Result {
		s := &sample{name: r.Metric["__name__"], labels: r.Metric}
		if len(r.Value) == 2 {
			text, _ := r.Value[1].(string)
			if s.value, err = strconv.ParseFloat(text, 64); err != nil {
				return nil, err
			}
		}
		all = append(all, s)
	}
	return all, nil
}

// targets tells what is wrong with the targets: they have to be Fathom's pods, with an agent on each node, and up.
func (p prometheus) targets() string {
	up, err := p.query("up")
	if err != nil {
		return err.Error()
	}
	nodes := map[string]int{}
	for _, node := range must(p.api.CoreV1().Nodes().List(p.Context(), metav1.ListOptions{LabelSelector: "kubernetes.io/os=linux"})).Items {
		nodes[node.Name] = 1
	}
	want, got, agents := map[string]float64{}, map[string]float64{}, map[string]int{}
	for _, pod := range p.pods(p.fathom, "app.kubernetes.io/name=fathom") {
		want[pod.Name] = 1
	}
	for _, s := range up {
		got[s.labels["pod"]] += s.value
		if s.labels["container"] == "agent" {
			agents[s.labels["node"]]++
		}
	}
	return gocmp.Diff(want, got) + gocmp.Diff(nodes, agents)
}

// counts compares what is stored with what the services did. The format is of an expression: a metric's name and its selectors.
func (p prometheus) counts(c chain, format string) (wrong string) {
	stored := func(metric, of string) int64 {
		vector, err := p.query("sum(" + fmt.Sprintf(format, metric, of) + ")")
		if err != nil || len(vector) != 1 {
			wrong += fmt.Sprintf("\n  %s of %s: %d values, %v", metric, of, len(vector), err)
			return 0
		}
		return int64(vector[0].value)
	}
	made := map[string]int64{}
	for _, name := range []string{"front", "middle", "back"} {
		for _, pod := range c.pods(c.namespace, "app="+name) {
			did, err := c.truth(pod)
			if err != nil {
				return err.Error()
			}
			made[name] += did.Made
			if did.Served > 0 {
				of := fmt.Sprintf(`namespace=%q,workload=%q,workload_kind="Deployment",pod=%q,container="service",node=%q,method="GET",status="200"`,
					c.namespace, name, pod.Name, pod.Spec.NodeName)
				wrong += equal(pod.Name+" served", stored(servedName, of), did.Served)
			}
		}
	}
	for _, pair := range calls {
		of := fmt.Sprintf(`namespace=%q,workload=%q,peer_namespace=%q,peer_workload=%q,peer_service=%q,method="GET",status="200"`,
			c.namespace, pair.from, c.namespace, pair.to, pair.to)
		wrong += equal(pair.from+" asked "+pair.to, stored(madeName, of), made[pair.from])
	}
	return wrong
}

// sameLabels compares the series that a selector finds in all servers.
func sameLabels(servers []prometheus, selector string) string {
	var first []string
	for i, p := range servers {
		vector, err := p.query(selector)
		if err != nil {
			return err.Error()
		}
		series, err := p.series(vector)
		switch {
		case err != nil:
			return err.Error()
		case len(series) == 0:
			return p.name + " has no series"
		case i == 0:
			first = series
		default:
			if diff := gocmp.Diff(first, series); diff != "" {
				return fmt.Sprintf("%s differs from %s:\n%s", p.name, servers[0].name, diff)
			}
		}
	}
	return ""
}

// series writes series as text, in order, without what tells the ways to find targets apart.
func (p prometheus) series(vector scraped) (all []string, err error) {
	for _, s := range vector {
		labels := maps.Clone(s.labels)
		for _, name := range p.adds {
			if labels[name] == "" {
				return nil, fmt.Errorf("%s: no label %s: %v", p.name, name, labels)
			}
			delete(labels, name)
		}
		delete(labels, "job")
		delete(labels, "instance")
		all = append(all, fmt.Sprint(labels)) // in order of the names
	}
	slices.Sort(all)
	return all, nil
}

// checkLabels looks for labels of targets that got in the way of those of metrics, or took their place.
func (p prometheus) checkLabels() {
	p.Helper()
	var names []string
	if err := p.ask("api/v1/labels", nil, &names); err != nil {
		p.Fatal(err)
	}
	for _, name := range names {
		if strings.HasPrefix(name, "exported_") {
			p.Errorf("%s: there is a label %s", p.name, name)
		}
	}
	outside := must(p.query(`{workload_kind=~"process|unit|user_unit", __name__!=""}`))
	if len(outside) == 0 {
		p.Errorf("%s: nothing outside of pods", p.name)
	}
	for _, s := range outside {
		if s.labels["namespace"]+s.labels["pod"]+s.labels["container"] != "" {
			p.Errorf("%s: what is no pod has a pod's labels: %v", p.name, s.labels)
			break
		}
	}
	p.Logf("%s: %d labels, %d series outside of pods", p.name, len(names), len(outside))
}

// printedQueries are all expressions that the README and the guide to Kubernetes have.
func (c *cluster) printedQueries() (all []string) {
	c.Helper()
	for _, name := range []string{"README.md", "docs/kubernetes.md"} {
		blocks := strings.Split(c.document(name), "```promql\n")[1:]
		if len(blocks) == 0 {
			c.Fatalf("no queries in %s", name)
		}
		for _, block := range blocks {
			text, _, _ := strings.Cut(block, "```")
			for query := range strings.SplitSeq(text, "\n\n") {
				all = append(all, strings.TrimSpace(query))
			}
		}
	}
	return all
}

// nativeQuery is the one that docs/running.md has for native histograms.
func (c *cluster) nativeQuery() string {
	c.Helper()
	const function = "histogram_quantile"
	return function + between(c.T, c.document("docs/running.md"), "\n    "+function, "\n")
}

// named tells what is wrong with the answer to a query: it has to name the test's services, those at both ends of a
// connection if it is about peers, and their values have to be numbers.
func (p prometheus) named(query string) string {
	vector, err := p.query(query)
	if err != nil {
		return err.Error()
	}
	want := map[string]bool{"middle": true, "back": true}
	if strings.Contains(query, "peer") {
		want = map[string]bool{"front to " + p.namespace + "/middle": true}
	}
	for _, s := range vector {
		name := s.labels["workload"]
		if namespace := s.labels["namespace"]; namespace != p.namespace && (namespace != "" || strings.Contains(query, "namespace")) {
			continue
		}
		if peer := cmp.Or(s.labels["peer_service"], s.labels["peer_workload"]); peer != "" {
			name += " to " + s.labels["peer_namespace"] + "/" + peer
		}
		if !want[name] {
			continue
		}
		delete(want, name)
		if math.IsNaN(s.value) || math.IsInf(s.value, 0) || s.value <= 0 {
			return fmt.Sprintf("%s: %g", name, s.value)
		}
		p.Logf("%s: %s: %.4g", p.name, name, s.value)
	}
	if len(want) > 0 {
		return fmt.Sprintf("of %d values none is of %v", len(vector), slices.Sorted(maps.Keys(want)))
	}
	return ""
}
