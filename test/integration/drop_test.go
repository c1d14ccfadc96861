package integration

import (
	"encoding/binary"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
)

// Verdicts of enum tcx_action_base.
const (
	tcxNext = -1
	tcxDrop = 2
)

// dropArriving drops, at the ingress of veth0 in the namespace, IPv4 packet number first
// and every every-th from there on, of those with at least size bytes, limit in all. It
// returns a function that tells how many it dropped. Dropping where packets arrive leaves
// no trace in the sender's TCP but the loss itself.
func dropArriving(t testing.TB, ns *netns, size, first, every, limit int32) (dropped func() uint64) {
	t.Helper()
	counts, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 16, MaxEntries: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = counts.Close() })
	const ( // struct __sk_buff
		offLen      = 0
		offProtocol = 16
	)
	ipv4 := int32(binary.NativeEndian.Uint16([]byte{0x08, 0x00}))
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.SchedCLS, License: "Apache-2.0",
		Instructions: asm.Instructions{
			asm.LoadMem(asm.R6, asm.R1, offProtocol, asm.Word),
			asm.JNE.Imm(asm.R6, ipv4, "pass"),
			asm.LoadMem(asm.R6, asm.R1, offLen, asm.Word),
			asm.JLT.Imm(asm.R6, size, "pass"),
			asm.StoreImm(asm.RFP, -4, 0, asm.Word),
			asm.LoadMapPtr(asm.R1, counts.FD()),
			asm.Mov.Reg(asm.R2, asm.RFP),
			asm.Add.Imm(asm.R2, -4),
			asm.FnMapLookupElem.Call(),
			asm.JEq.Imm(asm.R0, 0, "pass"),
			asm.LoadMem(asm.R7, asm.R0, 0, asm.DWord), // seen
			asm.LoadMem(asm.R8, asm.R0, 8, asm.DWord), // dropped
			asm.Mov.Reg(asm.R1, asm.R7),
			asm.Add.Imm(asm.R1, 1),
			asm.StoreMem(asm.R0, 0, asm.R1, asm.DWord),
			asm.JGE.Imm(asm.R8, limit, "pass"),
			asm.JLT.Imm(asm.R7, first, "pass"),
			asm.Sub.Imm(asm.R7, first),
			asm.Mod.Imm(asm.R7, every),
			asm.JNE.Imm(asm.R7, 0, "pass"),
			asm.Add.Imm(asm.R8, 1),
			asm.StoreMem(asm.R0, 8, asm.R8, asm.DWord),
			asm.Mov.Imm(asm.R0, tcxDrop),
			asm.Return(),
			asm.Mov.Imm(asm.R0, tcxNext).WithSymbol("pass"),
			asm.Return(),
		},
	})
	if err != nil {
		t.Fatalf("load the program that drops packets: %+v", err)
	}
	t.Cleanup(func() { _ = prog.Close() })
	var l link.Link
	err = ns.do(func() error {
		index, err := interfaceIndex("veth0")
		if err != nil {
			return err
		}
		l, err = link.AttachTCX(link.TCXOptions{Interface: index, Program: prog, Attach: ebpf.AttachTCXIngress})
		return err
	})
	if err != nil {
		t.Fatalf("attach the program that drops packets: %v", err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return func() uint64 {
		var v [2]uint64
		if err := counts.Lookup(uint32(0), &v); err != nil {
			t.Fatal(err)
		}
		return v[1]
	}
}
