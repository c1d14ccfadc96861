package tlslib

import "golang.org/x/arch/x86/x86asm"

// steps is how a machine's accessors are followed.
var steps = map[Machine]func(code []byte, at int, r *registers) effect{AMD64: stepX86, ARM64: stepARM64}

// stepX86 follows one instruction of x86-64.
func stepX86(code []byte, at int, r *registers) effect {
	var e effect
	e.inst, e.known = decodeX86(code, at)
	if !e.known || e.size == len(endbr64) && string(code[at:at+4]) == string(endbr64) {
		return e
	}
	x, err := x86asm.Decode(code[at:], 64)
	if err != nil {
		e.known = false
		return e
	}
	if e.flow == flowCall || e.flow == flowJump && (e.target < 0 || e.target >= len(code)) || e.flow == flowIndirect {
		e.source = r[rsi] // of memcpy()
	}
	if e.flow == flowCall {
		kept := [...]int{rbx, rsp, rbp, r12, 13, r14, 15}
		var after registers
		for _, k := range kept {
			after[k] = r[k]
		}
		*r = after
		return e
	}
	if e.flow != flowNext {
		return e
	}
	target, source := operandX86(x.Args[0]), x.Args[1]
	value := valueX86(x, r)
	if small := smallX86(x.Args[0]); small >= 0 {
		target, value = small, numberX86(x, r)
	}
	switch from, isMemory := source.(x86asm.Mem); {
	case x.Op == x86asm.LEA:
		e.source = value
	case x.Op == x86asm.ADD:
		e.source = value
	case isMemory && (x.MemBytes >= 8):
		if target < 0 || value.kind == valueUnknown { // a vector, or nothing that is a pointer
			e.source = addressX86(from, r)
		}
	}
	if x.Op == x86asm.MOVSD_XMM || x.Op == x86asm.MOVSQ || x.Op == x86asm.MOVSD || x.Op == x86asm.MOVSB {
		e.source = r[rsi]
	}
	for i := range r {
		if e.writes&(1<<i) != 0 {
			r[i] = valueOf(i == target, value)
		}
	}
	return e
}

// numberX86 returns what an instruction puts into a register of 32 bits.
func numberX86(x x86asm.Inst, r *registers) value {
	if n, ok := x.Args[1].(x86asm.Imm); ok && x.Op == x86asm.MOV && 0 <= n && n <= maxOffset {
		return value{kind: valueConstant, Place: Place{First: int32(n)}}
	}
	switch m, isMemory := x.Args[1].(x86asm.Mem); {
	case isMemory && (x.Op == x86asm.MOV || x.Op == x86asm.MOVZX):
		return addressX86(m, r).number()
	case x.Op == x86asm.AND && x.Args[1] == x86asm.Imm(1):
		if v := r[smallX86(x.Args[0])]; v.kind == valueNumber {
			return v
		}
	}
	return value{}
}

// smallX86 returns the number of a register of 32 bits, or -1.
func smallX86(a x86asm.Arg) int {
	if reg, ok := a.(x86asm.Reg); ok && reg >= x86asm.EAX && reg <= x86asm.R15L {
		return int(reg - x86asm.EAX)
	}
	return -1
}

func valueOf(is bool, v value) value {
	if !is {
		return value{}
	}
	return v
}

// valueX86 returns what an instruction puts into the register of its first operand.
func valueX86(x x86asm.Inst, r *registers) value {
	target := operandX86(x.Args[0])
	if target < 0 || x.DataSize != 64 {
		return value{}
	}
	switch x.Op {
	case x86asm.LEA:
		if m, ok := x.Args[1].(x86asm.Mem); ok {
			return addressX86(m, r)
		}
	case x86asm.MOV:
		if m, ok := x.Args[1].(x86asm.Mem); ok {
			return addressX86(m, r).loaded()
		}
		if from := operandX86(x.Args[1]); from >= 0 {
			return r[from]
		}
	case x86asm.ADD, x86asm.SUB:
		if n, ok := x.Args[1].(x86asm.Imm); ok {
			if x.Op == x86asm.SUB {
				n = -n
			}
			return r[target].plus(int64(n))
		}
		if m, ok := x.Args[1].(x86asm.Mem); ok && x.Op == x86asm.ADD && r[target].kind == valueConstant {
			return addressX86(m, r).loaded().plus(int64(r[target].First))
		}
	case x86asm.CMOVE, x86asm.CMOVNE:
		if r[target].kind == valueAddress {
			return r[target]
		}
	}
	return value{}
}

// addressX86 returns the address of an operand in memory.
func addressX86(m x86asm.Mem, r *registers) value {
	base := operandX86(m.Base)
	if m.Index != 0 || m.Segment != 0 || base < 0 {
		return value{}
	}
	return r[base].plus(m.Disp)
}

// operandX86 returns the number of a register of 64 bits, or -1.
func operandX86(a x86asm.Arg) int {
	if reg, ok := a.(x86asm.Reg); ok && reg >= x86asm.RAX && reg <= x86asm.R15 {
		return int(reg - x86asm.RAX)
	}
	return -1
}
