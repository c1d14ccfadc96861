package metrics

import (
	"net/netip"

	"github.com/fathomhq/fathom/internal/kernel"
)

// httpKey identifies HTTP series. Encrypted and plain exchanges have equal labels.
type httpKey struct {
	group    *group
	client   bool
	method   string
	status   uint16
	peer     netip.AddrPort
	overflow bool
}

// newHTTPKey maps records with equal labels to equal keys.
func newHTTPKey(g *group, r *kernel.HTTPSeries) httpKey {
	k := httpKey{group: g, client: r.Role == kernel.RoleClient, method: r.Method, status: r.Status, overflow: r.Overflow}
	if k.client && !k.overflow {
		k.peer = unmap(r.Peer)
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

func (k httpKey) labels() labelSet {
	method, status := k.method, statusValue(k.status)
	if k.overflow && k.method == "" {
		method, status = overflowValue, overflowValue
	}
	if !k.client {
		return newLabels("method", method, "status", status)
	}
	return newLabels("peer", peerValue(k.peer, k.overflow), "method", method, "status", status)
}

// groupKey identifies series that have the workload's labels only.
type groupKey struct{ group *group }

func (k groupKey) of() *group     { return k.group }
func (groupKey) labels() labelSet { return labelSet{} }

type roleKey struct {
	group *group
	role  kernel.Role
}

func (k roleKey) of() *group       { return k.group }
func (k roleKey) labels() labelSet { return newLabels("role", k.role.String()) }

type edgeKey struct {
	group    *group
	role     kernel.Role
	peer     netip.AddrPort
	overflow bool
}

func newEdgeKey(g *group, e *kernel.Edge) edgeKey {
	k := edgeKey{group: g, role: e.Role, overflow: e.Overflow}
	if k.role != kernel.RoleServer && k.role != kernel.RoleClient {
		k.role = kernel.RoleUnknown
	}
	if !k.overflow {
		k.peer = unmap(e.Peer)
	}
	return k
}

func (k edgeKey) of() *group { return k.group }

func (k edgeKey) labels() labelSet {
	return newLabels("role", k.role.String(), "peer", peerValue(k.peer, k.overflow))
}

type classKey struct {
	group *group
	class string
}

func (k classKey) of() *group       { return k.group }
func (k classKey) labels() labelSet { return newLabels("class", k.class) }

type coverageKey struct {
	group         *group
	class, reason string
}

func (k coverageKey) of() *group { return k.group }

func (k coverageKey) labels() labelSet { return newLabels("class", k.class, "reason", k.reason) }

type listenerKey struct {
	group   *group
	address netip.AddrPort
}

func (k listenerKey) of() *group { return k.group }

func (k listenerKey) labels() labelSet { return newLabels("address", peerValue(k.address, false)) }
