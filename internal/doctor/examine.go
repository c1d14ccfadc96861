package doctor

import (
	"fmt"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/fathomhq/fathom/internal/preemption"
	"github.com/fathomhq/fathom/internal/requirements"
)

// examine holds a function for each condition of internal/requirements.
var examine = map[string]func(examination) Finding{
	"kernel":       examination.kernel,
	"architecture": func(e examination) Finding { return good(runtime.GOARCH) },
	"preemption":   examination.preempts,
	"btf":          examination.types,
	"lockdown":     examination.lockedDown,
	"seccomp":      examination.seccomp,
	"memlock":      examination.lockedMemory,
	"perf":         examination.perfEvents,
	"tracefs":      examination.tracefsUse,
	"cgroup":       examination.cgroups,
	"processes":    examination.processes,
	"tls":          examination.tls,
	"namespaces":   examination.namespaces,
}

func good(value string) Finding { return Finding{Status: OK, Value: value} }

func unneeded(value string) Finding { return Finding{Status: Unneeded, Value: value} }

// bad is a finding of which the table says what it costs. ADVICE, which may be empty, precedes that.
func bad(condition, value, advice string) Finding {
	for _, c := range requirements.Conditions() {
		if c.Name == condition {
			status := Gap
			if c.Fatal {
				status = Fails
			}
			return Finding{Status: status, Value: value, Problem: strings.TrimSpace(advice + " " + c.Without)}
		}
	}
	return Finding{Status: Fails, Value: value, Problem: advice}
}

// symptom is a finding whose reason is a capability that is missing, which tells the rest.
func symptom(value string) Finding { return Finding{Status: Gap, Value: value} }

func (e examination) kernel() Finding {
	// What works, works: distributions take parts of later kernels into theirs.
	if s := e.probe.Situation; e.failure != nil && s.Release != 0 && s.Release < requirements.Oldest {
		return bad("kernel", e.release, "Linux 5.10 or later is needed.")
	}
	return good(e.release)
}

func (e examination) preempts() Finding {
	value := fmt.Sprintf("%s (%s)", e.preemption.Name, e.preemption.Source)
	if len(e.probe.Preemptible) == 0 || !e.preemption.Possible() {
		return good(value)
	}
	programs := strings.Join(e.probe.Preemptible, " and ")
	if e.preemption.Name == preemption.Unknown {
		f := good(value)
		f.Problem = fmt.Sprintf("If this kernel preempts tasks inside of it, runs of %s can be missed, and are counted: `fathom_lost_total{reason=\"missed_run\"}`.", programs)
		return f
	}
	return bad("preemption", value, "The programs of "+programs+" can be preempted here.")
}

func (e examination) types() Finding {
	if e.btf != nil {
		return bad("btf", "missing", "The kernel was built without CONFIG_DEBUG_INFO_BTF.")
	}
	return good("/sys/kernel/btf/vmlinux")
}

func (e examination) lockedDown() Finding {
	switch e.lockdown {
	case "":
		return good("none")
	case "confidentiality":
		if e.failure != nil {
			return bad("lockdown", e.lockdown, "It forbids to read the kernel's memory: boot with lockdown=integrity, or without.")
		}
	}
	return good(e.lockdown)
}

func (e examination) seccomp() Finding {
	if !e.filtered {
		return unneeded("none")
	}
	f := good("filter in force")
	for _, filter := range e.probe.Filters {
		f.Value += fmt.Sprintf(", answers %s to %s", unix.ErrnoName(filter.Answer), filter.Call)
		f.Problem = strings.TrimSpace(f.Problem + " " + sentence(upper(filter.Advice())))
		f.Status = Gap
		if e.failure != nil {
			f.Status = Fails
			continue // the summary says it
		}
		// What is lost is lost with the capability, too.
		f.Problem += " " + requirements.Named("CAP_SYS_ADMIN").Costs(e.probe.Situation)
	}
	return f
}

// upper begins a text as a sentence does.
func upper(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

func (e examination) lockedMemory() Finding {
	value := "unlimited"
	if e.memlock != unix.RLIM_INFINITY {
		value = fmt.Sprintf("%d KiB", e.memlock>>10)
	}
	limited := requirements.Named("CAP_SYS_RESOURCE").Need(e.probe.Situation) == requirements.Required
	switch {
	case !limited && e.probe.Situation.Release >= requirements.Linux(5, 11):
		return unneeded(value)
	case limited && e.lacks("CAP_SYS_RESOURCE"):
		return bad("memlock", value, "It counts the maps here: ulimit -l unlimited, systemd: LimitMEMLOCK=infinity.")
	}
	return good(value)
}

func (e examination) perfEvents() Finding {
	value := fmt.Sprintf("kernel.perf_event_paranoid = %d", e.probe.Situation.PerfParanoid)
	switch {
	case e.probe.Situation.Uses&requirements.PerfEvents == 0:
		return unneeded(value)
	case e.lacks("CAP_SYS_ADMIN"):
		return symptom(value + ", which asks for CAP_SYS_ADMIN")
	}
	return good(value)
}

func (e examination) tracefsUse() Finding {
	uses := e.probe.Situation.Uses
	switch {
	case uses&(requirements.TracepointIDs|requirements.ReturnProbes) == 0:
		return unneeded(e.tracefs.mount)
	case e.tracefs.mount == "":
		return bad("tracefs", "not mounted", "Mount it: mount -t tracefs tracefs /sys/kernel/tracing.")
	case e.lacks("CAP_DAC_READ_SEARCH"):
		return symptom(e.tracefs.mount + ", not readable")
	case e.lacks("CAP_DAC_OVERRIDE"):
		return symptom(e.tracefs.mount + ", not writable")
	case uses&requirements.TracepointIDs != 0 && e.tracefs.readable != nil:
		return bad("tracefs", e.tracefs.mount+", not readable", "")
	case uses&requirements.ReturnProbes != 0 && e.tracefs.writable != nil:
		return bad("tracefs", e.tracefs.mount+", not writable", "")
	}
	return good(e.tracefs.mount)
}

func (e examination) cgroups() Finding {
	switch {
	case e.cgroup.v2 != "" && e.cgroup.v1:
		return good("hybrid: version 2 at " + e.cgroup.v2)
	case e.cgroup.v2 != "":
		return good("version 2 at " + e.cgroup.v2)
	case e.cgroup.v1:
		return bad("cgroup", "version 1 only", "")
	}
	return bad("cgroup", "not mounted", "")
}

func (e examination) processes() Finding {
	switch {
	case !e.probe.Situation.ProcessesHidden:
		return unneeded("all visible")
	case e.lacks("CAP_SYS_PTRACE"):
		return symptom("/proc is mounted with hidepid, which asks for CAP_SYS_PTRACE")
	}
	return good("/proc is mounted with hidepid, which does not matter to CAP_SYS_PTRACE")
}

func (e examination) tls() Finding {
	value := "uprobes, as perf events"
	if e.probe.TLS.Links {
		value = "uprobes, by links of many"
	}
	switch {
	case !e.probe.Situation.TLS:
		return unneeded("not read without --tls; this kernel has " + value)
	case e.lacks("CAP_SYS_ADMIN") && e.probe.Situation.Uses&requirements.PerfUprobes != 0 && (!e.probe.TLS.Tried || e.probe.TLS.Err != nil):
		return symptom(value + ", which ask for CAP_SYS_ADMIN")
	case !e.probe.TLS.Tried:
		return unneeded(notTried)
	case e.probe.TLS.Err != nil:
		return bad("tls", value+", cannot be attached", sentence(e.probe.TLS.Err.Error()))
	}
	return good(value)
}

// sentence ends a text that is to be followed by another.
func sentence(text string) string { return strings.TrimSuffix(text, ".") + "." }

func (e examination) namespaces() Finding {
	if len(e.foreign) == 0 {
		return unneeded("the host's own")
	}
	return bad("namespaces", "in another "+strings.Join(e.foreign, ", ")+" namespace than the host's", "")
}
