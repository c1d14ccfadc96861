package vm

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// machine is how QEMU emulates an architecture.
type machine struct {
	binary        string
	args          []string
	console, port string // devices in the guest: the kernel's messages, wire's messages
}

// The chardevs k and m are the console and the messages.
var machines = map[string]machine{
	"amd64": {
		binary: "qemu-system-x86_64",
		// Five-level page tables would only make the emulated page walks slower. ACPI stays on:
		// it brings the PM timer and the second CPU.
		args: []string{
			"-cpu", "max,la57=off", "-M", "pc,vmport=off,usb=off",
			"-serial", "chardev:k", "-serial", "chardev:m",
		},
		console: "ttyS0", port: "ttyS1",
	},
	"arm64": {
		binary: "qemu-system-aarch64",
		// It has the atomics of LSE and 48-bit addresses, and lacks the pointer authentication and
		// SVE that make max and neoverse-v1 run 1.5 times slower. The console is a PL011; its
		// board has no second serial port, and virtio-console is a module before 6.12.
		args: []string{
			"-cpu", "neoverse-n1", "-M", "virt,gic-version=3,its=off",
			"-serial", "chardev:k", "-device", "pci-serial,chardev=m",
		},
		console: "ttyAMA0", port: "ttyS0",
	},
}

// commandLine is what every kernel is told.
//   - panic and oops: the guest ends at once, and nothing is tested on a damaged kernel.
//   - mitigations, nowatchdog, cryptomgr.notests, audit, tsc: time, which is scarce in emulation.
//     Lockups would be reported wrongly: a vCPU may wait for the host.
//   - nokaslr: addresses in messages can be looked up.
//   - random.trust_cpu: the first getrandom(2) does not wait for entropy.
const commandLine = "quiet panic=-1 oops=panic reboot=t nokaslr mitigations=off tsc=reliable " +
	"nowatchdog random.trust_cpu=on cryptomgr.notests audit=0"

// oldestQEMU is the major version from which on cmpxchg16b is emulated right.
const oldestQEMU = 8

// qemu makes the command that runs the guest; its standard output are the messages.
func (m *Machine) qemu(ctx context.Context, initrd string) (*exec.Cmd, error) {
	image, err := m.Kernel.image()
	if err != nil {
		return nil, err
	}
	arch := machines[m.Kernel.Arch]
	binary, data, err := findQEMU(ctx, arch.binary)
	if err != nil {
		return nil, err
	}
	// thread=single: vCPUs take turns, so that no host thread runs code that another one patches
	// just now, and a guest takes one CPU of the host.
	args := slices.Concat(data, arch.args, []string{
		"-accel", "tcg,thread=single", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-m", strconv.Itoa(m.MemoryMiB), "-smp", strconv.Itoa(m.CPUs),
		"-kernel", image, "-initrd", initrd,
		"-append", fmt.Sprintf("console=%s %s %s", arch.console, commandLine, m.CommandLine),
		"-chardev", "file,id=k,path=" + strings.ReplaceAll(m.Console, ",", ",,"),
		"-chardev", "stdio,id=m,signal=off",
	})
	return exec.CommandContext(ctx, binary, args...), nil
}

// findQEMU returns the emulator that scripts/kernels.sh fetched, with the arguments that name its
// data, or else this machine's own, if it can be used.
func findQEMU(ctx context.Context, name string) (binary string, data []string, err error) {
	cache, err := Cache()
	if err != nil {
		return "", nil, err
	}
	usr := filepath.Join(cache, "qemu", "usr")
	binary = filepath.Join(usr, "bin", name)
	if _, err := os.Stat(binary); err == nil {
		return binary, []string{"-L", filepath.Join(usr, "share/qemu"), "-L", filepath.Join(usr, "share/seabios")}, nil
	}
	binary, err = exec.LookPath(name)
	if err != nil {
		return "", nil, fmt.Errorf("there is no %s; scripts/kernels.sh fetches it: %w", name, err)
	}
	version, err := exec.CommandContext(ctx, binary, "--version").Output()
	if err != nil {
		return "", nil, fmt.Errorf("ask %s for its version: %w", binary, err)
	}
	if major := majorVersion(string(version)); major < oldestQEMU {
		return "", nil, fmt.Errorf("%s is of version %d: before %d it computes flags wrongly after cmpxchg16b, and kernels panic",
			binary, major, oldestQEMU)
	}
	return binary, nil, nil
}

// majorVersion reads what --version prints; 0 if it is something else.
func majorVersion(text string) int {
	found := regexp.MustCompile(`version (\d+)\.`).FindStringSubmatch(text)
	if found == nil {
		return 0
	}
	major, err := strconv.Atoi(found[1])
	if err != nil {
		return 0
	}
	return major
}
