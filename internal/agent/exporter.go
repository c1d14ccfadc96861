package agent

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/internal/metrics"
	"github.com/fathomhq/fathom/internal/workload"
)

// newExporter returns what answers /metrics: what the kernel side counted, with the names of
// the workloads, and what the agent itself takes. The cluster may be nil.
func newExporter(k *kernel.Kernel, in *cluster, o Options, extra prometheus.Gatherer) (*metrics.Exporter, error) {
	c := o.Config
	workloads := workload.Options{OwnPod: c.PodUID, Shown: shown(c)}
	show := metrics.Options{
		Buckets:             c.Buckets,
		Grace:               c.GracePeriod,
		MaxPeersPerWorkload: KernelOptions(c, nil).MaxPeersPerWorkload,
		Version:             o.Version,
		Revision:            o.Commit,
		Extra:               extra,
		Logger:              o.Logger,
	}
	if in != nil {
		workloads.Pods = namer{in.pods, c.PodLabels, c.PodAnnotations}
		show.Peers, show.Node, show.Chosen = in.peers, in.node, chosenLabels(c)
	}
	if c.CgroupRoot != "" {
		root, err := workload.CgroupRootBelow(c.CgroupRoot)
		if err != nil {
			return nil, err
		}
		workloads.CgroupRoot = root
	}
	resolver, err := workload.NewResolver(workloads)
	if err != nil {
		return nil, fmt.Errorf("name workloads: %w", err)
	}
	return metrics.New(k, resolver, show)
}
