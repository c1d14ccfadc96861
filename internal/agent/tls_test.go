package agent

import (
	"context"
	"io"
	"os"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/fathomhq/fathom/internal/tlslib"
	"github.com/fathomhq/fathom/internal/tlswatch"
)

// noProbes attaches nothing, and is never asked.
type noProbes struct{}

func (noProbes) Asked(ctx context.Context) (uint32, error) {
	<-ctx.Done()
	return 0, ctx.Err()
}
func (noProbes) Attach(string, tlslib.Library) (io.Closer, error) { return nil, os.ErrPermission }
func (noProbes) Tell(uint32, tlswatch.Process) error              { return nil }
func (noProbes) Forget(uint32) error                              { return nil }

// TestTLSReader is ready behind the first look at all processes, and says what it has found.
func TestTLSReader(t *testing.T) {
	var none *tlsReader
	if err := none.ready(); err != nil {
		t.Errorf("without TLS: %v", err)
	}
	none.wait(t.Context())

	proc := t.TempDir() // no process
	r := newReader(noProbes{}, tlswatch.Options{Proc: proc})
	if r.ready() == nil {
		t.Error("ready before it began")
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- r.Run(ctx) }()
	r.wait(ctx)
	if err := r.ready(); err != nil {
		t.Error(err)
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(r)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range problems {
		t.Errorf("%s: %s", problem.Metric, problem.Text)
	}
	var names []string
	for _, f := range families {
		names = append(names, f.GetName())
	}
	want := []string{"fathom_tls_inspected_files_total", "fathom_tls_lag_seconds", "fathom_tls_waiting_processes"} // of nothing
	if !slices.Equal(names, want) {
		t.Errorf("%q, want %q", names, want)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
