package protocol

import (
	"slices"
	"time"
)

// Family is a set of metrics: protocols that are asked for the same kind of thing share one.
type Family struct {
	// Title is the heading in the reference, Prefix how the metrics' names begin.
	Title, Prefix string
	// Exchanges is what they count, in the plural.
	Exchanges string
	// Client, Server and Queue are the names of the histograms: of exchanges that workloads began, of those that they
	// served, and of the time that these waited until they were read.
	Client, Server, Queue string
	// SystemLabel is the label that tells protocols apart, OperationLabel has the operation; empty if there is none.
	SystemLabel, OperationLabel string
	// StatusLabel has the status.
	StatusLabel string
	// Bounds are the classic bounds of the histograms. Nil: those that the user sets.
	Bounds []time.Duration
}

// HTTP is the family of all versions of HTTP.
var HTTP = &Family{
	Title: "HTTP", Prefix: "http_", Exchanges: "HTTP requests",
	Client:         "http_client_request_duration_seconds",
	Server:         "http_request_duration_seconds",
	Queue:          "http_request_queue_seconds",
	OperationLabel: "method",
	StatusLabel:    "status",
}

// Databases is the family of databases and caches. Its bounds begin where those of a cache on the same host have to.
var Databases = &Family{
	Title: "Databases", Prefix: "db_", Exchanges: "database operations",
	Client:         "db_client_operation_duration_seconds",
	Server:         "db_server_operation_duration_seconds",
	Queue:          "db_server_operation_queue_seconds",
	SystemLabel:    "db_system",
	OperationLabel: "operation",
	StatusLabel:    "status",
	Bounds: []time.Duration{
		50 * time.Microsecond, 100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
		1 * time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond,
		50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
		1 * time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
	},
}

// RPC is the family of calls of procedures on other hosts. What they call is not known yet, so that there is no operation. The status
// has a label of its own: its names are gRPC's, and nobody should add them up with HTTP's codes.
var RPC = &Family{
	Title: "RPC", Prefix: "rpc_", Exchanges: "RPC calls",
	Client:      "rpc_client_duration_seconds",
	Server:      "rpc_server_duration_seconds",
	Queue:       "rpc_server_queue_seconds",
	SystemLabel: "rpc_system",
	StatusLabel: "grpc_status",
}

// families are those of the list, in the order of their protocols.
var families = func() (found []*Family) {
	for _, p := range byNumber {
		if p != nil && !slices.Contains(found, p.Family) {
			found = append(found, p.Family)
		}
	}
	return found
}()

// Families returns the families that have a protocol. Their order does not change while the program runs.
func Families() []*Family { return slices.Clone(families) }

// Index is the place of a family in [Families].
func (f *Family) Index() int { return slices.Index(families, f) }

// Protocols returns those of a family.
func (f *Family) Protocols() (list []*Protocol) {
	for _, p := range byNumber {
		if p != nil && p.Family == f {
			list = append(list, p)
		}
	}
	return list
}
