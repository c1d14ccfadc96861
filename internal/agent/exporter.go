package agent

import (
	"fmt"
	"net/http"

	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/internal/metrics"
	"github.com/fathomhq/fathom/internal/workload"
)

// newExporter returns what answers /metrics: what the kernel side counted, with the names of
// the workloads, and what the agent itself takes.
func newExporter(k *kernel.Kernel, o Options) (http.Handler, error) {
	resolver, err := workload.NewResolver(workload.Options{})
	if err != nil {
		return nil, fmt.Errorf("name workloads: %w", err)
	}
	return metrics.New(k, resolver, metrics.Options{
		Buckets:  o.Config.Buckets,
		Grace:    o.Config.GracePeriod,
		Version:  o.Version,
		Revision: o.Commit,
		Extra:    metrics.SelfRegistry(),
		Logger:   o.Logger,
	})
}
