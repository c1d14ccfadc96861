package kernel

import (
	"net/netip"
	"time"

	"github.com/fathomhq/fathom/internal/protocol"
)

// Role says which end of a connection the local process is.
type Role uint8

// The roles. RoleUnknown stays only until the first bytes of a connection that
// is older than the agent have been recognised.
const (
	RoleUnknown Role = iota
	RoleServer
	RoleClient
)

// String returns the value of the `role` label.
func (r Role) String() string {
	switch r {
	case RoleServer:
		return "server"
	case RoleClient:
		return "client"
	}
	return "unknown"
}

// Status values of [ExchangeSeries] that all protocols have.
const (
	StatusUnknown = protocol.StatusUnknown // there was one, and nobody knows which
	StatusAborted = protocol.StatusAborted // the connection or the stream ended before a status was seen
	StatusOther   = protocol.StatusOther   // of HTTP: not a number from 100 to 599
)

// WorkloadID names a workload within the kernel's maps. It is reused only after
// [Kernel.Forget] released it. 0 is the overflow workload, which collects
// what found the workload table full.
type WorkloadID uint32

// Workload is what the kernel side knows about a workload.
type Workload struct {
	ID WorkloadID
	// CgroupID is the id of the process's cgroup v2 directory, which equals the
	// directory's inode number (kernfs, 64-bit). It is 1 (the root) on hosts
	// with cgroup v1 only.
	CgroupID uint64
	// CgroupNames are the names of the cgroup's directory and its parents, the
	// innermost first, at most [MaxCgroupNames], without the root: enough to name most
	// workloads whose cgroup is gone before user space looked.
	CgroupNames []string
	// Command is the name of the thread group leader (comm, at most 15 bytes);
	// empty if no process of the workload was seen, only its sockets.
	Command string
	// OpenConnections is the number of its connections at the last sweep.
	OpenConnections int
}

// Histogram holds the number of observations per bucket of [Kernel.Bounds],
// and the sum. Buckets[i] counts values in (Bounds[i-1], Bounds[i]];
// Buckets[len(Bounds)] those above the last bound. The count is, by definition, the
// sum of Buckets.
type Histogram struct {
	Buckets []uint64
	Sum     time.Duration
}

// Count returns the number of observations.
func (h Histogram) Count() uint64 {
	var n uint64
	for _, b := range h.Buckets {
		n += b
	}
	return n
}

// ExchangeSeries is the latency of one kind of exchange: a request and its response.
type ExchangeSeries struct {
	Workload  WorkloadID
	Role      Role
	Protocol  *protocol.Protocol
	Operation string // what was asked for, of HTTP the method; protocol.OtherOperation if it has no name
	Status    uint16 // how it ended: Protocol.Status names it
	TLS       bool
	Peer      netip.AddrPort // client role only; zero where unknown
	// Overflow marks the series that collects what exceeded the workload's (or,
	// with Workload 0, the host's) limit of series or peers: of a client series
	// that has an operation and a status, only the peer overflowed.
	Overflow bool
	Duration Histogram
}

// QueueSeries is the time between the arrival of a request's first byte and
// the read that fetched it, of the requests of one protocol that a workload served.
type QueueSeries struct {
	Workload WorkloadID
	Protocol *protocol.Protocol
	Delay    Histogram
}

// ActiveExchanges are the exchanges without a final status yet.
type ActiveExchanges struct {
	Workload WorkloadID
	Role     Role
	Count    int
	Oldest   time.Duration // age of the oldest
}

// RetransmitKind says what made TCP send a segment again.
type RetransmitKind uint8

// The kinds, in the order of [Edge.Retransmits].
const (
	RetransmitTimeout RetransmitKind = iota // retransmission timer
	RetransmitFast                          // duplicate ACKs, SACK, RACK
	RetransmitProbe                         // tail loss probe
	RetransmitSyn                           // SYN of a connecting client
	RetransmitSynack                        // SYN-ACK of a listener
	numRetransmitKinds
)

// String returns the value of the `kind` label.
func (k RetransmitKind) String() string {
	return [numRetransmitKinds]string{"timeout", "fast", "probe", "syn", "synack"}[k]
}

// ConnectFailure says why a connection attempt failed.
type ConnectFailure uint8

// The reasons, in the order of [Edge.ConnectFailures].
const (
	ConnectRefused ConnectFailure = iota
	ConnectTimedOut
	ConnectUnreachable
	ConnectReset
	ConnectAbandoned // closed by the application while connecting
	ConnectOther
	numConnectFailures
)

// String returns the value of the `reason` label.
func (f ConnectFailure) String() string {
	return [numConnectFailures]string{"refused", "timed_out", "unreachable", "reset", "abandoned", "other"}[f]
}

// Edge is the TCP traffic between a workload and one peer. All counters only
// grow while the edge's workload lives.
type Edge struct {
	Workload WorkloadID
	Role     Role
	// Peer is the other end: for the client role its address and port, for
	// the server role its address with port 0. Zero where Overflow is set.
	Peer     netip.AddrPort
	Overflow bool // collects the peers beyond the limit

	SegmentsSent    uint64 // segments with data (tcp_sock.data_segs_out)
	Retransmits     [numRetransmitKinds]uint64
	BytesSent       uint64 // without retransmissions
	BytesReceived   uint64
	Opened          uint64
	Closed          uint64
	ConnectFailures [numConnectFailures]uint64
	ResetsSent      uint64
	ResetsReceived  uint64
	// RTT holds smoothed round-trip times over [Kernel.RTTBounds].
	RTT Histogram
}

// Coverage counts the connections of one class.
type Coverage struct {
	Workload      WorkloadID
	Class         string // as in protocol.Classes
	Reason        string // why it was not read, or what is special; may be empty
	Connections   uint64
	BytesReceived uint64
	BytesSent     uint64
}

// Lost counts what the numbers lack, by reason.
type Lost struct {
	Reason string
	Count  uint64
}

// LostBytes counts bytes that passed a socket unseen or unattributed.
type LostBytes struct {
	Direction string // "read" or "write"
	Reason    string
	Bytes     uint64
}

// Listener is a listening TCP socket.
type Listener struct {
	Workload WorkloadID
	Address  netip.AddrPort
	Queue    uint32 // connections waiting for accept
	QueueMax uint32 // the listen backlog
	Drops    uint64 // sk_drops
}

// Table is the use of one bounded map.
type Table struct {
	Name        string // connections, workloads, http_series (those of all protocols), edges, coverage, listeners, pipelines, arrivals, http2_connections, http2_streams
	Used        int
	Limit       int
	Overflowed  uint64 // times that something found no room and went to an overflow or was lost
	MemoryBytes uint64 // kernel memory, as the kernel reports it
}

// Program is the cost of one BPF program, estimated from a random sample of its
// runs.
type Program struct {
	Name string
	Runs uint64
	Time time.Duration
	// Missed are runs that the kernel skipped because the program was already
	// running on that CPU (bpf_prog_info.recursion_misses).
	Missed uint64
}

// Tap says how one tap is attached.
type Tap struct {
	Name string // as in the design: data_read, data_written, data_arrived, ...
	Mode string // "tracepoint", "trampoline" or "kprobe"; "none" with Err set
	// Hooks are what its programs are attached to, as "raw tracepoint sock_recv_length".
	Hooks []string
	// Passed tells why ways that come before this one were passed over.
	Passed []string
	Err    error
}

// Snapshot is everything the kernel side has counted since it was attached.
// It shares no memory with the kernel or with other snapshots.
type Snapshot struct {
	Time      time.Time
	Workloads map[WorkloadID]Workload
	Exchanges []ExchangeSeries
	Queue     []QueueSeries
	Active    []ActiveExchanges
	Edges     []Edge
	Coverage  []Coverage
	Listeners []Listener
	Lost      []Lost      // every reason, zeros included
	LostBytes []LostBytes // every direction and reason, zeros included
	Tables    []Table
	Programs  []Program

	series int // slots for Exchanges that are taken; some may have none yet
}
