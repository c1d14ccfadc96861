package kernel

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/rlimit"

	"github.com/fathomhq/fathom/internal/requirements"
)

// loader makes the maps and loads programs one by one: those that are not attached on this kernel are never
// loaded, and one that the kernel refuses does not stop the others.
type loader struct {
	spec    *ebpf.CollectionSpec
	facts   *facts
	maps    *ebpf.Collection
	options ebpf.CollectionOptions // for the programs
	pending *ebpf.Map
	log     *slog.Logger
}

// newLoader reads the object, adapts it to the kernel, and makes the maps. The loader is closed
// as soon as the programs are loaded: they keep the maps.
func newLoader(o Options, bounds [256]uint64, f *facts, log *slog.Logger) (*loader, error) {
	// Kernels before 5.11 count maps against RLIMIT_MEMLOCK.
	limit := rlimit.RemoveMemlock()
	spec, err := readObject(o.Object, log)
	if err != nil {
		return nil, fmt.Errorf("read the BPF object: %w", err)
	}
	l := &loader{spec: spec, facts: f, options: ebpf.CollectionOptions{Cache: f.cache}, log: log}
	if err := sizeMaps(spec, o, l.facts); err != nil {
		return nil, err
	}
	if err := setConstants(spec, o, bounds, l.facts); err != nil {
		return nil, err
	}
	if o.Empty {
		empty(spec)
	}
	if !l.facts.fetchingAtomics {
		dropFetchingAtomics(spec)
	}
	if l.maps, err = ebpf.NewCollectionWithOptions(without(spec), l.options); err != nil {
		if l.facts.release >= release(requirements.Linux(5, 11)) {
			limit = nil // no limit, and no reason
		}
		return nil, explainMaps(err, limit)
	}
	l.options.MapReplacements = l.maps.Maps
	return l, nil
}

// without returns the collection without its programs.
func without(spec *ebpf.CollectionSpec) *ebpf.CollectionSpec {
	maps := *spec
	maps.Programs = nil
	return &maps
}

// program loads one program.
func (l *loader) program(name string) (*ebpf.Program, error) {
	p, ok := l.spec.Programs[name]
	if !ok {
		return nil, fmt.Errorf("no program %s in the BPF object", name)
	}
	if p.Type == ebpf.Kprobe {
		p.KernelVersion = uint32(l.facts.release) // of no use since 5.0, but the library would read it from the vDSO
		if err := l.makePending(); err != nil {
			return nil, err
		}
	}
	one := *l.spec
	one.Programs = map[string]*ebpf.ProgramSpec{name: p}
	c, err := ebpf.NewCollectionWithOptions(&one, l.options)
	if v, ok := errors.AsType[*ebpf.VerifierError](err); ok {
		l.log.Debug("the verifier refused a program", "program", name, "log", fmt.Sprintf("%+v", v))
	}
	if err != nil {
		return nil, err // names the program
	}
	defer c.Close()
	return c.DetachProgram(name), nil
}

// pendingCalls is how many calls on their way the kprobes remember: more than their return probes
// follow, so that the ones that are dropped are those whose return was missed.
const pendingCalls = 4 * returnsFollowed

// makePending replaces the map of the calls on their way, which has room for one, by a real one: only
// kprobes use it.
func (l *loader) makePending() error {
	const name = "pending_calls"
	if l.pending != nil {
		return nil
	}
	spec := l.spec.Maps[name]
	spec.MaxEntries = pendingCalls
	m, err := ebpf.NewMap(spec)
	if err != nil {
		return fmt.Errorf("make map %s: %w", name, err)
	}
	l.pending = m
	removeLeftovers()
	l.options.MapReplacements = maps.Clone(l.options.MapReplacements)
	l.options.MapReplacements[name] = m
	return nil
}

func (l *loader) close() {
	if l.maps != nil {
		l.maps.Close()
	}
	if l.pending != nil {
		_ = l.pending.Close() // the programs keep it
	}
}

// empty replaces what the taps' programs do by nothing: the floor that benchmarks compare with.
func empty(spec *ebpf.CollectionSpec) {
	for _, t := range taps {
		for _, w := range t.ways {
			for _, h := range w.all() {
				if p, ok := spec.Programs[h.program]; ok {
					p.Instructions = asm.Instructions{asm.Mov.Imm(asm.R0, 0).WithSymbol(h.program), asm.Return()}
				}
			}
		}
	}
}

// dropFetchingAtomics takes the instructions that this kernel does not know out of branches that it
// does not run; it would refuse them even there.
func dropFetchingAtomics(spec *ebpf.CollectionSpec) {
	const fetch = asm.AtomicOp(0x100) // BPF_FETCH of include/uapi/linux/bpf.h, as the library keeps it
	for _, p := range spec.Programs {
		for i := range p.Instructions {
			ins := &p.Instructions[i]
			if op := ins.OpCode.AtomicOp(); op != asm.InvalidAtomic && op&fetch != 0 {
				nothing := asm.Mov.Reg(asm.R0, asm.R0)
				nothing.Metadata = ins.Metadata
				*ins = nothing
			}
		}
	}
}

// explainMaps turns an error of making the maps into one that says what to do; LIMIT is how
// raising the memlock limit went.
func explainMaps(err, limit error) error {
	if limit != nil && errors.Is(err, ebpf.ErrMapIncompatible) {
		return err
	}
	explained := explainLoad(err)
	if _, filtered := errors.AsType[*FilteredError](explained); limit != nil && !filtered {
		return fmt.Errorf("%w: this kernel counts BPF maps against RLIMIT_MEMLOCK (before 5.11), which could not be raised (%w): run with CAP_SYS_RESOURCE, or with `ulimit -l unlimited` (systemd: LimitMEMLOCK=infinity)", explained, limit)
	}
	return explained
}
