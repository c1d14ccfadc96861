package metrics

import (
	"net/netip"
	"testing"

	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/internal/peer"
	"github.com/fathomhq/fathom/internal/protocol"
	"github.com/fathomhq/fathom/internal/workload"
)

// podHost is a host with pods.
type podHost struct {
	*host
	peers fakePeers
}

// fakePeers are who has the addresses; who is not there is pending.
type fakePeers map[netip.AddrPort]peer.Peer

func (p fakePeers) Resolve(a netip.AddrPort) peer.Answer {
	who, ok := p[a]
	if !ok {
		return peer.Answer{State: peer.Pending}
	}
	return peer.Answer{Peer: who, State: peer.Known}
}

func newPodHost(t *testing.T) *podHost {
	t.Helper()
	h := &podHost{host: newHost(t), peers: fakePeers{}}
	h.states, h.pods = map[kernel.WorkloadID]workload.State{}, map[kernel.WorkloadID]workload.Labels{}
	e, err := New(&h.fakeSource, &h.fakeResolver, Options{
		Buckets: classicTest, Started: start, Node: "n1", Chosen: []string{"label_team"}, Peers: h.peers,
	})
	if err != nil {
		t.Fatal(err)
	}
	h.e = e
	return h
}

// name tells who a workload is.
func (h *podHost) name(id kernel.WorkloadID, l workload.Labels, s workload.State) {
	h.pods[id], h.states[id] = l, s
}

var (
	web         = workload.Labels{Namespace: "shop", Workload: "web", Kind: "Deployment", Pod: "web-1", Container: "app", Chosen: "blue\x00"}
	byContainer = workload.Labels{Workload: "3f1b6c0d9e8a", Kind: "container", Container: "3f1b6c0d9e8a"}
)

var (
	served     = requestsName + " namespace=shop workload=web workload_kind=Deployment pod=web-1 container=app node=n1 label_team=blue method=GET status=200"
	anonymous  = requestsName + " workload=3f1b6c0d9e8a workload_kind=container container=3f1b6c0d9e8a node=n1 method=GET status=200"
	openedFrom = "tcp_connections_opened_total namespace=shop workload=web workload_kind=Deployment pod=web-1 container=app node=n1 label_team=blue role=server"
)

func (h *podHost) wants(g gathered, when string, want map[string]float64) {
	h.t.Helper()
	for key, n := range want {
		if got := g.value(key); got != n {
			h.t.Errorf("%s: %s is %g, want %g", when, key, got, n)
		}
	}
}

// What a pod did before its name arrived is shown under that name.
func TestPodNamedLate(t *testing.T) {
	h := newPodHost(t)
	id := h.begin("app")
	h.name(id, byContainer, workload.Pending)
	h.serve(id, 200, 3)
	h.wants(h.scrape(minute), "pending", map[string]float64{served: -1, anonymous: -1})
	h.name(id, web, workload.Final)
	h.serve(id, 200, 2)
	h.wants(h.scrape(minute), "named", map[string]float64{served: 5, anonymous: -1})
}

// Provisional labels end when the pod is named, also with what ids had that are gone by then.
func TestPodProvisional(t *testing.T) {
	h := newPodHost(t)
	old, id := h.begin("app"), h.begin("app2")
	for _, id := range []kernel.WorkloadID{old, id} {
		h.name(id, byContainer, workload.Provisional)
		h.serve(id, 200, 3)
	}
	h.wants(h.scrape(minute), "provisional", map[string]float64{served: -1, anonymous: 6})
	h.end(old)
	for range 12 { // until it is forgotten
		h.serve(id, 200, 1)
		h.scrape(minute)
	}
	if len(h.forgot) != 1 {
		t.Fatalf("forgot %v", h.forgot)
	}
	h.name(id, web, workload.Final)
	h.wants(h.scrape(minute), "named", map[string]float64{served: 18, anonymous: -1})
	if len(h.e.groups) != 2 {
		t.Errorf("%d groups are left, want the pod's and overflow", len(h.e.groups))
	}
}

// A pod that ends before anybody named it leaves its numbers under its container's id.
func TestPodNeverNamed(t *testing.T) {
	h := newPodHost(t)
	id := h.begin("app")
	h.name(id, byContainer, workload.Pending)
	h.serve(id, 200, 3)
	h.scrape(minute)
	h.end(id)
	for len(h.forgot) == 0 {
		h.scrape(minute)
	}
	h.wants(h.scrape(minute), "forgotten", map[string]float64{anonymous: 3})
}

func TestHiddenPod(t *testing.T) {
	h := newPodHost(t)
	id := h.begin("app")
	h.name(id, web, workload.Hidden)
	h.serve(id, 200, 3)
	h.wants(h.scrape(minute), "hidden", map[string]float64{served: -1, anonymous: -1})
	h.end(id)
	for range 12 {
		h.scrape(minute)
	}
	if len(h.forgot) != 1 || len(h.e.owners) != 1 {
		t.Errorf("forgot %v, %d owners are left", h.forgot, len(h.e.owners))
	}
}

// An address that becomes another pod's leaves what was counted with the first.
func TestPeerChanges(t *testing.T) {
	var (
		toA   = openedFrom + " peer_namespace=shop peer_workload=a"
		toB   = openedFrom + " peer_namespace=shop peer_workload=b peer_service=b"
		toNew = openedFrom + " peer_workload=external"
	)
	a, b := peer.Peer{Namespace: "shop", Workload: "a"}, peer.Peer{Namespace: "shop", Workload: "b", Service: "b"}
	h := newPodHost(t)
	id := h.begin("app")
	h.name(id, web, workload.Final)
	h.serve(id, 200, 2)
	h.wants(h.scrape(minute), "nobody has the address yet", map[string]float64{served: 2, toA: -1})
	h.peers[peerTest] = a
	h.serve(id, 200, 1)
	h.wants(h.scrape(minute), "a", map[string]float64{toA: 3, toB: -1})
	h.peers[peerTest] = b
	h.serve(id, 200, 4)
	h.wants(h.scrape(minute), "b: what came before the change was noticed is a's", map[string]float64{toA: 7, toB: 0})
	h.serve(id, 200, 5)
	h.wants(h.scrape(minute), "b", map[string]float64{toA: 7, toB: 5})
	h.peers[peerTest] = a
	h.serve(id, 200, 1)
	h.wants(h.scrape(minute), "a again", map[string]float64{toA: 7, toB: 6})
	h.serve(id, 200, 1)
	h.wants(h.scrape(minute), "a goes on", map[string]float64{toA: 8, toB: 6})
	h.peers[peerTest] = peer.Peer{Workload: "external"}
	h.scrape(minute)
	h.serve(id, 200, 2)
	h.wants(h.scrape(minute), "external", map[string]float64{toA: 8, toB: 6, toNew: 2})

	// When the workload is forgotten, its last counts go to whoever has the address then.
	h.end(id)
	second := h.begin("app")
	h.name(second, web, workload.Final)
	for len(h.forgot) == 0 {
		h.serve(second, 200, 1)
		h.scrape(minute)
	}
	g := h.scrape(minute)
	h.wants(g, "restarted", map[string]float64{toA: 8, toB: 6, toNew: g.value(served) - 14})
	if len(h.e.bases) != 0 {
		t.Errorf("%d bases are left", len(h.e.bases))
	}
}

// A client's requests move like its connections.
func TestHTTPPeerChanges(t *testing.T) {
	h := newPodHost(t)
	id := h.begin("app")
	h.name(id, web, workload.Final)
	address := netip.MustParseAddrPort("10.1.2.3:80")
	ask := func(n int) {
		for range n {
			r := addTo(&h.snapshot.Exchanges, func(r kernel.ExchangeSeries) bool { return r.Workload == id },
				kernel.ExchangeSeries{Workload: id, Role: kernel.RoleClient, Protocol: protocol.HTTP1, Operation: "GET", Status: 200, Peer: address, Duration: durations()})
			observe(&r.Duration)
		}
	}
	key := func(peer string) string {
		return "http_client_request_duration_seconds namespace=shop workload=web workload_kind=Deployment pod=web-1 container=app node=n1 label_team=blue" + peer + " method=GET status=200"
	}
	h.peers[address] = peer.Peer{Workload: "a"}
	ask(3)
	h.wants(h.scrape(minute), "a", map[string]float64{key(" peer_workload=a"): 3})
	h.peers[address] = peer.Peer{Workload: "b"}
	h.scrape(minute)
	ask(2)
	h.wants(h.scrape(minute), "b", map[string]float64{key(" peer_workload=a"): 3, key(" peer_workload=b"): 2})

	// The kernel side began anew.
	h.snapshot.Exchanges = nil
	ask(1)
	h.wants(h.scrape(minute), "anew", map[string]float64{key(" peer_workload=a"): 3, key(" peer_workload=b"): 1})
}
