package demo

import (
	"errors"
	"fmt"
	"math"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/rlimit"
)

// dropper drops a share of the TCP packets with data that arrive at an interface.
//
// It is an XDP program, as that is one attachment for every kernel from 5.9 on
// (TC's own link, tcx, came with 6.6) and goes away with the process that holds
// it. The receiving end is the place: the sender has sent, and counts, the packet.
type dropper struct {
	counts *ebpf.Map
	prog   *ebpf.Program
	link   link.Link
}

// LinkStats tells what went over the lossy link.
type LinkStats struct {
	Packets uint64 `json:"packets"` // TCP packets with data that reached the receiving end
	Dropped uint64 `json:"dropped"` // those of them that were dropped there
}

// Offsets of the two counters in the map's only value.
const (
	countPackets = 0
	countDropped = 8
)

// attachDropper attaches to an interface of the calling thread's network namespace.
func attachDropper(ifindex int, share float64) (*dropper, error) {
	// Only kernels before 5.11 charge BPF memory to this limit; they say so themselves.
	_ = rlimit.RemoveMemlock()
	d := &dropper{}
	var err error
	d.counts, err = ebpf.NewMap(&ebpf.MapSpec{
		Name: "demo_counts", Type: ebpf.Array, KeySize: 4, ValueSize: 16, MaxEntries: 1,
	})
	if err != nil {
		return nil, fmt.Errorf("create map of the dropping program: %w", err)
	}
	d.prog, err = ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "demo_drop", Type: ebpf.XDP, License: "Apache-2.0",
		Instructions: dropInstructions(d.counts.FD(), share),
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("load dropping program: %w", err), d.close())
	}
	d.link, err = link.AttachXDP(link.XDPOptions{Program: d.prog, Interface: ifindex})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("attach dropping program: %w", err), d.close())
	}
	return d, nil
}

// dropInstructions drops the given share of TCP packets with data. Packets that it
// does not know (IPv6, IP options) pass.
func dropInstructions(counts int, share float64) asm.Instructions {
	const (
		data, end  = asm.R2, asm.R3
		headers    = 14 + 20 + 20 // Ethernet, IPv4, TCP without options
		drop, pass = 1, 2         // XDP_DROP, XDP_PASS
	)
	count := func(offset uint32) asm.Instructions {
		return asm.Instructions{
			asm.LoadMapValue(asm.R1, counts, offset),
			asm.Mov.Imm(asm.R2, 1),
			asm.StoreXAdd(asm.R1, asm.R2, asm.DWord),
		}
	}
	is := asm.Instructions{
		asm.LoadMem(data, asm.R1, 0, asm.Word), // xdp_md.data
		asm.LoadMem(end, asm.R1, 4, asm.Word),  // xdp_md.data_end
		asm.Mov.Reg(asm.R4, data),
		asm.Add.Imm(asm.R4, headers),
		asm.JGT.Reg(asm.R4, end, "pass"),

		asm.LoadMem(asm.R4, data, 12, asm.Half),
		asm.HostTo(asm.BE, asm.R4, asm.Half),
		asm.JNE.Imm(asm.R4, 0x0800, "pass"), // IPv4
		asm.LoadMem(asm.R4, data, 14, asm.Byte),
		asm.JNE.Imm(asm.R4, 0x45, "pass"), // without options
		asm.LoadMem(asm.R4, data, 14+9, asm.Byte),
		asm.JNE.Imm(asm.R4, 6, "pass"), // TCP

		// Data is what the IP length leaves after both headers.
		asm.LoadMem(asm.R4, data, 14+2, asm.Half),
		asm.HostTo(asm.BE, asm.R4, asm.Half),
		asm.LoadMem(asm.R5, data, 14+20+12, asm.Byte),
		asm.RSh.Imm(asm.R5, 4),
		asm.LSh.Imm(asm.R5, 2),
		asm.Add.Imm(asm.R5, 20),
		asm.JLE.Reg(asm.R4, asm.R5, "pass"),
	}
	is = append(is, count(countPackets)...)
	is = append(is,
		asm.FnGetPrandomU32.Call(),
		asm.LoadImm(asm.R1, int64(share*math.MaxUint32), asm.DWord),
		asm.JGE.Reg(asm.R0, asm.R1, "pass"),
	)
	is = append(is, count(countDropped)...)
	return append(is,
		asm.Mov.Imm(asm.R0, drop),
		asm.Return(),
		asm.Mov.Imm(asm.R0, pass).WithSymbol("pass"),
		asm.Return(),
	)
}

// stats returns what was counted so far.
func (d *dropper) stats() (LinkStats, error) {
	var v struct{ Packets, Dropped uint64 }
	if err := d.counts.Lookup(uint32(0), &v); err != nil {
		return LinkStats{}, fmt.Errorf("read dropped packets: %w", err)
	}
	return LinkStats(v), nil
}

func (d *dropper) close() error {
	var errs []error
	if d.link != nil {
		errs = append(errs, d.link.Close())
	}
	if d.prog != nil {
		errs = append(errs, d.prog.Close())
	}
	return errors.Join(append(errs, d.counts.Close())...)
}
