package kernel

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"

	"github.com/fathomhq/fathom/internal/tlslib"
)

// Sizes of the tables of TLS: processes; handshakes whose session has passed nothing yet; and libraries that are probed at a time,
// of which the first is none.
const (
	tlsProcesses  = 8192
	tlsHandshakes = 16384
	tlsLibraries  = 4096
)

// enum tls_place_kind of bpf/types.h
const (
	placeDirect   = 1
	placeIndirect = 2
)

// multiProbes is the function behind links of many uprobes, of Linux 6.6: they need no capability once the program is loaded.
const multiProbes = "bpf_uprobe_multi_link_attach"

// probeCookies is the function with which a uprobe learns what it was attached with, of Linux 5.15.
const probeCookies = "bpf_get_attach_cookie_pe"

var (
	tlsProgramNames    = []string{"tls_read", "tls_read_ex", "tls_write", "tls_write_ex", "tls_write_ex2", "tls_return_int", "tls_return_size", "tls_free", "tls_cork", "tls_uncork", "go_read", "go_write", "go_return", "go_close"}
	tlsTracepointNames = map[string]string{"sched_process_exec": "raw_exec", "sched_process_exit": "raw_exit"}
)

// tlsProbes are what reads TLS.
type tlsProbes struct {
	programs map[string]*ebpf.Program
	links    []link.Link
	asked    *ringbuf.Reader
	multi    bool // one link for many places
	returns  bool // return probes do no harm here
	cookies  bool // a probe can tell which library it is in
	callers  callers

	mu        sync.Mutex
	libraries [tlsLibraries]bool // which indexes of the map tls_libraries are in use
}

// loadTLS loads the programs for probes in TLS libraries.
func (k *Kernel) loadTLS(l *loader) (err error) {
	t := &tlsProbes{programs: make(map[string]*ebpf.Program), multi: l.facts.hasFunction(multiProbes)}
	t.returns = l.facts.harmlessReturns
	t.cookies = l.facts.hasFunction(probeCookies)
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
	t.callers.table = l.maps.Maps["tls_calls"]
	k.tls = t
	return nil
}

func (t *tlsProbes) close() error {
	t.callers.close()
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

// Asked waits until a process speaks TLS for the first time, or some time after it was told about has TLS that is not read, and returns
// its id, as the first pid namespace has it. The
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
	// Libraries are those that are probed. They are needed before Linux 5.15, where a probe does not know which library it is
	// in: of all places of a client random that they have, the first four count.
	Libraries []tlslib.Library
}

// TellTLS says what was found out about a process. What is opaque carries the reason from then on.
func (k *Kernel) TellTLS(process uint32, about TLSProcess) error {
	p := bpfTlsProcess{AttachedAt: about.AttachedAt, Opaque: about.Opaque, ToldAt: monotonic()}
	if about.Goroutines {
		p.Goroutines = 1
		if k.tls != nil {
			k.tls.callers.begin(process)
		}
	}
	p.Places = placesOf(about.Libraries)
	if err := k.objects.TlsProcesses.Put(process, p); err != nil {
		return fmt.Errorf("note what is known of process %d: %w", process, err)
	}
	return nil
}

// placesOf are the places where a session of these libraries may keep its client random: the first four.
func placesOf(libraries []tlslib.Library) (all bpfTlsPlaces) {
	n := 0
	for _, l := range libraries {
		for _, place := range l.Random {
			if n == len(all.Place) {
				return all
			}
			at := &all.Place[n]
			n++
			at.First, at.Second, at.Kind = uint16(place.First), uint16(place.Second), placeDirect
			if place.Indirect {
				at.Kind = placeIndirect
			}
			if l.Server != nil {
				at.Server = uint16(l.Server.First + 1)
			}
		}
	}
	return all
}

// ForgetTLS forgets what was known of a process: it is gone.
func (k *Kernel) ForgetTLS(process uint32) error {
	if k.tls != nil {
		k.tls.callers.end(process)
	}
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
	index, err := k.noteLibrary(library)
	if err != nil {
		return nil, err
	}
	all := &probes{tls: k.tls, library: index}
	for _, p := range k.tls.plan(library) {
		err := errReturns
		if k.tls.returns || !p.returns {
			if err = k.tls.attach(file, p, all); err == nil {
				continue
			}
			if !k.tls.multi {
				err = perfError{err}
			}
			err = explainProbe(fmt.Errorf("attach %s: %w", p.program, err))
		}
		return nil, errors.Join(err, all.Close())
	}
	return all, nil
}

// noteLibrary puts what is known of a library where its probes find it, and returns the index; 0 if they find it by process, or
// have no use for it.
func (k *Kernel) noteLibrary(library tlslib.Library) (uint32, error) {
	if !k.tls.cookies || len(library.Random) == 0 {
		return 0, nil
	}
	k.tls.mu.Lock()
	defer k.tls.mu.Unlock()
	for i := 1; i < tlsLibraries; i++ {
		if k.tls.libraries[i] {
			continue
		}
		if err := k.objects.TlsLibraries.Put(uint32(i), placesOf([]tlslib.Library{library})); err != nil {
			return 0, fmt.Errorf("note where a library keeps the random of a session: %w", err)
		}
		k.tls.libraries[i] = true
		return uint32(i), nil
	}
	return 0, nil
}

// probes are what is attached to one library.
type probes struct {
	tls     *tlsProbes
	library uint32 // its index in the map tls_libraries
	links   []link.Link
}

// Close detaches them.
func (p *probes) Close() error {
	var errs []error
	for _, l := range p.links {
		errs = append(errs, l.Close())
	}
	p.links = nil
	p.tls.mu.Lock()
	p.tls.libraries[p.library] = false
	p.library = 0 // which is nobody's: the index may be another's from now on
	p.tls.mu.Unlock()
	return errors.Join(errs...)
}

// placed is a program and its places in a file.
type placed struct {
	program string
	offsets []uint64
	cookies []uint64 // of each; nil: the index of the library
	returns bool     // return probes
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
	exits, returns, entries := placed{program: end}, placed{program: end, returns: true}, map[string]placed{}
	for _, f := range library.Functions {
		program := programOf(library.Kind, f.Role)
		if program == "" {
			continue
		}
		entry := entries[program]
		entry.program = program
		entry.offsets = append(entry.offsets, f.Entry.Offset)
		if t.cookies && library.TCPRead != 0 {
			entry.cookies = append(entry.cookies, uint64(f.Distance(library.TCPRead)))
		}
		entries[program] = entry
		switch {
		case !f.Role.Returns():
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
		if entry, ok := entries[program]; ok {
			all = append(all, entry)
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
		tlslib.RoleWriteEx2: "tls_write_ex2", tlslib.RoleFree: "tls_free", tlslib.RoleCork: "tls_cork", tlslib.RoleUncork: "tls_uncork",
	}[role]
}

func (t *tlsProbes) attach(file *link.Executable, p placed, all *probes) error {
	program := t.programs[p.program]
	if t.multi {
		attach := file.UprobeMulti
		if p.returns {
			attach = file.UretprobeMulti
		}
		o := &link.UprobeMultiOptions{Addresses: p.offsets, Cookies: p.cookies}
		if p.cookies == nil && all.library != 0 {
			o.Cookies = slices.Repeat([]uint64{uint64(all.library)}, len(p.offsets))
		}
		l, err := attach(nil, program, o)
		if err != nil {
			return err
		}
		all.links = append(all.links, l)
		return nil
	}
	attach := file.Uprobe
	if p.returns {
		attach = file.Uretprobe
	}
	for i, offset := range p.offsets {
		cookie := uint64(all.library)
		if p.cookies != nil {
			cookie = p.cookies[i]
		}
		l, err := attach("", program, &link.UprobeOptions{Address: offset, TraceFSPrefix: probePrefix, Cookie: cookie})
		if err != nil {
			return err
		}
		all.links = append(all.links, l)
	}
	return nil
}
