package tlslib

import (
	"bytes"

	"golang.org/x/arch/x86/x86asm"
)

// Numbers of x86-64 registers in instructions.
const (
	rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi = 0, 1, 2, 3, 4, 5, 6, 7

	r8, r12, r14 = 8, 12, 14
)

// endbr64 is what x86asm takes for nothing; it begins functions that indirect jumps may reach.
var endbr64 = []byte{0xf3, 0x0f, 0x1e, 0xfa}

// decodeX86 reads one instruction of x86-64.
func decodeX86(code []byte, at int) (inst, bool) {
	text := code[at:]
	i := inst{at: at}
	if bytes.HasPrefix(text, endbr64) {
		i.size = len(endbr64)
		return i, true
	}
	x, err := x86asm.Decode(text, 64)
	if err != nil || x.Len <= 0 || x.Len > len(text) {
		return i, false
	}
	i.size = x.Len
	i.emulated = emulatedX86(text[:x.Len])
	i.refused = refusedX86(text[:x.Len])
	i.flow = flowX86(x)
	if text[0] == 0xcc { // int3: padding
		i.flow = flowStop
	}
	i.writes = writesX86(x)
	i.canary = canaryX86(x)
	if relative, ok := x.Args[0].(x86asm.Rel); ok {
		i.target, i.direct = at+x.Len+int(relative), true
	}
	return i, true
}

func flowX86(x x86asm.Inst) flow {
	_, direct := x.Args[0].(x86asm.Rel)
	switch x.Op {
	case x86asm.CALL, x86asm.LCALL, x86asm.SYSCALL, x86asm.INT:
		return flowCall
	case x86asm.RET:
		return flowReturn
	case x86asm.JMP:
		if direct {
			return flowJump
		}
		return flowIndirect
	case x86asm.LJMP, x86asm.LRET, x86asm.IRET, x86asm.IRETD, x86asm.IRETQ, x86asm.SYSRET, x86asm.SYSEXIT,
		x86asm.XBEGIN, x86asm.XABORT:
		return flowIndirect
	case x86asm.UD0, x86asm.UD1, x86asm.UD2, x86asm.HLT, x86asm.ICEBP:
		return flowStop
	}
	if direct { // all that is left with a relative target: Jcc, JRCXZ, LOOP
		return flowBranch
	}
	return flowNext
}

// emulatedX86 says whether every kernel since 5.10 emulates the instruction:
// arch/x86/kernel/uprobes.c, branch_setup_xol_ops (jmp, jcc, call, nop) and push_setup_xol_ops. Only
// forms without prefixes: kernels differ in those of nop and refuse some of branches. Newer
// kernels emulate more (nop5 from 6.18), which is not worth having another answer for them.
func emulatedX86(text []byte) bool {
	switch b := text[0]; {
	case b == 0xeb || b == 0xe9 || b == 0xe8 || b == 0x90, b >= 0x70 && b <= 0x7f, b >= 0x50 && b <= 0x57:
		return true
	case b == 0x41:
		return len(text) == 2 && text[1] >= 0x50 && text[1] <= 0x57
	case b == 0x0f:
		return len(text) > 1 && text[1] >= 0x80 && text[1] <= 0x8f
	}
	return false
}

// refusedX86 says whether some kernel refuses a probe there: is_prefix_bad of the same file, and
// branch_setup_xol_ops where 66 precedes a branch or a nop.
func refusedX86(text []byte) bool {
	for _, b := range text {
		switch b {
		case 0x26, 0x2e, 0x36, 0x3e, 0xf0, 0x66:
			return true
		case 0xf2, 0xf3, 0x64, 0x65, 0x67:
			continue
		}
		return b == 0xcc || b == 0xcd || b == 0xf1 || b == 0xf4
	}
	return true
}
