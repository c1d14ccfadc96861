package kernel

import (
	"os"
	"testing"
)

// What is found out about the kernel is what its version promises, so that no probe fails unnoticed and
// leaves the slower way.
func TestFacts(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	f, err := readFacts()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		has   bool
		since release
	}{
		{"bpf_rdonly_cast", f.readOnlyCast, linux(6, 2)},
		{"fetching atomics", f.fetchingAtomics, linux(5, 12)},
		{"tracepoints of the sockets' data", f.tracepointArguments("sock_recv_length") == 3, dataTracepoints},
		{"error of tcp_retransmit_skb", f.retransmitError, linux(6, 13)},
	} {
		if want := f.release >= c.since; c.has != want {
			t.Errorf("%s: %t on Linux %s, which has it from %s on", c.name, c.has, f.release, c.since)
		}
	}
	if !f.hasFunction("sock_def_readable") || f.hasFunction("no_such_function") {
		t.Error("does not know the kernel's functions")
	}
}
