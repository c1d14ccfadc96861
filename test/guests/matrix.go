package main

import (
	"slices"
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

// jobs is what runs in each guest. In a guest on an idle machine most of TestPaths takes one to two
// minutes; the whole matrix has to end within half an hour on two CPUs, so the CPU seconds of all
// guests (results.md) may add up to 3,000. What is left out is what does not differ between
// kernels. The limits are for guests that hang: far more than a busy machine takes.
var jobs = []job{
	{
		pkg: "./internal/kernel", in: once, not: []string{"6.1-full", "6.12-full"}, // the same kernels
		run:   "^(TestVerifierBudget|TestVerifierPage|TestModes|TestHeadLengths|TestFacts)$",
		limit: 6 * time.Minute,
	},
	{
		// What is done when the kernel refuses something, and with which privileges, on the oldest and the newest.
		pkg: "./internal/kernel", in: once, not: except("5.10", "7.3", "arm64-6.1"),
		skip:  "^(TestVerifierBudget|TestVerifierPage|TestModes|TestHeadLengths|TestFacts)$",
		limit: 6 * time.Minute,
	},
	{
		pkg: "./cmd/fathom", in: once, not: except("5.10", "7.3", "arm64-6.1"),
		run: "^(TestLeastPrivilege|TestRootGivesUp|TestMissingCapability|TestFileCapabilities|TestLockedMemory|" +
			"TestDoctor.*|TestNotPermitted)$",
		limit: 6 * time.Minute,
	},
	{
		pkg: "./test/integration", in: autoMode, short: true,
		run: "^(TestAutoMode|TestPaths|TestServers|TestLastByte|TestOverloadedServer|TestMixedClasses|TestTCPCounters|TestTCPSamples|TestConnectFailures|" +
			"TestRetransmits|TestActive|TestListener|TestPeers|TestBounds)$",
		skip: "^TestPaths$/^(method_|in_pieces_of_([4-9]|1[0-9]),|first_([2-9]|1[0-57-9])_bytes|" +
			"writev_and_readv_of_([2-9]|1[0-9])_|.*_of_([235]|16)_bytes_each$|interim_and_.*_(2[1-9]|3[0-8])$|" +
			"random_bytes_|exchanges_of_random_)",
		limit: 15 * time.Minute,
	},
	{
		// How bytes are cut and parsed does not depend on the mode; where they are seen does.
		pkg: "./test/integration", in: otherModes, short: true,
		run: "^(TestPaths|TestServers|TestLastByte|TestTCPCounters)$",
		skip: "^TestPaths$/^(method_|in_pieces_|first_|slow_|stream_|random_bytes_|exchanges_of_random_|long_|" +
			"rest_|interim_and_|writev_and_readv_of_([2-9]|1[0-9])_|.*_bytes_each$|answered_with_|[234]_re|" +
			"closed_|server_speaks_|redis|http_|tls|10[01]_|CONNECT)|^TestServers$/oversubscribed",
		limit: 10 * time.Minute,
	},
	{
		// Probes of user space are attached in two ways, return by three, and some kernels kill strict processes for them.
		pkg: "./test/integration", in: once, not: []string{"6.1-full", "6.12-full", "arm64-6.12"}, short: true,
		run:   "^(TestTLSMatrix|TestTLSStrictSeccomp)$",
		skip:  "^TestTLSMatrix$/^(python|curl|node|nginx|go_stripped|OpenSSL_(1|3|4|of_sid)|BoringSSL|GnuTLS_(3|of_sid)|.*_(plain_client|ex_server|apart_server)$)",
		limit: 10 * time.Minute,
	},
	{
		// Who else uses BPF maps there makes the kernel skip what is attached through perf.
		pkg: "./test/integration", in: once, not: except("7.3", "arm64-7.3"), short: true,
		run:   "^TestMapsInUse$",
		limit: 10 * time.Minute,
	},
	{
		// As many probes as there can be at once, with tasks that are preempted inside of them: has crashed 6.18.
		pkg: "./test/integration", in: once, not: except("6.18"), short: true,
		run:   "^TestTLSAttachUnderLoad$",
		limit: 10 * time.Minute,
	},
}

// allowedSkips are the tests that may be skipped, with the reason that they give. Every other
// skip fails, and so does an entry that nothing needed in a whole run.
var allowedSkips = []allowedSkip{
	// A guest has no program but the tests; `make test` runs these against the real servers.
	{test: `^TestServers/(nginx|node|python)`, reason: `^(nginx|node|python3) is not in this guest$`},
	// The page is compared with the table where both are: on the host.
	{test: `^TestVerifierPage$`, reason: `^the documents are not in the guest$`},
	// sock_send_length and sock_recv_length came with Linux 6.3.
	{guests: []string{"5.10", "6.1", "arm64-6.1"}, test: `^TestModes/tracepoint$`, reason: `has no mode tracepoint$`},
	// arm64 calls trampolines from 6.4 on.
	{guests: []string{"arm64-6.1"}, test: `^TestModes/trampoline$`, reason: `has no mode trampoline$`},
	// Debian turned CONFIG_MPTCP on after 5.10.
	{guests: []string{"5.10"}, test: `^TestPaths/mptcp`, reason: `^MPTCP is not in this kernel`},
	// The 32-bit calls are those of x86.
	{guests: []string{"arm64-6.1", "arm64-6.12", "arm64-7.3"}, test: `^TestPaths/.*32-bit`, reason: `^int 0x80 is not in this architecture$`},
	// Debian turned CONFIG_TLS on after 5.10.
	{guests: []string{"5.10"}, test: `^TestPaths/kTLS$`, reason: `^kTLS is not in this kernel$`},
	// The kernel accounts BPF maps to cgroups from 5.11 on.
	{
		guests: []string{"7.3", "arm64-6.1"},
		test:   `^TestLockedMemory$`, reason: `^this kernel does not count maps against RLIMIT_MEMLOCK$`,
	},
	// Upstream f3a95075549e (5.13).
	{guests: []string{"5.10"}, test: `^(TestPaths/|TestDetach$)`, reason: `^before Linux 5\.13 a trampoline cannot be attached again$`},
	// It came with 6.0.
	{guests: []string{"5.10"}, test: `^TestPaths/io_uring`, reason: `^(multishot )?io_uring is not in this kernel`},
	{
		guests: []string{"arm64-6.1", "arm64-6.12", "arm64-7.3"},
		test:   `^TestTLS(Matrix/|StrictSeccomp/)`, reason: `^(OpenSSL|GnuTLS) of the host is not in this guest$`,
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
	limit     time.Duration
}

// scope says how often a job runs in a guest.
type scope int

const (
	once       scope = iota // with FATHOM_ATTACH_MODE=auto
	autoMode                // with the mode that auto takes, by name
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
