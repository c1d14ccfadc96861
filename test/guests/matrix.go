package main

import (
	"slices"
	"strings"
	"time"
)

// The attach modes, as FATHOM_ATTACH_MODE has them.
const (
	tracepoint = "tracepoint"
	trampoline = "trampoline"
	kprobe     = "kprobe"
	auto       = "auto" // what the agent takes by itself
)

// guests is the matrix: where tests run. The first of the modes is the one that auto takes there;
// the others have to work as well, since users can choose them.
var guests = []guest{
	{name: "5.10", kernel: "5.10", modes: []string{trampoline, kprobe}},
	{name: "6.1", kernel: "6.1", modules: ktls, modes: []string{trampoline, kprobe}},
	// Tasks are preempted in the kernel, also inside BPF programs: the races of a desktop's kernel.
	{name: "6.1-full", kernel: "6.1", modules: ktls, commandLine: "preempt=full", modes: []string{kprobe, trampoline}},
	{name: "6.12", kernel: "6.12", modules: ktls, modes: []string{tracepoint, trampoline, kprobe}},
	{name: "6.12-full", kernel: "6.12", modules: ktls, commandLine: "preempt=full", modes: []string{tracepoint, trampoline, kprobe}},
	{name: "6.18", kernel: "6.18", modules: ktls, modes: []string{tracepoint, trampoline, kprobe}},
	{name: "7.3", kernel: "7.3", modules: ktls7, modes: []string{tracepoint, trampoline, kprobe}},
	{name: "arm64-6.1", kernel: "arm64-6.1", modules: ktls, modes: []string{kprobe}}, // trampolines attach from 6.4 on
	{name: "arm64-6.12", kernel: "arm64-6.12", modules: ktls, modes: []string{tracepoint, trampoline, kprobe}},
	{name: "arm64-7.3", kernel: "arm64-7.3", modules: ktls7, modes: []string{tracepoint, trampoline, kprobe}},
}

// What kTLS with AES-GCM takes. A guest has no modprobe: nothing is loaded when it is asked for.
var (
	ktls  = []string{"tls", "gcm", "ctr", "ghash_generic"}
	ktls7 = []string{"tls", "gcm", "ctr"} // GHASH is built in
)

// whole are the guests that differ most from each other and from the host: the oldest kernel, one that preempts, the newest,
// and the other architecture. They run more than the rest, which run what depends on the kernel; the host runs everything.
var whole = []string{"5.10", "6.1-full", "7.3", "arm64-6.12"}

// between are the guests that run in no other mode than the one that auto takes: of their architecture there are older and newer
// kernels, or the same one preempting more, in which the other modes are seen.
var between = []string{"6.1", "6.12", "6.12-full", "6.18", "arm64-7.3"}

// jobs is what runs in each guest: what differs between kernels, architectures and attach modes. Which of TestPaths FATHOM_PATHS
// chooses, and by what rule, is in test/integration/paths_where_test.go. To load Fathom takes six seconds in a guest, so tests
// share one. The whole matrix has to end within 40 minutes on two CPUs: the CPU seconds of all guests (results.md) may add up to
// 4,800. The limits are for guests that hang: far more than a busy machine takes.
var jobs = []job{
	{
		// The table of what the verifiers follow has these, besides 5.10. That they take the programs is seen wherever Fathom runs. The
		// verifiers of arm64's kernels are those of the others. That of 7.3 takes several times as long as they do.
		pkg: "./internal/kernel", in: once, not: except("6.1", "6.12", "6.18", "7.3", "arm64-6.1"), short: true, asked: true,
		run:   "^(TestVerifierBudget|TestFacts)$",
		limit: 20 * time.Minute,
	},
	{
		// Ageing and missed ends are the sweep's, which is the same everywhere; objects of other versions are the benchmark's, which
		// runs on the host. What is done without a tap is decided in user space: here it is seen that programs are refused.
		pkg: "./internal/kernel", in: once, not: except("5.10"),
		skip:  "^(TestModes|TestHeadLengths|TestCount|TestForget.*|TestTry|TestMissedEnds|TestOpenObject|TestOtherProtocolsAreRead)$|^TestRefusedTaps$/^(no_resets|does_not_load|no_state|no_reads|no_writes|loads_and_does_not_attach)$",
		limit: 20 * time.Minute,
	},
	{
		// The only one with kprobes in mode auto, and without the tracepoints of data, that is no x86. What a kernel that refuses
		// something is answered with does not depend on it.
		pkg: "./internal/kernel", in: once, not: except("arm64-6.1"),
		run:   "^(TestFacts|TestDetach|TestFilter.*)$",
		limit: 20 * time.Minute,
	},
	{
		// All modes, on the newest kernel but one: to load the programs once takes the verifier of 7.3 most of a minute.
		pkg: "./internal/kernel", in: once, not: except("6.18"),
		run:   "^(TestModes|TestDetach)$",
		limit: 20 * time.Minute,
	},
	{
		// What happens with which privileges, where maps still count against RLIMIT_MEMLOCK. What is given up or missing, and what a
		// file's capabilities are, is the same everywhere: the host runs it.
		pkg: "./cmd/fathom", in: once, not: except("5.10"),
		run:   "^(TestLeastPrivilege|TestLockedMemory|TestDoctor(AsNobody|UnderSeccompOfBPF)|TestNotPermitted)$",
		limit: 30 * time.Minute,
	},
	{
		// What is known of a kernel, on the newest one.
		pkg: "./internal/kernel", in: once, not: except("7.3"), short: true,
		run:   "^TestFacts$",
		limit: 5 * time.Minute,
	},
	{
		// Where perf is what all depends on.
		pkg: "./cmd/fathom", in: once, not: except("7.3"),
		run:   "^TestNotPermitted$",
		limit: 30 * time.Minute,
	},
	{
		// The host has no kprobes. On 7.3, whose taps of mode auto need perf too, it takes the verifier seven minutes.
		pkg: "./cmd/fathom", in: once, not: except("6.1"),
		run:   "^TestDoctorUnderSeccompOfPerfEvents$",
		limit: 30 * time.Minute,
	},
	{
		// TestOverloadedServer rests on when data arrives, of which 7.3 tells as 6.12 does.
		pkg: "./test/integration", in: autoMode, not: except("5.10", "6.1-full", "arm64-6.12"), short: true, env: []string{"FATHOM_PATHS=few"},
		run:   kernelTests("TestOverloadedServer"),
		limit: 30 * time.Minute,
	},
	{
		pkg: "./test/integration", in: autoMode, not: except("7.3"), short: true, env: []string{"FATHOM_PATHS=few"},
		run:   kernelTests(),
		limit: 30 * time.Minute,
	},
	{
		// They load Fathom several times each, and rest on what TCP has had for long.
		pkg: "./test/integration", in: autoMode, not: except("5.10"), short: true,
		run:   "^(TestBounds|TestConnectFailures|TestListener)$",
		limit: 30 * time.Minute,
	},
	{
		pkg: "./test/integration", in: autoMode, not: whole, short: true, env: []string{"FATHOM_PATHS=kernel"},
		run:   kernelTests(),
		limit: 30 * time.Minute,
	},
	{
		// A real server and its real clients: how often they read, and what they find then, is the kernel's.
		pkg: "./test/redis", in: autoMode, not: except("5.10", "6.1-full"), short: true,
		run: "^TestRows$/^(redis-benchmark_(-P_1|-P_16|1_MB|oversubscribed_-P_16)|" +
			"redis-cli_(transactions|beside_(MONITOR|a_replica|a_subscriber_with_RESP3))|Go,_rueidis_(cache|subscribe))$",
		programs: []string{"redis-server", "redis-cli", "redis-benchmark"},
		limit:    12 * time.Minute,
	},
	{
		// What is matched by number does not depend on the order of hooks, but on what they look at, and on what is atomic.
		pkg: "./test/http2", in: autoMode, not: except("5.10", "6.1-full", "6.12", "7.3", "arm64-6.12"), short: true,
		run:   "^TestRows$/^(Go:_100_at_once|grpc-go:_(10|100)_at_once|order:_(a_hundred_.*|thousands_of_.*))$",
		limit: 12 * time.Minute,
	},
	{
		// Of all hooks the mode changes those that see data.
		pkg: "./test/integration", in: otherModes, not: between, short: true, env: []string{"FATHOM_PATHS=mode"},
		run:   "^(TestPaths|TestServers)$",
		skip:  "^TestServers$/oversubscribed",
		limit: 20 * time.Minute,
	},
	{
		// Probes of user space are attached in two ways, and return by three. 6.1 does it as 5.10 and arm64-6.1 do, 6.12 and 6.18 as the host.
		pkg: "./test/integration", in: once, not: except("5.10", "7.3", "arm64-6.1"), short: true,
		run:   "^TestTLSMatrix$",
		skip:  "^TestTLSMatrix$/^(python|curl|node|nginx|go_stripped|OpenSSL_(1|3|4|of_sid)|BoringSSL|GnuTLS_(3|of_sid)|.*_(plain_client|ex_server|apart_server)$)",
		limit: 20 * time.Minute,
	},
	{
		// Some kernels kill strict processes for what probes of user space do.
		pkg: "./test/integration", in: once, not: except("6.12", "7.3"), short: true,
		run:   "^TestTLSStrictSeccomp$",
		limit: 20 * time.Minute,
	},
	{
		// Who else uses BPF maps there makes the kernel skip what is attached through perf. how-it-works has the figures; it takes minutes.
		pkg: "./test/integration", in: once, not: except("7.3"), short: true, asked: true,
		run:   "^TestMapsInUse$",
		limit: 20 * time.Minute,
	},
	{
		// As many probes as there can be at once, with tasks that are preempted inside of them: has crashed 6.18.
		pkg: "./test/integration", in: once, not: except("6.18"), short: true,
		run:   "^TestTLSAttachUnderLoad$",
		limit: 20 * time.Minute,
	},
}

// kernelTests are those of test/integration whose outcome depends on the kernel, and others, as go test's flag wants them.
func kernelTests(others ...string) string {
	return "^(" + strings.Join(append(others, "TestAutoMode", "TestPaths", "TestServers", "TestLastByte", "TestTCPCounters",
		"TestTCPSamples", "TestRetransmits", "TestPeers"), "|") + ")$"
}

// allowedSkips are the tests that may be skipped, with the reason that they give. Every other
// skip fails, and so does an entry that nothing needed in a whole run.
var allowedSkips = []allowedSkip{
	// A guest has no programs but the tests and what a job names; `make test` runs these against the real servers.
	{test: `^TestServers/(nginx|node|python)`, reason: `^(nginx|node|python3) is not in this guest$`},
	// The page is compared with the table where both are: on the host.
	{test: `^Test(VerifierPage|Documents|EveryNumberIsClaimed|ModesHaveSections|HelpersOnlyRead|PathsAreNamed|NamesExist|MapsHaveRows|Links)$`, reason: `^the documents are not in the guest$`},
	// Debian turned CONFIG_MPTCP on after 5.10.
	{guests: []string{"5.10"}, test: `^TestPaths/mptcp`, reason: `^MPTCP is not in this kernel`},
	// The 32-bit calls are those of x86.
	{guests: []string{"arm64-6.1", "arm64-6.12", "arm64-7.3"}, test: `^TestPaths/.*32-bit`, reason: `^int 0x80 is not in this architecture$`},
	// Debian turned CONFIG_TLS on after 5.10.
	{guests: []string{"5.10"}, test: `^TestPaths/kTLS$`, reason: `^kTLS is not in this kernel$`},
	// Upstream f3a95075549e (5.13).
	{guests: []string{"5.10"}, test: `^(TestPaths/|TestDetach$)`, reason: `^before Linux 5\.13 a trampoline cannot be attached again$`},
	// It came with 6.0.
	{guests: []string{"5.10"}, test: `^TestPaths/io_uring`, reason: `^(multishot )?io_uring is not in this kernel`},
	{
		guests: []string{"arm64-6.1", "arm64-6.12", "arm64-7.3"},
		test:   `^TestTLSMatrix/`, reason: `^(OpenSSL|GnuTLS) of the host is not in this guest$`,
	},
	{guests: []string{"arm64-6.1", "arm64-6.12", "arm64-7.3"}, test: `^TestPaths/io_uring`, reason: `^uring-server is not built for arm64`},
}

// guest is a machine that tests run on.
type guest struct {
	name        string
	kernel      string   // of scripts/kernels.sh
	commandLine string   // besides what every guest's kernel is told
	modules     []string // besides defaultModules
	modes       []string
}

// job is a test binary to run.
type job struct {
	pkg       string
	in        scope
	not       []string // guests
	run, skip string   // as go test's flags; "" is all and none
	short     bool
	env       []string // K=V, besides what doc.go lists
	programs  []string // of this machine, which is in the guest's PATH with its libraries: not for guests of another architecture
	limit     time.Duration
	asked     bool // it runs only where -run says which tests
}

// scope says how often a job runs in a guest.
type scope int

const (
	once       scope = iota // with FATHOM_ATTACH_MODE=auto
	autoMode                // with the mode that auto takes, and has to take
	otherModes              // with each of the others
)

// allowedSkip allows a skip in the guests that are named; in all without names.
type allowedSkip struct {
	guests       []string
	test, reason string // regular expressions: name of the test, with those it is part of; why
}

// What a guest has, unless it is told otherwise.
const (
	outDir        = "build/guests"
	defaultMemory = 2048 // MiB; the integration tests hold BPF maps and many sockets
	defaultCPUs   = 2    // they share one of the host's
	bootLimit     = 2 * time.Minute
)

var defaultModules = []string{"veth"}

// guestNamed returns the guest of the matrix with that name, or one that is just a kernel.
func guestNamed(name string) guest {
	for _, g := range guests {
		if g.name == name {
			return g
		}
	}
	return guest{name: name, kernel: name}
}

// except returns the names of all guests but these.
func except(names ...string) []string {
	var others []string
	for _, g := range guests {
		if !slices.Contains(names, g.name) {
			others = append(others, g.name)
		}
	}
	return others
}

// modesOf returns the modes in which the job runs in the guest.
func (j job) modesOf(g guest) []string {
	if slices.Contains(j.not, g.name) {
		return nil
	}
	switch j.in {
	case once:
		return []string{auto}
	case autoMode:
		return g.modes[:1]
	}
	return g.modes[1:]
}
