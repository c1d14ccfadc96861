package protocol

import (
	"slices"
	"testing"
)

// The names are those of gRPC's list, in its order.
func TestGRPC(t *testing.T) {
	names := []string{
		"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
		"RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS",
		"UNAUTHENTICATED",
	}
	if got := GRPC.Statuses.All(); !slices.Equal(got, names) {
		t.Errorf("statuses: %q", got)
	}
	failures := []string{"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}
	for i, name := range names {
		if GRPC.Status(uint16(i)) != name || GRPC.Failed("", name) != slices.Contains(failures, name) {
			t.Errorf("%d is %s, failed: %t", i, GRPC.Status(uint16(i)), GRPC.Failed("", GRPC.Status(uint16(i))))
		}
	}
	for status, want := range map[uint16]string{17: Other, StatusUnknown: Unknown, StatusAborted: Aborted, StatusOther: Other, StatusResetByClient: ResetByClient, StatusRefused: Refused} {
		if got := GRPC.Status(status); got != want || GRPC.Failed("", got) != (want != Unknown) {
			t.Errorf("%#x is %s, failed: %t", status, got, GRPC.Failed("", got))
		}
	}
	if GRPC.Class() != "http2" || ClassNamed("grpc").Protocol != nil || ClassNamed("http2").Protocol != HTTP2 || ClassNamed("http2").Title != "HTTP/2" {
		t.Errorf("%+v", ClassNamed("http2"))
	}
}
