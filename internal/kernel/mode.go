package kernel

import (
	"fmt"
	"slices"
	"strings"
)

// Mode is how a tap is hooked: an attach mode.
type Mode string

// The attach modes. ModeAuto chooses, tap by tap, the one that cannot lose runs on this kernel; ModeNone
// stands for a tap that is not attached.
const (
	ModeAuto       Mode = "auto"
	ModeTracepoint Mode = "tracepoint"
	ModeTrampoline Mode = "trampoline"
	ModeKprobe     Mode = "kprobe"
	ModeNone       Mode = "none"
)

// Modes are the values of Options.Mode.
func Modes() []Mode { return []Mode{ModeAuto, ModeTracepoint, ModeTrampoline, ModeKprobe} }

// UnmarshalText accepts the modes of [Modes].
func (m *Mode) UnmarshalText(text []byte) error {
	var names []string
	for _, known := range Modes() {
		if Mode(text) == known {
			*m = known
			return nil
		}
		names = append(names, string(known))
	}
	return fmt.Errorf("%q is not %s or %s", text, strings.Join(names[:len(names)-1], ", "), names[len(names)-1])
}

// release is a version of Linux, as KERNEL_VERSION() of linux/version.h packs it.
type release uint32

func linux(major, minor uint32) release { return release(major<<16 | minor<<8) }

func (r release) String() string { return fmt.Sprintf("%d.%d", r>>16, r>>8&0xff) }

// hookKind is what attaches a program to its target.
type hookKind uint8

const (
	rawTracepoint  hookKind = iota
	perfTracepoint          // target is GROUP/NAME
	trampoline              // fentry or fexit: the program knows
	kprobe
	kretprobe
)

// hook is one program at one place of the kernel.
type hook struct {
	kind    hookKind
	target  string
	program string
	until   release // the target is gone from this version on; 0: it is still there
}

// perf reports whether it is attached through perf.
func (h hook) perf() bool { return h.kind == perfTracepoint || h.kind == kprobe || h.kind == kretprobe }

// tracepoint returns the name of the tracepoint, for both kinds.
func (h hook) tracepoint() string { return h.target[strings.IndexByte(h.target, '/')+1:] }

// way is one way of attaching a tap: all of its hooks, or it does not count.
type way struct {
	mode  Mode
	since release // for people: what counts is whether the kernel has the targets
	hooks []hook
	// twice: behind each program a second one is attached, see [secondPrograms]. The kernel skips a program that is running already on
	// that CPU, in a task that was preempted inside it or was interrupted by a softirq; then the
	// second one runs. It recognises what the first has done.
	twice bool
}

// tap is a place in the kernel that Fathom hooks, with the ways to do so, the one that `auto`
// prefers first.
type tap struct {
	name string
	ways []way
}

// Where the tracepoints of the sockets' data came from, upstream 6e6eda44b939 and 40e0b0908142.
var dataTracepoints = linux(6, 3)

// From 7.0 on tracepoints run their programs with preemption enabled, and the kernel skips a program that a
// preempted task is in: everything that happens on that CPU until the task goes on would be
// lost. Those that are attached through perf still run with preemption disabled (perf_trace_run_bpf_submit()), but are skipped where
// a task was preempted in a system call for a BPF map, anybody's (bpf_disable_instrumentation(), trace_call_bpf()).
// So both are attached.
var preemptibleTracepoints = linux(7, 0)

// sendpage is what sendfile() called before 6.5, upstream dc97391e6610.
var withoutSendpage = linux(6, 5)

// onlyRaw is the one way of the taps that are raw tracepoints on every kernel.
func onlyRaw(tracepoint, program string) []way {
	return []way{{mode: ModeTracepoint, since: linux(5, 10), hooks: []hook{{rawTracepoint, tracepoint, program, 0}}}}
}

// rawTwice is the same for those that run in softirqs and in processes, which a softirq may interrupt.
func rawTwice(tracepoint, program string) []way {
	ways := onlyRaw(tracepoint, program)
	ways[0].twice = true
	return ways
}

// perfFirst is the same where processes run them so often that tasks are preempted in both, from 7.0 on: the first is attached through
// perf there.
func perfFirst(group, tracepoint, perf, raw string) []way {
	first := way{
		mode: ModeTracepoint, since: preemptibleTracepoints, hooks: []hook{{perfTracepoint, group + "/" + tracepoint, perf, 0}},
		twice: true,
	}
	return append([]way{first}, rawTwice(tracepoint, raw)...)
}

// taps are all taps in the order of attaching: what opens connections before what uses them.
var taps = []tap{
	{"state", perfFirst("sock", "inet_sock_set_state", "perf_state", "raw_state")},
	{"destroyed", perfFirst("tcp", "tcp_destroy_sock", "perf_destroy", "raw_destroy")},
	{"data_arrived", []way{
		{mode: ModeTracepoint, since: preemptibleTracepoints, hooks: []hook{{rawTracepoint, "sk_data_ready", "raw_arrived", 0}}, twice: true},
		{mode: ModeTracepoint, since: dataTracepoints, hooks: []hook{{rawTracepoint, "sk_data_ready", "raw_arrived", 0}}},
		{mode: ModeTrampoline, since: linux(5, 10), hooks: []hook{{trampoline, "sock_def_readable", "entry_sock_def_readable", 0}}},
		{mode: ModeKprobe, since: linux(5, 10), hooks: []hook{{kprobe, "sock_def_readable", "call_sock_def_readable", 0}}},
	}},
	{"data_written", []way{
		{mode: ModeTracepoint, since: preemptibleTracepoints, hooks: []hook{{perfTracepoint, "sock/sock_send_length", "perf_written", 0}}, twice: true},
		{mode: ModeTracepoint, since: preemptibleTracepoints, hooks: []hook{{rawTracepoint, "sock_send_length", "raw_written", 0}}, twice: true},
		{mode: ModeTracepoint, since: dataTracepoints, hooks: []hook{{rawTracepoint, "sock_send_length", "raw_written", 0}}},
		{mode: ModeTrampoline, since: linux(5, 10), hooks: []hook{
			{trampoline, "inet_sendmsg", "exit_inet_sendmsg", 0},
			{trampoline, "inet6_sendmsg", "exit_inet6_sendmsg", 0},
			{trampoline, "inet_sendpage", "exit_inet_sendpage", withoutSendpage},
		}},
		{mode: ModeKprobe, since: linux(5, 10), hooks: []hook{
			{kretprobe, "inet_sendmsg", "return_written", 0},
			{kprobe, "inet_sendmsg", "call_sendmsg", 0},
			{kretprobe, "inet6_sendmsg", "return_written", 0},
			{kprobe, "inet6_sendmsg", "call_sendmsg", 0},
			{kretprobe, "inet_sendpage", "return_written", withoutSendpage},
			{kprobe, "inet_sendpage", "call_sendpage", withoutSendpage},
		}},
	}},
	{"data_read", []way{
		{mode: ModeTracepoint, since: preemptibleTracepoints, hooks: []hook{{perfTracepoint, "sock/sock_recv_length", "perf_read", 0}}, twice: true},
		{mode: ModeTracepoint, since: preemptibleTracepoints, hooks: []hook{{rawTracepoint, "sock_recv_length", "raw_read", 0}}, twice: true},
		{mode: ModeTracepoint, since: dataTracepoints, hooks: []hook{{rawTracepoint, "sock_recv_length", "raw_read", 0}}},
		{mode: ModeTrampoline, since: linux(5, 10), hooks: []hook{
			{trampoline, "inet_recvmsg", "exit_inet_recvmsg", 0},
			{trampoline, "inet6_recvmsg", "exit_inet6_recvmsg", 0},
		}},
		{mode: ModeKprobe, since: linux(5, 10), hooks: []hook{
			{kretprobe, "inet_recvmsg", "return_read", 0},
			{kprobe, "inet_recvmsg", "call_recvmsg", 0},
			{kretprobe, "inet6_recvmsg", "return_read", 0},
			{kprobe, "inet6_recvmsg", "call_recvmsg", 0},
		}},
	}},
	{"retransmit", rawTwice("tcp_retransmit_skb", "raw_retransmit")},
	{"retransmit_synack", onlyRaw("tcp_retransmit_synack", "raw_synack")}, // in softirqs only
	{"reset_received", rawTwice("tcp_receive_reset", "raw_reset_received")},
	{"reset_sent", rawTwice("tcp_send_reset", "raw_reset_sent")},
}

// secondPrograms are what is attached behind a program that is attached twice, by its name, if that is not the program itself.
var secondPrograms = map[string]hook{
	"perf_state":   {rawTracepoint, "inet_sock_set_state", "raw_state", 0},
	"perf_destroy": {rawTracepoint, "tcp_destroy_sock", "raw_destroy", 0},
	"perf_read":    {rawTracepoint, "sock_recv_length", "raw_read_again", 0},
	"raw_read":     {rawTracepoint, "sock_recv_length", "raw_read_again", 0},
	"perf_written": {rawTracepoint, "sock_send_length", "raw_written_again", 0},
	"raw_written":  {rawTracepoint, "sock_send_length", "raw_written_again", 0},
}

// all returns the hooks in the order of attaching, which is that of running; the second ones last.
func (w way) all() []hook {
	all := slices.Clone(w.hooks)
	if !w.twice {
		return all
	}
	for _, h := range w.hooks {
		if second, ok := secondPrograms[h.program]; ok {
			h = second
		}
		all = append(all, h)
	}
	return all
}

// waysFor returns the ways of a tap that a mode allows and that are of use on a kernel. Taps that have
// the ways of one mode only have them in every mode.
//
// PREEMPTED: the kernel preempts tasks inside of trampolines' programs, but not of kprobes', so that these
// are preferred to them.
func (t tap) waysFor(m Mode, r release, preempted bool) []way {
	var ways []way
	for _, w := range t.ways {
		if w.since == preemptibleTracepoints && r < w.since {
			continue
		}
		if m == ModeAuto || t.hasOneMode() || w.mode == m {
			ways = append(ways, w)
		}
	}
	if preempted && r >= linux(5, 12) { // before, trampolines skip nothing
		for i := range len(ways) - 1 {
			if ways[i].mode == ModeTrampoline && ways[i+1].mode == ModeKprobe {
				ways[i], ways[i+1] = ways[i+1], ways[i]
			}
		}
	}
	return ways
}

func (t tap) hasOneMode() bool {
	for _, w := range t.ways {
		if w.mode != t.ways[0].mode {
			return false
		}
	}
	return true
}

// String names the hook as users know it.
func (h hook) String() string {
	kind := [...]string{"raw tracepoint", "perf tracepoint", "trampoline", "kprobe", "kretprobe"}[h.kind]
	return kind + " " + h.target
}
