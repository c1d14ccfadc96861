package demo

import (
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
)

// Names are those of gRPC's list (https://grpc.github.io/grpc/core/md_doc_statuscodes.html), and not Go's.
func TestStatusName(t *testing.T) {
	for c, want := range map[codes.Code]string{
		codes.OK: "OK", codes.Canceled: "CANCELLED", codes.DeadlineExceeded: "DEADLINE_EXCEEDED", codes.Unavailable: "UNAVAILABLE",
	} {
		if got := statusName(c); got != want {
			t.Errorf("%s: got %s", want, got)
		}
	}
}

// TestCalls checks what a service of gRPC answers, and that its callers record it.
func TestCalls(t *testing.T) {
	const clients, each = 6, 20 * time.Millisecond
	for share, want := range map[float64]string{0: "OK", 1: "UNAVAILABLE"} {
		t.Run(want, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			s := startCalls(l, order{latency: latency{{1, each}}, errors: share})
			var truth recorder
			out, err := newCaller("test", map[string]string{shippingName: l.Addr().String()}, &truth)
			if err != nil {
				t.Fatal(err)
			}
			var all sync.WaitGroup
			for range clients {
				all.Go(func() { out.call(t.Context(), shippingName, grpcMethod, "/shop.Shipping/Quote", make([]byte, 200)) })
			}
			all.Wait()
			got := truth.snapshot()
			if len(got) != 1 || got[0].Method != grpcMethod || got[0].Status != want || got[0].Count != clients || got[0].Sum < clients*each {
				t.Errorf("got %+v", got)
			}
			if succeeded(want) != (share == 0) {
				t.Errorf("%s counts as the wrong thing", want)
			}
			// Closed connections answer nothing, and say so.
			if err := out.close(); err != nil {
				t.Error(err)
			}
			if status := out.call(t.Context(), shippingName, grpcMethod, "/shop.Shipping/Quote", nil); succeeded(status) {
				t.Errorf("a call over a closed connection is %s", status)
			}
			if err := s.close(); err != nil {
				t.Error(err)
			}
		})
	}
}
