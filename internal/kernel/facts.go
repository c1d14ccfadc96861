package kernel

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"

	"github.com/fathomhq/fathom/internal/preemption"
)

// facts are what the programs and the choice of attach modes depend on.
type facts struct {
	release release
	types   *btf.Spec
	cache   *btf.Cache // of the types: megabytes, for the time of loading
	// readOnlyCast: the kfunc bpf_rdonly_cast (6.2), by which programs read kernel memory with
	// plain loads.
	readOnlyCast bool
	// retransmitError: the tracepoint tcp_retransmit_skb has a third argument, the error (6.13).
	retransmitError bool
	// fetchingAtomics: atomic instructions that return what was there before (5.12).
	fetchingAtomics bool
	// harmlessReturns: no seccomp filter kills a process for a return probe.
	harmlessReturns bool
	// preempted: tasks that run in the kernel are preempted, as far as that can be found out.
	preempted bool
}

func readFacts() (*facts, error) {
	text, err := releaseText()
	if err != nil {
		return nil, err
	}
	running, err := parseRelease(text)
	if err != nil {
		return nil, err
	}
	f := &facts{release: running, harmlessReturns: harmlessReturns(text, runtime.GOARCH), cache: btf.NewCache()}
	if f.types, err = kernelTypes(f.cache); err != nil {
		return nil, err
	}
	f.readOnlyCast = f.hasFunction("bpf_rdonly_cast")
	f.retransmitError = f.tracepointArguments("tcp_retransmit_skb") == 3
	f.fetchingAtomics = hasFetchingAtomics()
	f.preempted = preempts()
	return f, nil
}

func kernelTypes(cache *btf.Cache) (*btf.Spec, error) {
	types, err := cache.Kernel()
	switch {
	case os.IsPermission(err):
		return nil, fmt.Errorf("read the kernel's BTF (/sys/kernel/btf/vmlinux): %w: run as root, or with CAP_BPF and CAP_PERFMON", ErrPermission)
	case err != nil:
		return nil, fmt.Errorf("read the kernel's BTF (/sys/kernel/btf/vmlinux): %w: a kernel with CONFIG_DEBUG_INFO_BTF is needed: %w", ErrUnsupported, err)
	}
	return types, nil
}

func (f *facts) hasFunction(name string) bool {
	var fn *btf.Func
	return f.types.TypeByName(name, &fn) == nil
}

// tracepointArguments returns how many arguments a tracepoint has, -1 if there is none of this name. The
// kernel's BTF has a function type for each, with the probe's data as one more argument in front.
func (f *facts) tracepointArguments(name string) int {
	var t *btf.Typedef
	if f.types.TypeByName("btf_trace_"+name, &t) != nil {
		return -1
	}
	if p, ok := t.Type.(*btf.Pointer); ok {
		if fn, ok := p.Target.(*btf.FuncProto); ok {
			return len(fn.Params) - 1
		}
	}
	return -1
}

// hasFetchingAtomics loads the smallest program that has such an instruction.
func hasFetchingAtomics() bool {
	add := asm.FetchAdd.Mem(asm.RFP, asm.R1, asm.DWord, -8)
	add.Constant = int64(asm.FetchAdd) >> 8 // the library, in version 0.22, makes a plain addition of it otherwise
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.SocketFilter, License: "GPL",
		Instructions: asm.Instructions{
			asm.Mov.Imm(asm.R1, 1),
			asm.StoreMem(asm.RFP, -8, asm.R1, asm.DWord),
			add,
			asm.Mov.Imm(asm.R0, 0),
			asm.Return(),
		},
	})
	if err != nil {
		// A lack of permission will show again, with advice, when the programs are loaded.
		return errors.Is(err, os.ErrPermission)
	}
	_ = p.Close()
	return true
}

func preempts() bool {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return false
	}
	release, version := unix.ByteSliceToString(u.Release[:]), unix.ByteSliceToString(u.Version[:])
	return preemption.Read(os.DirFS("/"), release, version).Known()
}
