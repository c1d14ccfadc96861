package kernel

import (
	"bytes"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// An object of another version may lack maps, constants and programs; this version's may not.
func TestObjectOfAnotherVersion(t *testing.T) {
	own, err := loadBpf()
	if err != nil {
		t.Fatal(err)
	}
	other, entries := own.Copy(), own.Maps["edges"].MaxEntries
	delete(other.Maps, "edges")
	delete(other.Variables, "max_edges")
	other.Variables["max_something"] = &ebpf.VariableSpec{}

	if got, want := differences(own.Maps, other.Maps), "edges"; got != want {
		t.Errorf("the object lacks the maps %q, want %q", got, want)
	}
	if got, want := differences(other.Variables, own.Variables), "max_something"; got != want {
		t.Errorf("the object has the further constants %q, want %q", got, want)
	}
	f := new(facts)
	o, err := Options{}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	if sizeMaps(other, o, f) == nil || setConstants(other, o, boundsOf(nil), f) == nil {
		t.Error("this version's object may lack something")
	}
	o.Object = []byte{}
	complete(other, own)
	if err := sizeMaps(other, o, f); err != nil {
		t.Error(err)
	}
	if err := setConstants(other, o, boundsOf(nil), f); err != nil {
		t.Error(err)
	}
	if got, want := other.Maps["edges"].ValueSize, own.Maps["edges"].ValueSize; got != want {
		t.Errorf("elements of the map in its place have %d bytes, want %d", got, want)
	}
	if got := own.Maps["edges"].MaxEntries; got != entries || other.Maps["edges"].MaxEntries != uint32(o.MaxPeers)+1 {
		t.Errorf("this version's own map has room for %d, want %d", got, entries)
	}
}

// This version's object, given as a file, is attached as the one within, and can be swept.
func TestOpenObject(t *testing.T) {
	own := openKernel(t)
	var said bytes.Buffer
	k, err := Open(t.Context(), Options{Object: _BpfBytes, Logger: slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	})
	if said.Len() > 0 {
		t.Errorf("warned: %s", &said)
	}
	describe := func(k *Kernel) (all []string) {
		for _, tap := range k.Taps() {
			all = append(all, tap.Name+": "+strings.Join(tap.Hooks, ", "))
		}
		return all
	}
	if got, want := describe(k), describe(own); !slices.Equal(got, want) {
		t.Errorf("attached %q, want %q", got, want)
	}
	for _, step := range []func() error{k.Sweep, k.Detach, k.Attach} {
		if err := step(); err != nil {
			t.Error(err)
		}
	}
}

func TestOpenNoObject(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	if k, err := Open(t.Context(), Options{Object: []byte("no ELF file")}); err == nil {
		_ = k.Close()
		t.Error("what is no object was loaded")
	}
}

// Kernels before 5.12 know no atomic instruction but an addition that returns nothing, and refuse a
// program with another, even where it does not run (check_xadd() and resolve_pseudo_ldimm64() of
// kernel/bpf/verifier.c in 5.10).
func TestAtomicsOfOldKernels(t *testing.T) {
	for _, object := range []string{"bpf_x86_bpfel.o", "bpf_arm64_bpfel.o"} {
		spec, err := ebpf.LoadCollectionSpec(object)
		if err != nil {
			t.Fatal(err)
		}
		dropFetchingAtomics(spec)
		for name, p := range spec.Programs {
			for _, ins := range p.Instructions {
				if op := ins.OpCode.AtomicOp(); op != asm.InvalidAtomic && op != asm.AddAtomic {
					t.Errorf("%s: %s has %v (%v), which kernels before 5.12 do not know", object, name, ins, ins.Source())
				}
			}
		}
	}
}
