// Package requirements is the one table of what Fathom needs of a host and what is lost without
// it: capabilities, taps, properties of the kernel. `fathom doctor`, the agent's errors and
// docs/kernels.md say what stands here.
package requirements

import "slices"

// Linux packs a version of Linux as KERNEL_VERSION() of linux/version.h does.
func Linux(major, minor uint32) uint32 { return major<<16 | minor<<8 }

// Versions of Linux that make a difference to what is needed.
var (
	// Oldest has BPF_PROG_TEST_RUN for raw tracepoints, by which the agent sweeps: upstream
	// 1b4d60ec162f.
	Oldest = Linux(5, 10)
	// mapsCountForCgroup: memory of maps no longer counts against RLIMIT_MEMLOCK.
	mapsCountForCgroup = Linux(5, 11)
	// mapsOpenToOwner: who has a map's descriptor may read it without CAP_BPF, whatever
	// kernel.unprivileged_bpf_disabled says: upstream c8644cd0efe7.
	mapsOpenToOwner = Linux(5, 19)
)

// Use is what attaching takes beyond loading programs; several can be added.
type Use uint8

// What ways of attaching use.
const (
	PerfEvents    Use = 1 << iota // perf_event_open(2)
	TracepointIDs                 // the numbers of tracepoints, which stand in tracefs
	ReturnProbes                  // events made in tracefs, for return probes that follow many calls
	PerfUprobes                   // probes in libraries that are perf events, kept open: see [Situation.TLS]
)

// Situation is what the need for capabilities depends on. The zero value is a current kernel on which
// nothing but raw tracepoints and trampolines is used.
type Situation struct {
	Release uint32 // as of [Linux]; 0: a current one
	Uses    Use    // of the ways of attaching that come first here
	// TLS: the agent reads TLS, at the libraries of processes.
	TLS bool
	// Root: the effective user is root, who owns the files of tracefs.
	Root bool
	// PerfParanoid is the sysctl kernel.perf_event_paranoid.
	PerfParanoid int
	// MemlockShort: the soft limit RLIMIT_MEMLOCK is not "unlimited".
	MemlockShort bool
	// ProcessesHidden: /proc shows a user only its own processes (mount option hidepid).
	ProcessesHidden bool
}

func (s Situation) before(release uint32) bool { return s.Release != 0 && s.Release < release }

// perfRestricted: perf events take CAP_SYS_ADMIN. Above 2 this is a restriction that Debian and Ubuntu add to
// the kernel, and their default.
func (s Situation) perfRestricted() bool { return s.Uses&PerfEvents != 0 && s.PerfParanoid > 2 }

// Need says how much a capability is needed.
type Need string

// The needs.
const (
	Required Need = "required" // without it nothing works
	Wanted   Need = "wanted"   // without it something is missing
	Unneeded Need = "unneeded"
)

// Capability is one of capabilities(7) that Fathom can make use of.
type Capability struct {
	Name   string // as in capabilities(7)
	Number int    // as in include/uapi/linux/capability.h
	// For says what takes it, Where on which kernels and in which circumstances; reading TLS apart, of which
	// [Capability.Purpose] knows, too.
	For, Where string
	// Without says what the user loses without it.
	Without string
	// Instead says what serves as well, other capabilities apart; empty: nothing.
	Instead string
	// Kept says when, and why, it is kept after attaching; empty: it never is.
	Kept string

	need  func(Situation) Need
	keep  func(Situation) bool   // nil: never
	costs func(Situation) string // nil: Without
}

// Need says how much the capability is needed in a situation.
func (c Capability) Need(s Situation) Need {
	need := c.need(s)
	if _, ok := c.takenByTLS(s); ok && need == Unneeded {
		return Wanted
	}
	return need
}

// Costs says what the user loses without the capability in a situation in which it is needed.
func (c Capability) Costs(s Situation) string {
	cost := c.Without
	if c.costs != nil {
		cost = c.costs(s)
	}
	switch r, ok := c.takenByTLS(s); {
	case !ok:
		return cost
	case c.need(s) == Unneeded:
		return r.without
	default:
		return cost + " " + r.without
	}
}

// KeptAfterAttaching tells whether the agent needs the capability for as long as it runs.
func (c Capability) KeptAfterAttaching(s Situation) bool {
	_, ok := c.takenByTLS(s)
	return ok || c.keep != nil && c.keep(s)
}

// MayBeKept tells whether something can take the capability after attaching that the situation does not tell of.
func (c Capability) MayBeKept(s Situation) bool {
	return c.Kept != "" || c.KeptAfterAttaching(s)
}

// Implies tells whether holding this capability serves where the other is asked for:
// bpf_capable() and perfmon_capable() of include/linux/capability.h, and generic_permission() of
// fs/namei.c.
func (c Capability) Implies(other Capability) bool {
	switch c.Name {
	case "CAP_SYS_ADMIN":
		return other.Name == "CAP_BPF" || other.Name == "CAP_PERFMON"
	case "CAP_DAC_OVERRIDE":
		return other.Name == "CAP_DAC_READ_SEARCH"
	}
	return false
}

func always(Situation) Need { return Required }

func never(Situation) Need { return Unneeded }

func wantedIf(f func(Situation) bool) func(Situation) Need {
	return func(s Situation) Need {
		if f(s) {
			return Wanted
		}
		return Unneeded
	}
}

// What is lost where taps cannot be attached through perf.
const (
	withoutPerfTracepoints = "Only raw tracepoints see connections, reads and writes, and miss a few under load: `fathom_lost_total{reason=\"gap\"}`."
	withoutKprobes         = "No HTTP metrics."
	withoutEither          = "From Linux 7.0 on: only raw tracepoints see connections, reads and writes, and miss a few under load. In attach mode `kprobe`: no HTTP metrics."
)

func withoutPerf(s Situation) string {
	if s.Uses&TracepointIDs != 0 && s.Uses&ReturnProbes == 0 { // else kprobes are lost, too
		return withoutPerfTracepoints
	}
	return withoutKprobes
}

var capabilities = []Capability{
	{
		Name: "CAP_BPF", Number: 39,
		For: "making BPF maps and loading programs", Where: "always",
		Without: "The agent does not start.",
		Kept:    "before Linux 5.19, where reading the maps takes it too",
		need:    always,
		keep:    func(s Situation) bool { return s.before(mapsOpenToOwner) },
	},
	{
		Name: "CAP_PERFMON", Number: 38,
		For: "loading programs that read the kernel's memory", Where: "always",
		Without: "The agent does not start.",
		need:    always,
	},
	{
		Name: "CAP_SYS_ADMIN", Number: 21,
		For:     "opening perf events where `kernel.perf_event_paranoid` is above 2, as Debian and Ubuntu set it",
		Where:   "attaching through perf: Linux 7.0 and later, and attach mode `kprobe` (arm64 before 6.3)",
		Without: withoutEither,
		Instead: "`sysctl kernel.perf_event_paranoid=2`",
		need:    wantedIf(Situation.perfRestricted),
		costs:   withoutPerf,
	},
	{
		Name: "CAP_DAC_READ_SEARCH", Number: 2,
		For:     "reading the numbers of tracepoints in tracefs, whose files are root's",
		Where:   "Linux 7.0 and later, as a user other than root",
		Without: withoutPerfTracepoints,
		Instead: "user root, without further capabilities",
		Kept:    "if the files of `--web.config.file` cannot be read without it",
		need:    wantedIf(func(s Situation) bool { return s.Uses&TracepointIDs != 0 && !s.Root }),
	},
	{
		Name: "CAP_DAC_OVERRIDE", Number: 1,
		For:     "making return probes in tracefs that follow 4,096 calls at one time",
		Where:   "attach mode `kprobe` (arm64 before 6.3), as a user other than root",
		Without: "They follow a handful of calls, as many as there are CPUs or twice that. Of the other threads that wait in a read at the same time the bytes are lost (`fathom_lost_bytes_total{reason=\"untapped\"}`).",
		Instead: "user root, without further capabilities",
		Kept:    "to remove the probes at the end",
		need:    wantedIf(func(s Situation) bool { return s.Uses&ReturnProbes != 0 && !s.Root }),
		keep:    func(s Situation) bool { return s.Uses&ReturnProbes != 0 && !s.Root },
	},
	{
		Name: "CAP_SYS_RESOURCE", Number: 24,
		For:     "raising the limit of locked memory, which counts the maps",
		Where:   "before Linux 5.11",
		Without: "The agent does not start.",
		Instead: "`ulimit -l unlimited`, systemd: `LimitMEMLOCK=infinity`",
		need: func(s Situation) Need {
			if s.before(mapsCountForCgroup) && s.MemlockShort {
				return Required
			}
			return Unneeded
		},
	},
	{
		Name: "CAP_SYS_PTRACE", Number: 19,
		For:     "seeing which processes of a workload live",
		Where:   "where `/proc` is mounted with `hidepid`",
		Without: "Workloads count as ended when they are idle: their series leave early, and start from zero when they come back.",
		Instead: "a group that the mount option `gid` names",
		Kept:    "always where it is needed",
		need:    wantedIf(func(s Situation) bool { return s.ProcessesHidden }),
		keep:    func(s Situation) bool { return s.ProcessesHidden },
	},
	{Name: "CAP_CHECKPOINT_RESTORE", Number: 40, need: never},
}

// Capabilities returns all capabilities that Fathom can make use of, the most important first.
func Capabilities() []Capability { return slices.Clone(capabilities) }

// Needed returns the capabilities that are needed in a situation.
func Needed(s Situation) []Capability {
	return slices.DeleteFunc(Capabilities(), func(c Capability) bool { return c.Need(s) == Unneeded })
}

// Kept returns the capabilities that the agent needs for as long as it runs.
func Kept(s Situation) []Capability {
	return slices.DeleteFunc(Capabilities(), func(c Capability) bool { return !c.KeptAfterAttaching(s) })
}

// Named returns the capability of that name, which must be in the table.
func Named(name string) Capability {
	i := slices.IndexFunc(capabilities, func(c Capability) bool { return c.Name == name })
	return capabilities[i]
}
