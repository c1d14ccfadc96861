package kernel

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"

	"github.com/fathomhq/fathom/internal/tlslib"
)

// Sizes of the tables of TLS: threads that use it, of which a process has hundreds at most; and processes.
const (
	tlsCallers   = 16384
	tlsProcesses = 8192
)

// multiProbes is the function behind links of many uprobes, of Linux 6.6: they need no capability once the program is loaded.
const multiProbes = "bpf_uprobe_multi_link_attach"

var (
	tlsProgramNames    = []string{"tls_read", "tls_read_ex", "tls_write", "tls_write_ex", "tls_write_ex2", "tls_return_int", "tls_return_size", "tls_free", "go_read", "go_write", "go_return", "go_close"}
	tlsTracepointNames = map[string]string{"sched_process_exec": "raw_exec", "sched_process_exit": "raw_exit"}
)

// tlsProbes are what reads TLS.
type tlsProbes struct {
	programs map[string]*ebpf.Program
	links    []link.Link
	asked    *ringbuf.Reader
	multi    bool // one link for many places
	returns  bool // return probes do no harm here
}

// loadTLS loads the programs for probes in TLS libraries.
func (k *Kernel) loadTLS(l *loader) (err error) {
	t := &tlsProbes{programs: make(map[string]*ebpf.Program), multi: l.facts.hasFunction(multiProbes)}
	t.returns = l.facts.harmlessReturns
	defer func() {
		if err != nil {
			err = errors.Join(err, t.close())
		}
	}()
	for _, name := range tlsProgramNames {
		if t.multi {
			l.spec.Programs[name].AttachType = ebpf.AttachTraceUprobeMulti
		}
		if t.programs[name], err = l.program(name); err != nil {
			return explainLoad(err)
		}
	}
	for tracepoint, name := range tlsTracepointNames {
		if t.programs[name], err = l.program(name); err != nil {
			return explainLoad(err)
		}
		attached, err := link.AttachRawTracepoint(link.RawTracepointOptions{Name: tracepoint, Program: t.programs[name]})
		if err != nil {
			return fmt.Errorf("attach %s: %w", tracepoint, err)
		}
		t.links = append(t.links, attached)
	}
	if t.asked, err = ringbuf.NewReader(l.maps.Maps["tls_asked"]); err != nil {
		return fmt.Errorf("read which processes speak TLS: %w", err)
	}
	k.tls = t
	return nil
}

func (t *tlsProbes) close() error {
	var errs []error
	if t.asked != nil {
		errs = append(errs, t.asked.Close())
	}
	for _, l := range t.links {
		errs = append(errs, l.Close())
	}
	for _, p := range t.programs {
		if p != nil {
			errs = append(errs, p.Close())
		}
	}
	return errors.Join(errs...)
}

// Asked waits until a process speaks TLS for the first time, and returns its id, as the first pid namespace has it. The
// error is [os.ErrClosed] after Close, or that of ctx, which ends the waiting for good.
func (k *Kernel) Asked(ctx context.Context) (uint32, error) {
	if k.tls == nil {
		return 0, os.ErrClosed
	}
	stop := context.AfterFunc(ctx, func() { _ = k.tls.asked.Close() })
	defer stop()
	record, err := k.tls.asked.Read()
	switch {
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case err != nil:
		return 0, err
	case len(record.RawSample) < 4:
		return 0, fmt.Errorf("a question of %d bytes", len(record.RawSample))
	}
	return binary.NativeEndian.Uint32(record.RawSample), nil
}

// TLSProcess is what is known of a process that speaks TLS.
type TLSProcess struct {
	Opaque     uint32 // enum opaque of bpf/types.h
	AttachedAt uint64 // since when its libraries are probed: CLOCK_MONOTONIC, ns
	Goroutines bool   // its calls are told apart by goroutine
}

// TellTLS says what was found out about a process. What is opaque carries the reason from then on.
func (k *Kernel) TellTLS(process uint32, about TLSProcess) error {
	p := bpfTlsProcess{AttachedAt: about.AttachedAt, Opaque: about.Opaque}
	if about.Goroutines {
		p.Goroutines = 1
	}
	if err := k.objects.TlsProcesses.Put(process, p); err != nil {
		return fmt.Errorf("note what is known of process %d: %w", process, err)
	}
	return nil
}

// ForgetTLS forgets what was known of a process: it is gone.
func (k *Kernel) ForgetTLS(process uint32) error {
	if err := k.objects.TlsProcesses.Delete(process); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return fmt.Errorf("forget process %d: %w", process, err)
	}
	return nil
}

// errReturns: a library cannot do without return probes. It is a matter of permission, as for [fs.ErrPermission].
var errReturns = fmt.Errorf("%w: its functions return by jumps, and return probes make seccomp filters kill processes on Linux 6.11 to 6.13, "+
	"but for 6.12.14 and 6.13.3 and later", os.ErrPermission)

// AttachTLS attaches probes to a library in the file at path, for all processes that map it. The path is needed for
// the call only. Closing what it returns detaches them.
func (k *Kernel) AttachTLS(path string, library tlslib.Library) (io.Closer, error) {
	if k.tls == nil {
		return nil, fmt.Errorf("%w: TLS is not read", ErrUnsupported)
	}
	file, err := link.OpenExecutable(path)
	if err != nil {
		return nil, fmt.Errorf("open %s for probes: %w", path, err)
	}
	var all probes
	for _, p := range k.tls.plan(library) {
		if p.returns && !k.tls.returns {
			return nil, errReturns
		}
		if err := k.tls.attach(file, p, &all); err != nil {
			return nil, errors.Join(explainProbe(fmt.Errorf("attach %s: %w", p.program, err)), all.Close())
		}
	}
	return all, nil
}

// probes are what is attached to one library.
type probes []link.Link

// Close detaches them.
func (p probes) Close() error {
	var errs []error
	for _, l := range p {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}

// placed is a program and its places in a file.
type placed struct {
	program string
	offsets []uint64
	returns bool // return probes
}

// plan says which programs go where: what sees the end of a call before what sees its beginning.
func (t *tlsProbes) plan(library tlslib.Library) (all []placed) {
	end := "tls_return_int"
	switch library.Kind {
	case tlslib.GnuTLS:
		end = "tls_return_size"
	case tlslib.Go:
		end = "go_return"
	}
	exits, returns, entries := placed{program: end}, placed{program: end, returns: true}, map[string][]uint64{}
	for _, f := range library.Functions {
		program := programOf(library.Kind, f.Role)
		if program == "" {
			continue
		}
		entries[program] = append(entries[program], f.Entry.Offset)
		switch {
		case f.Role == tlslib.RoleFree:
		case t.prefersReturn(library.Kind, f):
			returns.offsets = append(returns.offsets, f.UretprobeAt.Offset)
		default:
			for _, exit := range f.Exits {
				exits.offsets = append(exits.offsets, exit.Offset)
			}
		}
	}
	for _, p := range []placed{exits, returns} {
		if len(p.offsets) > 0 {
			all = append(all, p)
		}
	}
	for _, program := range tlsProgramNames { // in one order
		if len(entries[program]) > 0 {
			all = append(all, placed{program: program, offsets: entries[program]})
		}
	}
	return all
}

// prefersReturn tells whether a return probe serves better than probes at the exits: these may be instructions that the kernel
// has to single-step.
func (t *tlsProbes) prefersReturn(kind tlslib.Kind, f tlslib.Function) bool {
	if f.Uretprobe {
		return true
	}
	if kind == tlslib.Go || !t.returns || !f.UretprobeAt.Emulated {
		return false
	}
	for _, exit := range f.Exits {
		if !exit.Emulated {
			return true
		}
	}
	return false
}

func programOf(kind tlslib.Kind, role tlslib.Role) string {
	if kind == tlslib.Go {
		return map[tlslib.Role]string{tlslib.RoleRead: "go_read", tlslib.RoleWrite: "go_write", tlslib.RoleFree: "go_close"}[role]
	}
	return map[tlslib.Role]string{
		tlslib.RoleRead: "tls_read", tlslib.RoleReadEx: "tls_read_ex", tlslib.RoleWrite: "tls_write", tlslib.RoleWriteEx: "tls_write_ex",
		tlslib.RoleWriteEx2: "tls_write_ex2", tlslib.RoleFree: "tls_free",
	}[role]
}

func (t *tlsProbes) attach(file *link.Executable, p placed, all *probes) error {
	program := t.programs[p.program]
	if t.multi {
		attach := file.UprobeMulti
		if p.returns {
			attach = file.UretprobeMulti
		}
		l, err := attach(nil, program, &link.UprobeMultiOptions{Addresses: p.offsets})
		if err != nil {
			return err
		}
		*all = append(*all, l)
		return nil
	}
	attach := file.Uprobe
	if p.returns {
		attach = file.Uretprobe
	}
	for _, offset := range p.offsets {
		l, err := attach("", program, &link.UprobeOptions{Address: offset, TraceFSPrefix: probePrefix})
		if err != nil {
			return err
		}
		*all = append(*all, l)
	}
	return nil
}
