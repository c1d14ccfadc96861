package requirements

import "slices"

// Condition is a property of the host that matters, capabilities and taps apart.
type Condition struct {
	Name string // as `fathom doctor` calls it
	// Needs says what it should be, Without what happens otherwise.
	Needs, Without string
	// Fatal: without it the agent does not start.
	Fatal bool
}

var conditions = []Condition{
	{
		Name: "kernel", Fatal: true,
		Needs:   "Linux 5.10 or later. (Programs for raw tracepoints can be run on demand since then, which the agent does to go over the open connections. Enterprise kernels of a lower number may have that, too: it is tried.)",
		Without: "The agent does not start.",
	},
	{
		Name: "architecture", Fatal: true,
		Needs:   "x86-64 or arm64.",
		Without: "There is no binary.",
	},
	{
		Name:    "preemption",
		Needs:   "Any. Where the kernel may preempt a task inside a program, a program that is on the way on a CPU is skipped for others there: see [which way is taken](#which-way-is-taken).",
		Without: "Runs can be missed, and are counted: `fathom_lost_total{reason=\"missed_run\"}`, or `gap` where taps are attached twice.",
	},
	{
		Name: "btf", Fatal: true,
		Needs:   "`/sys/kernel/btf/vmlinux` (CONFIG_DEBUG_INFO_BTF): type information, by which the programs find the fields of this kernel.",
		Without: "The agent does not start.",
	},
	{
		Name: "lockdown", Fatal: true,
		Needs:   "`none` or `integrity`. `confidentiality` forbids everybody to read the kernel's memory.",
		Without: "The agent does not start.",
	},
	{
		Name:    "seccomp",
		Needs:   "No filter, or one that lets `bpf` through and, where taps are attached through perf, `perf_event_open`. Some profiles of container runtimes answer EPERM or ENOSYS to them: [in Kubernetes](kubernetes.md#seccomp).",
		Without: "Without `bpf` the agent does not start. Without `perf_event_open`: as for `perf`.",
	},
	{
		Name: "memlock", Fatal: true,
		Needs:   "Before Linux 5.11: RLIMIT_MEMLOCK is unlimited, or may be raised (`CAP_SYS_RESOURCE`). Later kernels count the maps for the cgroup.",
		Without: "The agent does not start.",
	},
	{
		Name:    "perf",
		Needs:   "Where taps are attached through perf: `kernel.perf_event_paranoid` is 2 or less, or `CAP_SYS_ADMIN`.",
		Without: withoutEither,
	},
	{
		Name:    "tracefs",
		Needs:   "Where taps are attached through perf: `/sys/kernel/tracing` is mounted and can be read; in attach mode `kprobe`: be written.",
		Without: "As for `perf`. Attach mode `kprobe` works without, but follows fewer calls at one time.",
	},
	{
		Name:    "cgroup",
		Needs:   "Version 2, alone or beside version 1 (hybrid).",
		Without: "All processes are in one cgroup: workloads are named after their process.",
	},
	{
		Name:    "processes",
		Needs:   "`/proc` shows all processes: no mount option `hidepid`, or `CAP_SYS_PTRACE`.",
		Without: "Workloads count as ended when they are idle: their series leave early, and start from zero when they come back.",
	},
	{
		Name:    "tls",
		Needs:   "With `--tls`: uprobes (CONFIG_UPROBE_EVENTS), from Linux 6.6 on by links of many, before as perf events, which take `CAP_SYS_ADMIN`. Seccomp filters and security modules must let the agent read other processes: [in Kubernetes](kubernetes.md#https).",
		Without: withoutUprobes,
	},
	{
		Name:    "namespaces",
		Needs:   "The host's PID namespace (in Kubernetes: `hostPID`) and user namespace, and its cgroup namespace, unless `--cgroup-root` says where the host's cgroups are.",
		Without: "PID: workloads outside are not known to have ended, and keep their places in the tables. Cgroup: they count as ended when they are idle. User: capabilities do not count for BPF, the agent does not start.",
	},
}

// Conditions returns the properties of a host that matter.
func Conditions() []Condition { return slices.Clone(conditions) }
