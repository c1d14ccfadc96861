package tlslib

import "encoding/binary"

// Numbers of arm64 registers. In some instructions 31 is the zero register instead, which makes
// the sets larger than need be.
const (
	linkRegister  = 30
	stackRegister = 31
)

// pattern is a set of instructions: those that are value under mask. The encodings are those of
// the Arm Architecture Reference Manual, C4.1, and of arch/arm64/include/asm/insn.h.
type pattern struct{ mask, value uint32 }

func (p pattern) match(word uint32) bool { return word&p.mask == p.value }

var (
	armB       = pattern{0xfc000000, 0x14000000}
	armBL      = pattern{0xfc000000, 0x94000000}
	armBCond   = pattern{0xff000000, 0x54000000} // and BC.cond
	armCB      = pattern{0x7e000000, 0x34000000} // CBZ, CBNZ
	armTB      = pattern{0x7e000000, 0x36000000} // TBZ, TBNZ
	armADR     = pattern{0x1f000000, 0x10000000} // ADR, ADRP
	armBR      = pattern{0xfffffc1f, 0xd61f0000}
	armBLR     = pattern{0xfffffc1f, 0xd63f0000}
	armRET     = pattern{0xfffffc1f, 0xd65f0000}
	armRegJump = pattern{0xfe000000, 0xd6000000} // all jumps to registers, with authentication too
	armTrap    = pattern{0xff000000, 0xd4000000} // SVC, BRK, HLT and the like
	armSVC     = pattern{0xffe0001f, 0xd4000001}
	armUDF     = pattern{0xffff0000, 0x00000000}
	armHint    = pattern{0xfffff01f, 0xd503201f}
	armNOP     = pattern{0xffffffff, 0xd503201f}
	armBTI     = pattern{0xffffff3f, 0xd503241f}
	armSystem  = pattern{0xff000000, 0xd5000000} // hints, barriers, MSR, MRS
	armMRS     = pattern{0xfff00000, 0xd5300000}
	armLiteral = pattern{0x3b000000, 0x18000000} // LDR of a word beside the code
	armExcl    = pattern{0x3f000000, 0x08000000} // exclusive, and with acquire and release
)

// decodeARM64 reads one instruction of arm64.
func decodeARM64(code []byte, at int) (inst, bool) {
	i := inst{at: at, size: 4}
	if len(code)-at < 4 || at%4 != 0 {
		return i, false
	}
	word := binary.LittleEndian.Uint32(code[at:])
	switch class := word >> 25 & 0xf; {
	case armUDF.match(word):
		i.flow, i.refused = flowStop, true
		return i, true
	case class == 0 || class == 1 || class == 3: // reserved, SME, unallocated
		return i, false
	case class == 0xa || class == 0xb:
		return decodeARM64Branch(i, word)
	case class == 2: // SVE
		i.writes = allRegs
	case class == 8 || class == 9: // immediate
		i.writes = 1 << (word & 31)
		i.emulated = armADR.match(word)
	case class&5 == 4: // loads and stores
		i.writes = writesARM64Memory(word)
		// aarch64_insn_is_steppable: literals and what is exclusive are refused.
		i.refused = armLiteral.match(word) || armExcl.match(word)
		if armLiteral.match(word) {
			i.literal, i.target = true, at+signed(word>>5, 19)*4
		}
	default: // registers, floating point
		i.writes = 1 << (word & 31)
	}
	return i, true
}

// decodeARM64Branch reads branches, exceptions and system instructions. What the kernel emulates
// is what arm_probe_decode_insn has a handler for in arch/arm64/kernel/probes/decode-insn.c since
// 5.10; that of NOP came with 6.13.
func decodeARM64Branch(i inst, word uint32) (inst, bool) {
	i.emulated = true
	switch {
	case armB.match(word):
		i.flow, i.target, i.direct = flowJump, i.at+signed(word, 26)*4, true
	case armBL.match(word):
		i.flow, i.target, i.direct, i.writes = flowCall, i.at+signed(word, 26)*4, true, allRegs
	case armBCond.match(word), armCB.match(word):
		i.flow, i.target, i.direct = flowBranch, i.at+signed(word>>5, 19)*4, true
		i.emulated = word&0xff000010 != 0x54000010 // BC.cond
	case armTB.match(word):
		i.flow, i.target, i.direct = flowBranch, i.at+signed(word>>5, 14)*4, true
	case armRET.match(word):
		i.flow = flowReturn
	case armBR.match(word):
		i.flow = flowIndirect
	case armBLR.match(word):
		i.flow, i.writes = flowCall, allRegs
	case armRegJump.match(word):
		// With pointer authentication; the kernel refuses all of them.
		i.emulated, i.refused, i.writes = false, true, allRegs
		switch word >> 21 & 7 {
		case 1: // BLRAA
			i.flow = flowCall
		case 2: // RETAA
			i.flow = flowReturn
		default:
			i.flow = flowIndirect
		}
	default:
		return decodeARM64System(i, word)
	}
	return i, true
}

func decodeARM64System(i inst, word uint32) (inst, bool) {
	i.emulated = false
	switch {
	case armSVC.match(word):
		i.flow, i.writes, i.refused = flowCall, allRegs, true
	case armTrap.match(word):
		i.flow, i.refused = flowStop, true
	case armNOP.match(word), armBTI.match(word):
	case armHint.match(word): // pointer authentication signs x30 or x17
		i.writes = 1<<linkRegister | 1<<17 | 1<<16
	case armMRS.match(word):
		i.writes, i.refused = 1<<(word&31), true
	case armSystem.match(word):
		i.writes, i.refused = allRegs, true
	default:
		return i, false
	}
	return i, true
}

// signed returns the lowest bits as a signed number.
func signed(word uint32, bits int) int {
	return int(int32(word<<(32-bits)) >> (32 - bits))
}

// writesARM64Memory returns what a load or store changes: the manual's C4.1, "Loads and Stores".
func writesARM64Memory(word uint32) regs {
	rt, rn, rt2 := regs(1)<<(word&31), regs(1)<<(word>>5&31), regs(1)<<(word>>10&31)
	load, vector := word>>22&3 != 0, word>>26&1 != 0
	var changed regs
	switch word >> 27 & 7 {
	case 5: // pairs
		load = word>>22&1 != 0
		if word>>23&1 != 0 && word>>24&3 != 2 { // indexed before or after
			changed |= rn
		}
		rt |= rt2
	case 7: // one register
		switch {
		case word>>24&1 != 0: // with an unsigned offset
		case word>>21&1 == 0 && word>>10&1 == 1: // indexed before or after
			changed |= rn
		case word>>21&1 == 0 && word>>10&3 == 0: // unscaled
		case word>>21&1 == 1 && word>>10&3 == 2: // with a register
		default: // atomic, or with authentication
			return allRegs
		}
	case 3:
		load = true // a literal, or with memory tags
		if word>>24&1 != 0 {
			return allRegs
		}
	default:
		return allRegs
	}
	if load && !vector {
		changed |= rt
	}
	return changed
}
