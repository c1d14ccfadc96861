package top

import (
	"strings"
	"testing"

	"github.com/fathomhq/fathom/internal/history"
)

// A workload that serves another protocol only shows it where others show HTTP; who asks has a column.
func TestOtherProtocols(t *testing.T) {
	r := shop()
	none := history.None()
	amount := history.Amount{Count: 600, PerSecond: 10, ErrorRatio: 0.5, Latency: history.Latency{Mean: none, P50: 0.0001, P90: 0.0002, P99: 0.0003}}
	cache, web := &r.Workloads[2], &r.Workloads[0]
	cache.Workload.Workload, cache.Served = "cache", history.Requests{Amount: history.Amount{ErrorRatio: none}}
	cache.Protocols = []history.Spoken{{Protocol: "redis", Title: "Redis", Role: "server", Amount: amount, QueueRatio: 0.25}}
	web.Protocols = []history.Spoken{{Protocol: "redis", Title: "Redis", Role: "client", Amount: amount, QueueRatio: none}}
	if served(cache).Count != 600 || queueRatio(cache) != 0.25 || errorRatio(cache) != 0.5 || otherPerSecond(cache) != 0 {
		t.Errorf("cache: %+v", served(cache))
	}
	if served(web).PerSecond != 120 || queueRatio(web) != 0.01 || otherPerSecond(web) != 10 {
		t.Errorf("web: %+v", served(web))
	}

	m := start(t, 120, 60, r)
	m.of = web
	m.details = &history.WorkloadDetails{Workload: web.Workload, Protocols: []history.SpokenDetails{{
		Spoken: web.Protocols[0], Statuses: []history.Status{{Method: "INCR", Status: "WRONGTYPE", Count: 7}},
		Details: history.Client{Peers: []history.ClientPeer{{End: history.End{Peer: "10.0.0.8:6379"}, Amount: amount}}},
	}}}
	m.details.Protocols = append(m.details.Protocols, history.SpokenDetails{
		Spoken:   history.Spoken{Protocol: "grpc", Title: "gRPC", Role: "server", Amount: amount, QueueRatio: none},
		Statuses: []history.Status{{Status: "OK", Count: 6}, {Status: "DEADLINE_EXCEEDED", Count: 7}},
	})
	text := strings.Join(m.detailLines(), "\n")
	for _, want := range []string{"Redis made", "10.0.0.8:6379", "WRONGTYPE", "gRPC served", "\nOK                         6", "\nDEADLINE_EXCEEDED          7"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
}

// A unit of a machine and the host's of the same name differ in the container only.
func TestContainer(t *testing.T) {
	for _, tt := range []struct{ pod, kind, workload, container, want string }{
		{"web-1", "Deployment", "web", "app", "app"},
		{"", "unit", "ssh.service", "", ""},
		{"", "unit", "ssh.service", "deb", "deb"},
		{"", "container", "deb", "deb", ""},
		{"deb", "Pod", "deb", "deb", "deb"},
	} {
		r := &Row{}
		r.Pod, r.WorkloadKind, r.Workload.Workload, r.Container = tt.pod, tt.kind, tt.workload, tt.container
		if got := containerOf(r); got != tt.want {
			t.Errorf("%+v: %q", tt, got)
		}
	}
}
