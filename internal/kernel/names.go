package kernel

import (
	"bytes"
	"net/netip"
)

// The label values of what bpf/types.h numbers; those of protocols and classes are in internal/protocol. An entry that is
// empty is not exposed.
var (
	faultNames = [bpfBufferFaultFAULT_COUNT]string{
		"", "kernel", "io_uring", "compat32", "syscall", "socket", "batch", "truncated", "iovecs", "memory", "steps",
	}
	opaqueNames = [bpfOpaqueOPAQUE_COUNT]string{
		"not_yet", "idle", "attached_late", "unknown_library", "no_symbols", "java", "not_permitted", "malformed_file", "no_session",
	}
	mapErrnoNames  = [...]string{"e2big", "ebusy", "enomem", "edeadlk", "etimedout", "other"}
	lostBytesNames = [bpfLostBytesBYTES_COUNT]string{"untapped", "late", "connections_full", "unreadable"}
	directionNames = [...]string{"read", "write"}
	programNames   = [bpfProgramPROG_COUNT]string{
		"data_read", "data_written", "data_arrived", "state", "destroyed", "retransmit",
		"retransmit_synack", "reset_received", "reset_sent", "sweep", "tls_call", "tls_return",
	}
	tableNames = [bpfTableTABLE_COUNT]string{
		"connections", "workloads", "http_series", "edges", "coverage", "listeners", "pipelines", "arrivals", "http2_connections", "http2_streams",
		"tls_callers",
	}
)

// lostNames returns the reasons of enum lost, by number.
func lostNames() [bpfLostLOST_COUNT]string {
	names := [bpfLostLOST_COUNT]string{
		bpfLostLOST_CONNECTION: "connections_full",
		bpfLostLOST_ARRIVAL:    "no_arrival",
		bpfLostLOST_GAP:        "gap",
		bpfLostLOST_INVALID:    "invalid",
		bpfLostLOST_PIPELINED:  "pipelined",
		bpfLostLOST_REQUEST:    "no_request",
		bpfLostLOST_DESTROY:    "missed_end",
		bpfLostLOST_TLS_SOCKET: "tls_socket",
		bpfLostLOST_TLS_ASKED:  "tls_asked",
		bpfLostLOST_TLS_CALLER: "tls_caller",
	}
	for i, fault := range faultNames {
		if fault != "" {
			names[int(bpfLostLOST_UNREADABLE)+i] = "unreadable_" + fault
		}
	}
	for i, errno := range mapErrnoNames {
		names[int(bpfLostLOST_MAP)+i] = "map_" + errno
	}
	return names
}

// coverageReason returns the value of the `reason` label of fathom_connections_total.
func coverageReason(reason bpfCoverageReason) string {
	switch reason {
	case bpfCoverageReasonCOVERAGE_JOINED:
		return "joined"
	case bpfCoverageReasonCOVERAGE_UPGRADED:
		return "upgraded"
	case bpfCoverageReasonCOVERAGE_SERVER_FIRST:
		return "server_first"
	case bpfCoverageReasonCOVERAGE_UNTAPPED:
		return "untapped"
	case bpfCoverageReasonCOVERAGE_TABLE_FULL:
		return "table_full"
	}
	if opaque := int(reason) - int(bpfCoverageReasonCOVERAGE_OPAQUE); opaque >= 0 && opaque < len(opaqueNames) {
		return opaqueNames[opaque]
	}
	if fault := int(reason) - int(bpfCoverageReasonCOVERAGE_UNREADABLE); fault > 0 && fault < len(faultNames) {
		return faultNames[fault]
	}
	return ""
}

func cString(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}

func address(addr [16]byte, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16(addr).Unmap(), port)
}
