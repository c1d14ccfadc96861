package integration

import (
	"encoding/binary"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
)

// Verdicts of enum xdp_action.
const (
	xdpDrop = 1
	xdpPass = 2
)

// dropArriving drops, where they come in at veth0 in the namespace, IPv4 packet number first and every
// every-th from there on, of those with at least size bytes, limit in all. It returns a function that tells
// how many it dropped. Dropping where packets arrive leaves no trace in the sender's TCP but the loss
// itself. (XDP of the generic kind is there on every kernel, and leaves the sender its offloads.)
func dropArriving(t testing.TB, ns *netns, size, first, every, limit int32) (dropped func() uint64) {
	t.Helper()
	counts, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 16, MaxEntries: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = counts.Close() })
	const ( // struct xdp_md, and the Ethernet header
		offData     = 0
		offDataEnd  = 4
		offProtocol = 12
		ethernet    = 14
	)
	ipv4 := int32(binary.NativeEndian.Uint16([]byte{0x08, 0x00}))
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.XDP, License: "Apache-2.0",
		Instructions: asm.Instructions{
			asm.LoadMem(asm.R6, asm.R1, offDataEnd, asm.Word),
			asm.LoadMem(asm.R7, asm.R1, offData, asm.Word),
			asm.Mov.Reg(asm.R2, asm.R7),
			asm.Add.Imm(asm.R2, ethernet),
			asm.JGT.Reg(asm.R2, asm.R6, "pass"),
			asm.LoadMem(asm.R2, asm.R7, offProtocol, asm.Half),
			asm.JNE.Imm(asm.R2, ipv4, "pass"),
			asm.Sub.Reg(asm.R6, asm.R7),
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
			asm.Mov.Imm(asm.R0, xdpDrop),
			asm.Return(),
			asm.Mov.Imm(asm.R0, xdpPass).WithSymbol("pass"),
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
		l, err = link.AttachXDP(link.XDPOptions{Interface: index, Program: prog, Flags: link.XDPGenericMode})
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
