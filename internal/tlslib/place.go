package tlslib

import "slices"

// Place is where a library keeps something of a session, from the session's handle on: at
// handle + First, or, if Indirect is set, Second bytes behind where the pointer at handle + First
// points to.
type Place struct {
	First    int32
	Indirect bool
	Second   int32
}

// maxPlaces bounds what an accessor may look at: more is no accessor.
const maxPlaces = 4

// places finds what an accessor of a session hands out the address or a copy of, from its machine
// code: all that it takes for the source of a copy, and all whose address it computes. It returns
// nil if the code is of another shape. More than one place is no harm where what is there proves
// itself, as 32 random bytes do.
func (img *image) places(s symbol) []Place {
	a := img.follow(s)
	if a == nil || len(a.found) > maxPlaces {
		return nil
	}
	return a.found
}

// flagPlace finds where a session keeps what a function returns: the lowest bit of a number, in
// the session itself. It returns nil if the code is of another shape.
func (img *image) flagPlace(s symbol) *Place {
	a := img.follow(s)
	if a == nil || len(a.returned) != 1 || a.returned[0].Indirect {
		return nil
	}
	return &a.returned[0]
}

// follow runs through the code of an accessor. It returns nil if that is missing, or of a shape that is not understood.
func (img *image) follow(s symbol) *accessor {
	if s.size == 0 {
		return nil
	}
	code, _, err := img.code(s.name, s.address, s.size)
	if err != nil {
		return nil
	}
	a := &accessor{code: code, step: steps[img.machine]}
	a.run(0, start(img.machine))
	if a.refused {
		return nil
	}
	return a
}

// value is what is known of a register.
type value struct {
	kind valueKind
	Place
}

type valueKind uint8

const (
	valueUnknown  valueKind = iota
	valueAddress            // the Place's
	valueNumber             // what is in the Place, of less than 64 bits
	valueConstant           // First
)

// plus returns the value, N bytes further on.
func (v value) plus(n int64) value {
	if v.kind != valueAddress || n < -maxOffset || n > maxOffset {
		return value{}
	}
	at := &v.First
	if v.Indirect {
		at = &v.Second
	}
	if *at += int32(n); *at < 0 || *at > maxOffset {
		return value{}
	}
	return v
}

// loaded returns the 8 bytes that are there.
func (v value) loaded() value {
	if v.kind != valueAddress || v.Indirect {
		return value{}
	}
	v.Indirect = true
	return v
}

// number returns the number that is there.
func (v value) number() value {
	if v.kind != valueAddress {
		return value{}
	}
	v.kind = valueNumber
	return v
}

// maxOffset bounds how far from a session's beginning, or from that of a part of it, something is.
const maxOffset = 16 << 10

// registers are what is known at a place of the code, by the numbers of the machine's encoding.
type registers [32]value

// start is what is known where a function is entered.
func start(m Machine) registers {
	var r registers
	if m == AMD64 {
		r[rdi].kind = valueAddress
	} else {
		r[0].kind = valueAddress
	}
	return r
}

// accessor is the analysis of one.
type accessor struct {
	code  []byte
	step  func(code []byte, at int, r *registers) effect
	found []Place
	// returned are the numbers of a session that are the result.
	returned []Place
	steps    int
	refused  bool
}

// effect is what an instruction does besides to registers.
type effect struct {
	inst
	known bool
	// source is what is copied, or whose address is computed.
	source value
}

// maxSteps bounds the instructions that are followed, on all ways together.
const maxSteps = 512

// run follows the code from a position, on each way to its end.
func (a *accessor) run(at int, r registers) {
	for at >= 0 && at < len(a.code) && !a.refused {
		if a.steps++; a.steps > maxSteps {
			a.refused = true
			return
		}
		e := a.step(a.code, at, &r)
		if !e.known {
			a.refused = true
			return
		}
		if e.source.kind == valueAddress {
			a.add(e.source.Place)
		}
		switch e.flow {
		case flowNext, flowCall:
			at = e.next()
		case flowBranch:
			if e.target > at { // loops copy, and have been followed once
				a.run(e.target, r)
			}
			at = e.next()
		case flowReturn:
			if v := r[0]; v.kind == valueNumber && !slices.Contains(a.returned, v.Place) { // rax, x0
				a.returned = append(a.returned, v.Place)
			}
			return
		case flowJump:
			if e.target <= at {
				return
			}
			at = e.target
		default:
			return
		}
	}
}

// add notes a place. What lies behind another within 32 bytes is a part of the same.
func (a *accessor) add(p Place) {
	if p == (Place{}) { // the session itself
		return
	}
	for i, other := range a.found {
		if other.Indirect != p.Indirect || (p.Indirect && other.First != p.First) {
			continue
		}
		far, place := p.First-other.First, &a.found[i].First
		if p.Indirect {
			far, place = p.Second-other.Second, &a.found[i].Second
		}
		if far >= 0 && far < 32 {
			return
		}
		if far < 0 && far > -32 {
			*place += far
			return
		}
	}
	a.found = append(a.found, p)
	slices.SortFunc(a.found, func(a, b Place) int { return int(a.First) - int(b.First) })
}
