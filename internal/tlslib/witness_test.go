package tlslib

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"testing"

	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/rlimit"
)

// The witness of these tests is the program itself: it says how often it called each function and how
// many bytes that moved. Probes on the sites have to count the same. Each program or library
// runs from a copy, so that nothing else on the host hits the probes.

// hits is what a counting program adds up; see counter.
type hits struct{ Count, Bytes, Arguments uint64 }

// Offsets in struct pt_regs of x86-64, arch/x86/include/asm/ptrace.h.
const (
	ptR14, ptBX, ptAX, ptCX, ptDX, ptSI, ptDI = 8, 40, 80, 88, 96, 104, 112
)

// registersOf lists what a probe at the entry reads.
func registersOf(kind Kind, role Role) []int16 {
	switch {
	case kind == Go:
		return []int16{ptAX, ptBX, ptCX, ptR14}
	case !role.Returns():
		return []int16{ptDI}
	case role == RoleRead || role == RoleWrite:
		return []int16{ptDI, ptSI, ptDX}
	}
	return []int16{ptDI, ptSI, ptDX, ptCX}
}

// counter makes a program that counts its hits, adds up ax where it is positive, and makes a sum over
// the registers in which each has another weight.
func counter(t *testing.T, registers []int16) (*ebpf.Program, func() hits) {
	t.Helper()
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 24, MaxEntries: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	code := asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.StoreImm(asm.RFP, -4, 0, asm.Word),
		asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -4),
		asm.LoadMapPtr(asm.R1, m.FD()),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "out"),
		asm.Mov.Imm(asm.R1, 1), asm.StoreXAdd(asm.R0, asm.R1, asm.DWord),
		asm.Mov.Imm(asm.R3, 0),
	}
	for i, offset := range registers {
		code = append(code, asm.LoadMem(asm.R2, asm.R6, offset, asm.DWord),
			asm.Mul.Imm(asm.R2, int32(2*i+1)), asm.Add.Reg(asm.R3, asm.R2))
	}
	code = append(code,
		asm.Mov.Reg(asm.R7, asm.R0), asm.Add.Imm(asm.R7, 16), asm.StoreXAdd(asm.R7, asm.R3, asm.DWord),
		asm.LoadMem(asm.R2, asm.R6, ptAX, asm.DWord),
		asm.LSh.Imm(asm.R2, 32), asm.ArSh.Imm(asm.R2, 32),
		asm.JSLE.Imm(asm.R2, 0, "out"),
		asm.Add.Imm(asm.R0, 8), asm.StoreXAdd(asm.R0, asm.R2, asm.DWord),
		asm.Mov.Imm(asm.R0, 0).WithSymbol("out"), asm.Return(),
	)
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.Kprobe, Instructions: code, License: "GPL"})
	if err != nil {
		t.Fatalf("%+v", err)
	}
	t.Cleanup(func() { p.Close() })
	return p, func() hits {
		var h hits
		if err := m.Lookup(uint32(0), &h); err != nil {
			t.Fatal(err)
		}
		return h
	}
}

// watched is a function with counters on all of its places.
type watched struct {
	Function
	kind                                  Kind
	start, entry, exits, uretprobe, early func() hits
}

// watch puts counters on a library's functions in the file at path.
func watch(t *testing.T, path string, l Library) []watched {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("uprobes take root")
	}
	if err := rlimit.RemoveMemlock(); err != nil {
		t.Fatal(err)
	}
	executable, err := link.OpenExecutable(path)
	if err != nil {
		t.Fatal(err)
	}
	hold := func(l link.Link, err error) {
		if err != nil {
			t.Fatalf("%+v", err)
		}
		t.Cleanup(func() { l.Close() })
	}
	at := func(offset uint64) *link.UprobeOptions { return &link.UprobeOptions{Address: offset} }
	var all []watched
	for _, f := range l.Functions {
		w := watched{Function: f, kind: l.Kind}
		registers := registersOf(l.Kind, f.Role)
		var p *ebpf.Program
		p, w.start = counter(t, registers)
		hold(executable.Uprobe("", p, at(f.Offset)))
		p, w.entry = counter(t, registers)
		hold(executable.Uprobe("", p, at(f.Entry.Offset)))
		p, w.exits = counter(t, nil)
		for _, exit := range f.Exits {
			hold(executable.Uprobe("", p, at(exit.Offset)))
		}
		p, w.uretprobe = counter(t, nil)
		p2, early := counter(t, nil)
		w.early = early
		if l.Kind != Go && f.Role.Returns() {
			hold(executable.Uretprobe("", p, at(f.Offset)))
			hold(executable.Uretprobe("", p2, at(f.UretprobeAt.Offset)))
		}
		all = append(all, w)
	}
	return all
}

// said is what a driver printed: for each function its calls and bytes.
type said map[string]hits

func run(t *testing.T, command string, args ...string) said {
	t.Helper()
	c := exec.Command(command, args...)
	c.Stderr = os.Stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", command, strings.Join(args, " "), err, out)
	}
	s := make(said)
	for lines := bufio.NewScanner(strings.NewReader(string(out))); lines.Scan(); {
		var name string
		var h hits
		if _, err := fmt.Sscan(lines.Text(), &name, &h.Count, &h.Bytes); err != nil {
			t.Fatalf("%q: %v", lines.Text(), err)
		}
		s[name] = h
	}
	return s
}

// names under which a driver calls what may be probed elsewhere.
var calledAs = map[string]string{"SSL_write_ex2": "SSL_write_ex", "gnutls_record_send2": "gnutls_record_send"}

// compare holds the counts against each other.
func compare(t *testing.T, all []watched, truth said) {
	t.Helper()
	checked := 0
	for _, w := range all {
		name := w.Symbol
		if old, ok := calledAs[name]; ok {
			name = old
		}
		want, ok := truth[name]
		if !ok {
			continue // not driven
		}
		checked++
		start, entry, exits := w.start(), w.entry(), w.exits()
		t.Logf("%-28s %d calls, %d bytes; entry +%#x emulated=%v %d; exits %s %d", w.Symbol, want.Count, want.Bytes,
			w.Entry.Offset-w.Offset, w.Entry.Emulated, entry.Count, sites(w.Function), exits.Count)
		restarts := uint64(0)
		if w.kind == Go {
			restarts = start.Count - want.Count
			t.Logf("%-28s began anew %d times", w.Symbol, restarts)
		}
		if entry.Count != want.Count+restarts || entry.Arguments != start.Arguments {
			t.Errorf("%s: %d calls, entry %+v, start %+v", w.Symbol, want.Count, entry, start)
		}
		if !w.Role.Returns() {
			continue
		}
		if w.kind != Go {
			if got := w.uretprobe(); got.Count != want.Count {
				t.Errorf("%s: %d calls, return probe counts %d", w.Symbol, want.Count, got.Count)
			}
			if got, other := w.early(), w.uretprobe(); got != other {
				t.Errorf("%s: return probe at UretprobeAt %+v, at the start %+v", w.Symbol, got, other)
			}
		}
		if w.Uretprobe {
			exits = w.early()
		}
		if w.Role == RoleRead || w.Role == RoleWrite {
			if exits.Bytes != want.Bytes {
				t.Errorf("%s: %d bytes, exits say %d", w.Symbol, want.Bytes, exits.Bytes)
			}
		} else if got := w.uretprobe(); exits.Bytes != got.Bytes {
			t.Errorf("%s: results add up to %d at the exits, to %d at return", w.Symbol, exits.Bytes, got.Bytes)
		}
		if exits.Count != want.Count {
			t.Errorf("%s: %d calls, exits count %d", w.Symbol, want.Count, exits.Count)
		}
	}
	if checked != len(truth) {
		t.Errorf("checked %d functions of %d", checked, len(truth))
	}
}

func sites(f Function) string {
	if f.Uretprobe {
		return fmt.Sprintf("by uretprobe +%#x emulated=%v", f.UretprobeAt.Offset-f.Offset, f.UretprobeAt.Emulated)
	}
	var s []string
	for _, e := range f.Exits {
		s = append(s, fmt.Sprintf("+%#x emulated=%v", e.Offset-f.Offset, e.Emulated))
	}
	return strings.Join(s, " ")
}
