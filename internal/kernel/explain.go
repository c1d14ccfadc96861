package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/fathomhq/fathom/internal/privileges"
	"github.com/fathomhq/fathom/internal/requirements"
)

// explainLoad turns an error of loading into one that says what to do.
func explainLoad(err error) error {
	_, refused := errors.AsType[*ebpf.VerifierError](err)
	filter := filterOf(bpfCall, err)
	switch {
	case filter != nil:
		return fmt.Errorf("load BPF programs: %w: %w (%s)", ErrPermission, filtered(filter, "CAP_BPF", "CAP_PERFMON"), oneLine(err))
	case errors.Is(err, os.ErrPermission) && !refused:
		lacking := missing("CAP_BPF", "CAP_PERFMON")
		if lacking == nil {
			return fmt.Errorf("load BPF programs: %w: %s (%s)", ErrPermission, permissionAdvice(nil), oneLine(err))
		}
		return fmt.Errorf("load BPF programs: %w: %s", ErrPermission, permissionAdvice(lacking))
	case lockedDown():
		// The verifier knows no helper that reads the kernel's memory then.
		return fmt.Errorf("load BPF programs: %w: %s (%s)", ErrPermission, lockdownAdvice, oneLine(err))
	case errors.Is(err, unix.ENOSYS):
		return fmt.Errorf("load BPF programs: %w: it has no system call bpf (CONFIG_BPF_SYSCALL), or something hides it (%s)", ErrUnsupported, oneLine(err))
	default:
		return fmt.Errorf("load BPF programs: %w: %s", ErrUnsupported, oneLine(err))
	}
}

// filtered puts the capabilities that are missing in front of what a filter answers: profiles may go by them.
func filtered(filter *FilteredError, capabilities ...string) error {
	lacking := missing(capabilities...)
	if lacking == nil {
		return filter
	}
	return fmt.Errorf("%s; and %w", permissionAdvice(lacking), filter)
}

// explainAttach does the same for an error of attaching.
func explainAttach(err error) error {
	file, isFile := errors.AsType[*fs.PathError](err)
	call := bpfCall
	if _, perf := errors.AsType[perfError](err); perf {
		call = perfCall
	}
	if filter := filterOf(call, err); filter != nil && !isFile {
		return fmt.Errorf("%w: %w (%s)", ErrPermission, filtered(filter, "CAP_BPF", "CAP_PERFMON"), oneLine(err))
	}
	var why error
	var advice string
	switch {
	case errors.Is(err, os.ErrPermission) && isFile:
		why, advice = ErrPermission, tracefsAdvice(file)
	case errors.Is(err, unix.EACCES): // of perf_event_open(); bpf() says EPERM
		why, advice = ErrPermission, perfAdvice()
	case errors.Is(err, os.ErrPermission):
		why, advice = ErrPermission, permissionAdvice(missing("CAP_BPF", "CAP_PERFMON"))
	case errors.Is(err, ebpf.ErrNotSupported):
		why, advice = ErrUnsupported, "it has no BPF trampolines for this architecture (arm64 has them from Linux 6.4 on)"
	case errors.Is(err, os.ErrNotExist):
		why, advice = ErrUnsupported, "it has no such tracepoint or function"
	case errors.Is(err, unix.EINVAL):
		why, advice = ErrUnsupported, "the tracepoint or function has other arguments here than those that Fathom reads"
	default:
		return fmt.Errorf("%w: %s", ErrUnsupported, oneLine(err))
	}
	return fmt.Errorf("%w: %s (%s)", why, advice, oneLine(err))
}

// explainProbe does the same for an error of attaching uprobes.
func explainProbe(err error) error {
	if errors.Is(err, unix.EACCES) && missing("CAP_SYS_ADMIN") != nil {
		return fmt.Errorf("%w: missing CAP_SYS_ADMIN, which uprobes take before Linux %s (%s)", ErrPermission, release(requirements.LinksOfProbes), oneLine(err))
	}
	return explainAttach(err)
}

// explainSweep does the same for an error of running the sweep for the first time.
func explainSweep(err error) error {
	if errors.Is(err, ebpf.ErrNotSupported) {
		return fmt.Errorf("%w: it cannot run such programs on demand (Linux %s can): %w", ErrUnsupported, release(requirements.Oldest), err)
	}
	return err
}

// missing returns those of the capabilities that count for nothing in this process.
func missing(names ...string) []string {
	held, err := privileges.Effective()
	if err != nil {
		return nil
	}
	var out []string
	for _, name := range names {
		if !held.Serves(requirements.Named(name)) {
			out = append(out, name)
		}
	}
	return out
}

const lockdownAdvice = "kernel lockdown is in confidentiality mode, which forbids BPF programs to read the kernel's memory: boot with lockdown=integrity, or without"

func permissionAdvice(missing []string) string {
	switch {
	case len(missing) > 0:
		return "missing " + strings.Join(missing, " and ") + ": run as root, or give them to the process"
	case lockedDown():
		return lockdownAdvice
	case filterInForce():
		return "no capability is missing: this kernel, a security module or the seccomp filter that is in force forbids it"
	default:
		return "no capability is missing: this kernel or a security module forbids it"
	}
}

// perfAdvice is for a perf event that was refused.
func perfAdvice() string {
	if advice := missing("CAP_PERFMON"); advice != nil {
		return permissionAdvice(advice)
	}
	if paranoid := perfParanoid(); paranoid > 2 && missing("CAP_SYS_ADMIN") != nil {
		return fmt.Sprintf("missing CAP_SYS_ADMIN, since kernel.perf_event_paranoid is %d: give it to the process, or set that to 2", paranoid)
	}
	return permissionAdvice(nil)
}

// tracefsAdvice is for a file of tracefs that was refused.
func tracefsAdvice(file *fs.PathError) string {
	need := "CAP_DAC_READ_SEARCH"
	if strings.HasSuffix(file.Path, "/kprobe_events") {
		need = "CAP_DAC_OVERRIDE"
	}
	if missing(need) == nil || os.Geteuid() == 0 {
		return permissionAdvice(nil)
	}
	return "missing " + need + ", since tracefs is root's: run as root, or give it to the process"
}

// perfParanoid returns the sysctl kernel.perf_event_paranoid; where it cannot be read, what the
// kernel itself has.
func perfParanoid() int {
	const unset = 2
	text, err := os.ReadFile("/proc/sys/kernel/perf_event_paranoid")
	if err != nil {
		return unset
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return unset
	}
	return n
}

// lockedDown tells whether the kernel keeps its memory from everybody.
func lockedDown() bool {
	text, err := os.ReadFile("/sys/kernel/security/lockdown")
	return err == nil && strings.Contains(string(text), "[confidentiality]")
}

// oneLine keeps the first line of an error's text.
func oneLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
