package kernel

import (
	"slices"
	"testing"
)

// What auto tries first, by kernel.
func TestWays(t *testing.T) {
	for _, c := range []struct {
		tap       string
		kernel    release
		mode      Mode
		preempted bool
		want      []string
	}{
		{"data_read", linux(5, 10), ModeAuto, false, []string{"raw tracepoint sock_recv_length", "trampoline inet_recvmsg", "kretprobe inet_recvmsg"}},
		{"data_read", linux(5, 10), ModeAuto, true, []string{"raw tracepoint sock_recv_length", "trampoline inet_recvmsg", "kretprobe inet_recvmsg"}},
		{"data_read", linux(6, 1), ModeAuto, true, []string{"raw tracepoint sock_recv_length", "kretprobe inet_recvmsg", "trampoline inet_recvmsg"}},
		{"data_read", linux(6, 12), ModeAuto, false, []string{"raw tracepoint sock_recv_length", "trampoline inet_recvmsg", "kretprobe inet_recvmsg"}},
		{"data_read", linux(7, 0), ModeAuto, true, []string{"perf tracepoint sock/sock_recv_length", "raw tracepoint sock_recv_length", "raw tracepoint sock_recv_length", "kretprobe inet_recvmsg", "trampoline inet_recvmsg"}},
		{"data_read", linux(7, 3), ModeTrampoline, true, []string{"trampoline inet_recvmsg"}},
		{"data_written", linux(6, 18), ModeTracepoint, false, []string{"raw tracepoint sock_send_length"}},
		{"state", linux(6, 18), ModeKprobe, false, []string{"raw tracepoint inet_sock_set_state"}},
		{"state", linux(7, 0), ModeKprobe, false, []string{"perf tracepoint sock/inet_sock_set_state", "raw tracepoint inet_sock_set_state"}},
	} {
		for _, tap := range taps {
			if tap.name != c.tap {
				continue
			}
			var got []string
			for _, w := range tap.waysFor(c.mode, c.kernel, c.preempted) {
				got = append(got, w.hooks[0].String())
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%s on %s, mode %s, preempted %t: %q, want %q", c.tap, c.kernel, c.mode, c.preempted, got, c.want)
			}
		}
	}
}
