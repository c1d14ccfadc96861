package tlslib

import "encoding/binary"

var (
	armLoadX   = pattern{0xffc00000, 0xf9400000} // LDR Xt, [Xn, #imm]
	armLoadUX  = pattern{0xffe00c00, 0xf8400000} // LDUR Xt, [Xn, #imm]
	armLoadQ   = pattern{0xffc00000, 0x3dc00000} // LDR Qt, [Xn, #imm]
	armLoadUQ  = pattern{0xffe00c00, 0x3cc00000} // LDUR Qt, [Xn, #imm]
	armPairX   = pattern{0xffc00000, 0xa9400000} // LDP Xt, Xt2, [Xn, #imm]
	armPairQ   = pattern{0xffc00000, 0xad400000} // LDP Qt, Qt2, [Xn, #imm]
	armAddImm  = pattern{0xff800000, 0x91000000} // ADD Xd, Xn, #imm
	armMovW    = pattern{0xffe0ffe0, 0x2a0003e0} // MOV Wd, Wm
	armMovReg  = pattern{0xffe0ffe0, 0xaa0003e0} // MOV Xd, Xm
	armLoadW   = pattern{0xffc00000, 0xb9400000} // LDR Wt, [Xn, #imm]
	armLoadB   = pattern{0xffc00000, 0x39400000} // LDRB Wt, [Xn, #imm]
	armLowest  = pattern{0xfffffc00, 0x12000000} // AND Wd, Wn, #1
	armSelectX = pattern{0xffe00c00, 0x9a800000} // CSEL Xd, Xn, Xm
)

// stepARM64 follows one instruction of arm64.
func stepARM64(code []byte, at int, r *registers) effect {
	var e effect
	e.inst, e.known = decodeARM64(code, at)
	if !e.known {
		return e
	}
	word := binary.LittleEndian.Uint32(code[at:])
	if e.flow == flowCall || e.flow == flowJump && (e.target < 0 || e.target >= len(code)) || e.flow == flowIndirect {
		e.source = r[1] // of memcpy()
	}
	if e.flow == flowCall {
		var after registers
		copy(after[19:30], r[19:30]) // AAPCS64, 6.1.1
		*r = after
		return e
	}
	if e.flow != flowNext {
		return e
	}
	from := r[word>>5&31]
	if word>>5&31 == stackRegister {
		from = value{}
	}
	var result value
	switch {
	case armLoadX.match(word):
		address := from.plus(int64(word>>10&0xfff) * 8)
		if result = address.loaded(); result.kind == valueUnknown {
			e.source = address
		}
	case armLoadUX.match(word):
		address := from.plus(int64(signed(word>>12, 9)))
		if result = address.loaded(); result.kind == valueUnknown {
			e.source = address
		}
	case armLoadW.match(word):
		result = from.plus(int64(word>>10&0xfff) * 4).number()
	case armLoadB.match(word):
		result = from.plus(int64(word >> 10 & 0xfff)).number()
	case armLowest.match(word):
		if from.kind == valueNumber {
			result = from
		}
	case armLoadQ.match(word):
		e.source = from.plus(int64(word>>10&0xfff) * 16)
	case armLoadUQ.match(word):
		e.source = from.plus(int64(signed(word>>12, 9)))
	case armPairX.match(word):
		e.source = from.plus(int64(signed(word>>15, 7)) * 8)
	case armPairQ.match(word):
		e.source = from.plus(int64(signed(word>>15, 7)) * 16)
	case armAddImm.match(word):
		n := int64(word >> 10 & 0xfff)
		if word>>22&1 != 0 {
			n <<= 12
		}
		result = from.plus(n)
		e.source = result
	case armMovReg.match(word):
		result = r[word>>16&31]
	case armMovW.match(word):
		if v := r[word>>16&31]; v.kind == valueNumber {
			result = v
		}
	case armSelectX.match(word):
		if result = from; result.kind == valueUnknown {
			result = r[word>>16&31]
		}
	}
	for i := range r {
		if e.writes&(1<<i) != 0 {
			r[i] = valueOf(i == int(word&31) && i != stackRegister, result)
		}
	}
	return e
}
