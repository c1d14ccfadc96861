// Operatorconfig writes the configuration that the Prometheus operator makes of PodMonitors and ServiceMonitors, by the
// operator's own code:
//
//	helm template fathom deploy/helm/fathom --namespace fathom --set podMonitor.enabled=true |
//	    operatorconfig -interval 2s >prometheus.yml
//
// What else it reads it leaves out. It fails where the operator would reject a monitor, or the API server one of its fields.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/prometheus-operator/prometheus-operator/pkg/assets"
	"github.com/prometheus-operator/prometheus-operator/pkg/operator"
	"github.com/prometheus-operator/prometheus-operator/pkg/prometheus"
	metrics "github.com/prometheus/client_golang/prometheus"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	kube "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	"sigs.k8s.io/yaml"
)

// options are what a Prometheus object would say.
type options struct {
	interval string
	slices   bool
}

// monitors are what the operator would find in a namespace.
type monitors struct {
	pod     []*monitoring.PodMonitor
	service []*monitoring.ServiceMonitor
}

func main() {
	var o options
	flag.StringVar(&o.interval, "interval", "30s", "scrapeInterval of the Prometheus object")
	flag.BoolVar(&o.slices, "endpoint-slices", false, "serviceDiscoveryRole EndpointSlice instead of Endpoints")
	flag.Parse()
	if err := run(o, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "operatorconfig:", err)
		os.Exit(1)
	}
}

func run(o options, in io.Reader, out io.Writer) error {
	found, err := read(in)
	if err != nil {
		return err
	}
	config, err := generate(o, found)
	if err != nil {
		return err
	}
	// As the operator's config reloader fills in its environment beside Prometheus.
	_, err = strings.NewReplacer("$(SHARD)", "0", "$(POD_NAME)", "prometheus-0").WriteString(out, string(config))
	return err
}

// read decodes the monitors among the manifests.
func read(in io.Reader) (found monitors, err error) {
	for documents := kube.NewYAMLReader(bufio.NewReader(in)); ; {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return found, err
		}
		var kind meta.TypeMeta
		if err := yaml.Unmarshal(document, &kind); err != nil {
			return found, err
		}
		if kind.APIVersion != monitoring.SchemeGroupVersion.String() {
			continue
		}
		switch kind.Kind {
		case monitoring.PodMonitorsKind:
			found.pod, err = add(found.pod, document)
		case monitoring.ServiceMonitorsKind:
			found.service, err = add(found.service, document)
		}
		if err != nil {
			return found, fmt.Errorf("%s: %w", kind.Kind, err)
		}
	}
}

// add decodes as an API server does that refuses unknown and repeated fields.
func add[T any](all []*T, document []byte) ([]*T, error) {
	monitor := new(T)
	return append(all, monitor), yaml.UnmarshalStrict(document, monitor)
}

// generate does what the operator does for a Prometheus object that selects all monitors of its namespace
// (createOrUpdateConfigurationSecret in pkg/prometheus/server/operator.go).
func generate(o options, found monitors) ([]byte, error) {
	all := &meta.LabelSelector{}
	role := monitoring.EndpointsRole
	var generator []prometheus.ConfigGeneratorOption
	if o.slices {
		role = monitoring.EndpointSliceRole
		generator = append(generator, prometheus.WithEndpointSliceSupport())
	}
	p := &monitoring.Prometheus{
		ObjectMeta: meta.ObjectMeta{Name: "prometheus", Namespace: found.namespace()},
		Spec: monitoring.PrometheusSpec{
			CommonPrometheusFields: monitoring.CommonPrometheusFields{
				ScrapeInterval:       monitoring.Duration(o.interval),
				ServiceDiscoveryRole: &role,
				PodMonitorSelector:   all, ServiceMonitorSelector: all,
			},
			EvaluationInterval: monitoring.Duration(o.interval),
		},
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	store := assets.NewTestStoreBuilder() // no secrets
	selector, err := prometheus.NewResourceSelector(log, p, store, nil,
		operator.NewMetrics(metrics.NewRegistry()), record.NewFakeRecorder(100))
	if err != nil {
		return nil, err
	}
	pods, err := selector.SelectPodMonitors(context.Background(), list(found.pod))
	if err != nil {
		return nil, err
	}
	services, err := selector.SelectServiceMonitors(context.Background(), list(found.service))
	if err != nil {
		return nil, err
	}
	valid := len(pods.ValidResources()) + len(services.ValidResources())
	if given := len(found.pod) + len(found.service); given == 0 || valid < given {
		return nil, fmt.Errorf("the operator takes %d of %d monitors", valid, given)
	}
	g, err := prometheus.NewConfigGenerator(log, p, generator...)
	if err != nil {
		return nil, err
	}
	return g.GenerateServerConfiguration(p, services.ValidResources(), pods.ValidResources(), nil, nil, store, nil, nil, nil, nil)
}

// namespace is that of the first monitor.
func (m monitors) namespace() string {
	for _, monitor := range m.pod {
		return monitor.Namespace
	}
	for _, monitor := range m.service {
		return monitor.Namespace
	}
	return ""
}

// list stands for the operator's cache of the cluster's objects.
func list[T meta.Object](monitors []T) prometheus.ListAllByNamespaceFn {
	return func(namespace string, selector labels.Selector, appendTo cache.AppendFunc) error {
		for _, m := range monitors {
			if m.GetNamespace() == namespace && selector.Matches(labels.Set(m.GetLabels())) {
				appendTo(m)
			}
		}
		return nil
	}
}
