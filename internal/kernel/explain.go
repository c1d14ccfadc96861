package kernel

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// explainLoad turns an error of loading into one that says what to do.
func explainLoad(err error) error {
	_, refused := errors.AsType[*ebpf.VerifierError](err)
	if errors.Is(err, os.ErrPermission) && !refused {
		return fmt.Errorf("load BPF programs: %w: %s", ErrPermission, permissionAdvice(missingCapabilities()))
	}
	return fmt.Errorf("load BPF programs: %w: %s", ErrUnsupported, oneLine(err))
}

// explainAttach does the same for an error of attaching.
func explainAttach(err error) error {
	switch {
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%w: %s (%s)", ErrPermission, permissionAdvice(missingCapabilities()), oneLine(err))
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%w: this tracepoint came with Linux 6.3 (%s)", ErrUnsupported, oneLine(err))
	default:
		return fmt.Errorf("%w: %s", ErrUnsupported, oneLine(err))
	}
}

// missingCapabilities names the capabilities that the programs need and this thread lacks
// (capabilities(7)). CAP_SYS_ADMIN includes both.
func missingCapabilities() []string {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return nil
	}
	has := func(capability int) bool {
		return data[capability/32].Effective&(1<<(capability%32)) != 0
	}
	if has(unix.CAP_SYS_ADMIN) {
		return nil
	}
	var missing []string
	for _, c := range []struct {
		number int
		name   string
	}{{unix.CAP_BPF, "CAP_BPF"}, {unix.CAP_PERFMON, "CAP_PERFMON"}} {
		if !has(c.number) {
			missing = append(missing, c.name)
		}
	}
	return missing
}

func permissionAdvice(missing []string) string {
	if len(missing) == 0 {
		return "no capability is missing, so the kernel forbids it: look at /sys/kernel/security/lockdown, seccomp filters and security modules"
	}
	return "missing " + strings.Join(missing, " and ") + ": run as root, or give them to the process"
}

// oneLine keeps the first line of an error's text.
func oneLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
