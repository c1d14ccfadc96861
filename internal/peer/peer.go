// Package peer tells who has the address at the other end of a connection: a workload and a service of the
// cluster, a network that the user named, or somebody outside.
//
// A [Resolver] asks Fathom's directory, which watches the cluster, over a [Client]; without one it knows the
// pods of its own node.
package peer

// Peer is the other end of a connection. Empty fields make no sense for it.
type Peer struct {
	Namespace string
	Workload  string // name of what made the pods, as of a Deployment; or one of the names below, or that of a network
	Service   string
}

// Workloads that are not Kubernetes'.
const (
	Localhost = "localhost" // a loopback address
	Node      = "node"      // a node of the cluster, where no pod in the host's network declares the port; any address of the own one
	External  = "external"  // not of the cluster, in no named network
	Unknown   = "unknown"   // not known, as nobody can be asked
)

// State says what an answer is worth.
type State uint8

// The states.
const (
	// Known: the peer has the address. It stays so while the directory is gone.
	Known State = iota
	// Pending: the directory was asked a moment ago. The peer means nothing.
	Pending
	// Unavailable: the directory does not answer. The peer is [Unknown] or a pod of the own node; it is
	// another one as soon as the answer comes.
	Unavailable
)

// Answer is what is known of an address.
type Answer struct {
	Peer  Peer
	State State
}
