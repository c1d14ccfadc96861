package protocol

// GRPC is gRPC over HTTP/2. Its statuses are those of bpf/proto/grpc.h, which has them from gRPC's own list
// (https://grpc.github.io/grpc/core/md_doc_statuscodes.html).
var GRPC = &Protocol{
	Name: "grpc", Title: "gRPC", Family: RPC, System: "grpc", Carrier: HTTP2,
	Recognised:  "a request of HTTP/2 whose `content-type` is `application/grpc`, alone, with a codec or with parameters; where that is not known, a `grpc-status`",
	Matched:     "by the stream's number",
	Ended:       "as in HTTP/2",
	Statuses:    enumerated("grpc_status", without("GRPC_")),
	StatusesAre: "the name of the number in `grpc-status`, `other` where a response has none, such as a proxy's",
	// Those that a caller brings about, or can be expected to handle. The others are the server's own.
	Success: []string{
		"OK", "CANCELLED", "INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED",
		"FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNAUTHENTICATED",
	},
}
