package metrics

import (
	"net/netip"

	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/internal/peer"
)

// httpKey identifies HTTP series.
type httpKey struct {
	group    *group
	client   bool
	method   string
	status   uint16
	overflow bool
	tls      bool
	end      end // client only
}

// end is the other end of a connection: by its address, or in Kubernetes by who it is.
type end struct {
	address  netip.AddrPort
	overflow bool
	named    bool
	peer     peer.Peer
}

func (n end) labels() []string {
	if !n.named {
		return []string{"peer", peerValue(n.address, n.overflow)}
	}
	return []string{"peer_namespace", n.peer.Namespace, "peer_workload", n.peer.Workload, "peer_service", n.peer.Service}
}

// newHTTPKey maps records with equal labels to equal keys.
func newHTTPKey(g *group, r *kernel.HTTPSeries) httpKey {
	k := httpKey{group: g, client: r.Role == kernel.RoleClient, method: r.Method, status: r.Status, overflow: r.Overflow, tls: r.TLS && !r.Overflow}
	if k.client {
		k.end.overflow = k.overflow
	}
	if k.client && !k.overflow {
		k.end.address = unmap(r.Peer)
	}
	if k.status != kernel.StatusAborted && (k.status < 100 || k.status > 599) {
		k.status = kernel.StatusOther
	}
	if k.overflow && !onlyPeerOverflowed(r) {
		k.method, k.status = "", kernel.StatusAborted
	}
	return k
}

// onlyPeerOverflowed tells a client series of known method and status from one
// that collects all that exceeded the limit of series.
func onlyPeerOverflowed(r *kernel.HTTPSeries) bool {
	return r.Role == kernel.RoleClient && r.Method != "" && (r.Method != "OTHER" || r.Status != kernel.StatusOther)
}

// unmap gives IPv4 addresses their usual form, and all invalid ones the same.
func unmap(a netip.AddrPort) netip.AddrPort {
	if !a.IsValid() {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

func (k httpKey) of() *group { return k.group }

func (k httpKey) in(g *group) httpKey {
	k.group = g
	return k
}

// values returns the values of the labels method and status.
func (k httpKey) values() (method, status string) {
	if k.overflow && k.method == "" {
		return overflowValue, overflowValue
	}
	return k.method, statusValue(k.status)
}

func (k httpKey) labels() labelSet {
	method, status := k.values()
	var pairs []string
	if k.client {
		pairs = k.end.labels()
	}
	encrypted := ""
	if k.tls {
		encrypted = "true"
	}
	return newLabels(append(pairs, "method", method, "status", status, "tls", encrypted)...)
}

// groupKey identifies series that have the workload's labels only.
type groupKey struct{ group *group }

func (k groupKey) of() *group { return k.group }

func (k groupKey) in(g *group) groupKey {
	k.group = g
	return k
}
func (groupKey) labels() labelSet { return labelSet{} }

type roleKey struct {
	group *group
	role  kernel.Role
}

func (k roleKey) of() *group { return k.group }

func (k roleKey) in(g *group) roleKey {
	k.group = g
	return k
}
func (k roleKey) labels() labelSet { return newLabels("role", k.role.String()) }

type edgeKey struct {
	group *group
	role  kernel.Role
	end   end
}

func newEdgeKey(g *group, e *kernel.Edge) edgeKey {
	k := edgeKey{group: g, role: e.Role, end: end{overflow: e.Overflow}}
	if k.role != kernel.RoleServer && k.role != kernel.RoleClient {
		k.role = kernel.RoleUnknown
	}
	if !e.Overflow {
		k.end.address = unmap(e.Peer)
	}
	return k
}

func (k edgeKey) of() *group { return k.group }

func (k edgeKey) in(g *group) edgeKey {
	k.group = g
	return k
}

func (k edgeKey) labels() labelSet {
	return newLabels(append([]string{"role", k.role.String()}, k.end.labels()...)...)
}

type classKey struct {
	group *group
	class string
}

func (k classKey) of() *group { return k.group }

func (k classKey) in(g *group) classKey {
	k.group = g
	return k
}
func (k classKey) labels() labelSet { return newLabels("class", k.class) }

type coverageKey struct {
	group         *group
	class, reason string
}

func (k coverageKey) of() *group { return k.group }

func (k coverageKey) in(g *group) coverageKey {
	k.group = g
	return k
}

func (k coverageKey) labels() labelSet { return newLabels("class", k.class, "reason", k.reason) }

type listenerKey struct {
	group   *group
	address netip.AddrPort
}

func (k listenerKey) labels() labelSet { return newLabels("address", peerValue(k.address, false)) }
