package requirements

import (
	"slices"
	"strings"
)

// LinksOfProbes is the version of Linux that has links of many uprobes, which take no capability: upstream
// 89ae89f53d20.
var LinksOfProbes = Linux(6, 6)

// reading says what reading TLS takes a capability for, beyond what the rest takes it for. All of it is kept: processes
// begin as long as the agent runs.
type reading struct {
	capability string
	// what, where, without, instead are the fields of [Capability] of like names.
	what, where, without, instead string
	need                          func(Situation) bool
}

const (
	otherwiseOpaque = " Such processes are opaque, `not_permitted`."
	withoutUprobes  = "No TLS is read: all processes that speak it are opaque, `not_permitted`."
)

// readings in the order of their weight. Seen on Linux 6.18 by processes with parts of them; the rules are
// __ptrace_may_access() of kernel/ptrace.c and cap_ptrace_access_check() of security/commoncap.c, proc_fd_permission()
// of fs/proc/fd.c, proc_map_files_get_link() of fs/proc/base.c, perf_uprobe_event_init() of kernel/events/core.c.
var readings = []reading{
	{
		capability: "CAP_SYS_PTRACE",
		what:       "reading what other processes have mapped (`/proc/PID/maps`, `root`, `exe`)", where: "always",
		without: "TLS is read only of processes of the agent's own user that have no capability that the agent does not have. The others are opaque, `not_permitted`.",
		need:    func(s Situation) bool { return s.TLS },
	},
	{
		capability: "CAP_SYS_ADMIN",
		what:       "opening perf events for uprobes. `CAP_PERFMON` does not suffice, from 5.10.240, 5.15.189 and 6.1.146 on (upstream ba677dbe77af)", where: "before Linux 6.6",
		without: withoutUprobes,
		need:    func(s Situation) bool { return s.TLS && s.Uses&PerfUprobes != 0 },
	},
	{
		capability: "CAP_DAC_READ_SEARCH",
		what:       "reading programs and libraries that are not readable for all, and `/proc/PID/map_files` of other users' processes", where: "always",
		without: "TLS is not read of other users' processes whose program or library only its owner may read, or was deleted." + otherwiseOpaque,
		need:    func(s Situation) bool { return s.TLS },
	},
	{
		capability: "CAP_CHECKPOINT_RESTORE",
		what:       "reading libraries that have no name any more (`/proc/PID/map_files`)", where: "always",
		without: "TLS is not read of processes whose library was deleted or replaced since they began, as updates do." + otherwiseOpaque,
		instead: "restarting them",
		need:    func(s Situation) bool { return s.TLS },
	},
}

// readingOf returns what reading TLS takes the capability for.
func (c Capability) readingOf() (reading, bool) {
	i := slices.IndexFunc(readings, func(r reading) bool { return r.capability == c.Name })
	if i < 0 {
		return reading{}, false
	}
	return readings[i], true
}

// takenByTLS tells whether reading TLS takes the capability in a situation.
func (c Capability) takenByTLS(s Situation) (reading, bool) {
	r, ok := c.readingOf()
	return r, ok && r.need(s)
}

// Purpose says what takes the capability in a situation.
func (c Capability) Purpose(s Situation) string {
	r, ok := c.takenByTLS(s)
	switch {
	case !ok:
		return c.For
	case c.need(s) == Unneeded:
		return r.what
	}
	return c.For + "; " + r.what
}

// Substitute says what serves as well in a situation, other capabilities apart; empty: nothing.
func (c Capability) Substitute(s Situation) string {
	switch r, ok := c.takenByTLS(s); {
	case !ok:
		return c.Instead
	case c.need(s) == Unneeded:
		return r.instead
	}
	return "" // nothing serves for both
}

// OnlyTLS tells that nothing but reading TLS ever takes the capability.
func (c Capability) OnlyTLS() bool { return c.For == "" }

// TLSTable returns what reading TLS takes each capability for, as a table in Markdown.
func TLSTable() string {
	var b strings.Builder
	b.WriteString("| capability | what for | where | without it | instead |\n|---|---|---|---|---|\n")
	for _, r := range readings {
		b.WriteString("| `" + strings.Join([]string{r.capability + "`", r.what, r.where, r.without, r.instead}, " | ") + " |\n")
	}
	return b.String()
}
