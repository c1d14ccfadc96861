package tlslib

import "golang.org/x/arch/x86/x86asm"

// writesX86 returns a set that holds every general register the instruction changes. What is not
// known to change only its first operand is taken to change all.
func writesX86(x x86asm.Inst) regs {
	switch x.Op {
	case x86asm.CMP, x86asm.TEST, x86asm.NOP, x86asm.BT, x86asm.UCOMISS, x86asm.UCOMISD:
		return 0
	case x86asm.PUSH:
		return 1 << rsp
	case x86asm.POP:
		return 1<<rsp | destinationX86(x)
	case x86asm.LEAVE:
		return 1<<rsp | 1<<rbp
	case x86asm.RET:
		return 1 << rsp
	case x86asm.IMUL:
		if x.Args[1] == nil {
			return allRegs // rdx:rax
		}
		return destinationX86(x)
	case x86asm.MOV, x86asm.MOVZX, x86asm.MOVSX, x86asm.MOVSXD, x86asm.LEA,
		x86asm.ADD, x86asm.SUB, x86asm.ADC, x86asm.SBB, x86asm.AND, x86asm.OR, x86asm.XOR,
		x86asm.NEG, x86asm.NOT, x86asm.INC, x86asm.DEC,
		x86asm.SHL, x86asm.SHR, x86asm.SAR, x86asm.ROL, x86asm.ROR,
		x86asm.CMOVA, x86asm.CMOVAE, x86asm.CMOVB, x86asm.CMOVBE, x86asm.CMOVE, x86asm.CMOVG,
		x86asm.CMOVGE, x86asm.CMOVL, x86asm.CMOVLE, x86asm.CMOVNE, x86asm.CMOVNO, x86asm.CMOVNP,
		x86asm.CMOVNS, x86asm.CMOVO, x86asm.CMOVP, x86asm.CMOVS,
		x86asm.SETA, x86asm.SETAE, x86asm.SETB, x86asm.SETBE, x86asm.SETE, x86asm.SETG,
		x86asm.SETGE, x86asm.SETL, x86asm.SETLE, x86asm.SETNE, x86asm.SETNO, x86asm.SETNP,
		x86asm.SETNS, x86asm.SETO, x86asm.SETP, x86asm.SETS,
		x86asm.MOVAPS, x86asm.MOVUPS, x86asm.MOVAPD, x86asm.MOVUPD, x86asm.MOVDQA, x86asm.MOVDQU,
		x86asm.MOVQ, x86asm.MOVD, x86asm.MOVHPS, x86asm.PXOR, x86asm.XORPS:
		return destinationX86(x)
	}
	switch flowX86(x) {
	case flowJump, flowBranch, flowIndirect, flowStop:
		if x.Op != x86asm.LOOP && x.Op != x86asm.LOOPE && x.Op != x86asm.LOOPNE {
			return 0
		}
	}
	return allRegs
}

// destinationX86 returns the general register of the first operand, if it is one.
func destinationX86(x x86asm.Inst) regs {
	r, ok := x.Args[0].(x86asm.Reg)
	switch {
	case !ok:
		return 0 // memory
	case r >= x86asm.AL && r <= x86asm.BL:
		return 1 << (r - x86asm.AL)
	case r >= x86asm.AH && r <= x86asm.BH:
		return 1 << (r - x86asm.AH)
	case r >= x86asm.SPB && r <= x86asm.DIB:
		return 1 << (r - x86asm.SPB + rsp)
	case r >= x86asm.R8B && r <= x86asm.R15B:
		return 1 << (r - x86asm.R8B + r8)
	case r >= x86asm.AX && r <= x86asm.R15W:
		return 1 << (r - x86asm.AX)
	case r >= x86asm.EAX && r <= x86asm.R15L:
		return 1 << (r - x86asm.EAX)
	case r >= x86asm.RAX && r <= x86asm.R15:
		return 1 << (r - x86asm.RAX)
	case r >= x86asm.M0 && r <= x86asm.X15:
		return 0
	}
	return allRegs
}

// canaryX86 recognises the stack protector's check: the canary is at fs:0x28 (the psABI's TLS
// header, tcbhead_t.stack_guard of glibc). GCC subtracts or xors it from the copy on the stack, Clang
// loads it and compares.
func canaryX86(x x86asm.Inst) canary {
	switch x.Op {
	case x86asm.JE:
		return branchEqual
	case x86asm.JNE:
		return branchDiffers
	case x86asm.MOV, x86asm.CMP, x86asm.SUB, x86asm.XOR:
	default:
		return canaryNone
	}
	_, toRegister := x.Args[0].(x86asm.Reg)
	from, ok := x.Args[1].(x86asm.Mem)
	if !ok || !toRegister || x.DataSize != 64 {
		return canaryNone
	}
	guard := from.Segment == x86asm.FS && from.Base == 0 && from.Index == 0 && from.Disp == 0x28
	switch {
	case guard && x.Op == x86asm.MOV:
		return canaryLoad
	case guard:
		return canaryCheck
	case x.Op != x86asm.MOV && (from.Base == x86asm.RSP || from.Base == x86asm.RBP):
		return canaryCompare
	}
	return canaryNone
}
