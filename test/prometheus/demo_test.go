package prometheus

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/fathomhq/fathom/internal/demo"
	"github.com/fathomhq/fathom/test/process"
)

// kindOfCall is what the demonstration's callers and an agent tell apart: who served or asked, what, and how it ended.
type kindOfCall struct{ metric, workload, method, status string }

// measured is how often it happened, and how long that took.
type measured struct {
	count uint64
	sum   time.Duration
}

// TestDemo compares what the callers of the demonstration measured with what the agent beside it counted, of HTTP and of gRPC, at both ends.
func TestDemo(t *testing.T) {
	address := process.FreeAddress(t)
	var said strings.Builder
	ended := false
	err := demo.Run(t.Context(), demo.Options{
		Address: address, Duration: 8 * time.Second, Summary: -1, Executable: process.Fathom, Output: &said,
		OnEnd: func(truth demo.Truth) {
			ended = true
			want := callers(truth)
			got := agentsView(t, address)
			for end := time.Now().Add(process.Patience); len(differ(want, got)) > 0 && time.Now().Before(end); time.Sleep(time.Second) {
				got = agentsView(t, address)
			}
			if diff := differ(want, got); diff != "" {
				t.Errorf("clients -, Fathom +:\n%s", diff)
			}
			for _, k := range slices.SortedFunc(maps.Keys(want), func(a, b kindOfCall) int {
				return strings.Compare(a.metric+a.workload+a.method+a.status, b.metric+b.workload+b.method+b.status)
			}) {
				t.Logf("%s %s %s %s: clients %d, mean %s; Fathom %d, mean %s", k.metric, k.workload, k.method, k.status,
					want[k].count, want[k].mean(), got[k].count, got[k].mean())
			}
		},
	})
	if err != nil || !ended {
		t.Fatalf("%v\n%s", err, &said)
	}
}

func (m measured) mean() time.Duration {
	return (m.sum / time.Duration(max(1, m.count))).Round(10 * time.Microsecond)
}

// callers are the demonstration's calls as a series at each end. In it nobody is asked for the same by two, nor asks two for the same.
func callers(truth demo.Truth) map[kindOfCall]measured {
	all := make(map[kindOfCall]measured)
	for _, c := range truth.Calls {
		client, server, method := "http_client_request_duration_seconds", "http_request_duration_seconds", c.Method
		if method == "gRPC" {
			client, server, method = "rpc_client_duration_seconds", "rpc_server_duration_seconds", ""
		}
		all[kindOfCall{client, c.From, method, c.Status}] = measured{c.Count, c.Sum}
		all[kindOfCall{server, c.To, method, c.Status}] = measured{c.Count, c.Sum}
	}
	return all
}

// agentsView is the same by an agent.
func agentsView(t *testing.T, address string) map[kindOfCall]measured {
	t.Helper()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(exposition(t, address)))
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[kindOfCall]measured)
	for _, name := range []string{
		"http_client_request_duration_seconds", "http_request_duration_seconds", "rpc_client_duration_seconds", "rpc_server_duration_seconds",
	} {
		for _, m := range families[name].GetMetric() {
			labels := make(map[string]string)
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			if !strings.HasPrefix(labels["workload"], "shop-") || count(m) == 0 {
				continue
			}
			k := kindOfCall{name, labels["workload"], labels["method"], labels["status"] + labels["grpc_status"]}
			all[k] = measured{all[k].count + count(m), all[k].sum + time.Duration(m.GetHistogram().GetSampleSum()*float64(time.Second))}
		}
	}
	return all
}

func count(m *dto.Metric) uint64 { return m.GetHistogram().GetSampleCount() }

// differ compares counts. How long calls took each end has measured for itself.
func differ(want, got map[kindOfCall]measured) string {
	return cmp.Diff(want, got, cmp.AllowUnexported(kindOfCall{}), cmp.Comparer(func(a, b measured) bool { return a.count == b.count }))
}
