package metrics

import (
	"net/netip"

	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/internal/peer"
	"github.com/fathomhq/fathom/internal/protocol"
)

// exchangeKey identifies series of exchanges.
type exchangeKey struct {
	group     *group
	protocol  *protocol.Protocol // as which it is shown
	client    bool
	operation string
	status    string
	overflow  bool
	tls       bool
	end       end // client only
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

// newExchangeKey maps records with equal labels to equal keys.
func newExchangeKey(g *group, r *kernel.ExchangeSeries) exchangeKey {
	k := exchangeKey{
		group: g, protocol: r.Protocol.Shown(), client: r.Role == kernel.RoleClient, operation: r.Operation,
		status: r.Protocol.Status(r.Status), overflow: r.Overflow, tls: r.TLS && !r.Overflow,
	}
	if k.client {
		k.end.overflow = k.overflow
	}
	if k.client && !k.overflow {
		k.end.address = unmap(r.Peer)
	}
	if k.overflow && !onlyPeerOverflowed(r) {
		k.status = overflowValue
		if k.protocol.Family.OperationLabel != "" {
			k.operation = overflowValue
		}
	}
	return k
}

// onlyPeerOverflowed tells a client series of known operation and status from one
// that collects all that exceeded the limit of series.
func onlyPeerOverflowed(r *kernel.ExchangeSeries) bool {
	named := r.Operation != "" && r.Operation != protocol.OtherOperation
	return r.Role == kernel.RoleClient && (named || r.Status != kernel.StatusOther)
}

// unmap gives IPv4 addresses their usual form, and all invalid ones the same.
func unmap(a netip.AddrPort) netip.AddrPort {
	if !a.IsValid() {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

func (k exchangeKey) of() *group { return k.group }

func (k exchangeKey) in(g *group) exchangeKey {
	k.group = g
	return k
}

// systemPair is the label that tells the protocols of a family apart, if there is one.
func systemPair(p *protocol.Protocol) []string {
	if p.Family.SystemLabel == "" {
		return nil
	}
	return []string{p.Family.SystemLabel, p.System}
}

func (k exchangeKey) labels() labelSet {
	pairs := systemPair(k.protocol)
	if k.client {
		pairs = append(pairs, k.end.labels()...)
	}
	if operation := k.protocol.Family.OperationLabel; operation != "" {
		pairs = append(pairs, operation, k.operation)
	}
	encrypted := ""
	if k.tls {
		encrypted = "true"
	}
	return newLabels(append(pairs, k.protocol.Family.StatusLabel, k.status, "tls", encrypted)...)
}

// queueKey identifies the waits of the requests of a protocol.
type queueKey struct {
	group    *group
	protocol *protocol.Protocol // as which it is shown
}

func (k queueKey) of() *group { return k.group }

func (k queueKey) in(g *group) queueKey {
	k.group = g
	return k
}

func (k queueKey) labels() labelSet { return newLabels(systemPair(k.protocol)...) }

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
