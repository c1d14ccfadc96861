package tlslib

import "slices"

// flow says where execution goes after an instruction.
type flow uint8

const (
	flowNext     flow = iota
	flowCall          // on to the next, with all that a function may change
	flowBranch        // to the next or to the target
	flowJump          // to the target
	flowIndirect      // to where a register or memory says
	flowReturn
	flowStop // nowhere: it traps
)

// regs is a set of general registers, one bit each by their number in the machine's encoding.
type regs uint32

const allRegs = ^regs(0)

// inst is what the analysis needs of an instruction. Positions are relative to the function.
type inst struct {
	at, size int
	flow     flow
	target   int  // of a branch, of a jump, of a direct call, of a literal
	direct   bool // of a call: the target is known
	literal  bool // loads data from beside the code
	writes   regs // at least those that it changes
	// emulated: the kernel emulates it; refused: the kernel puts no probe on it.
	emulated, refused bool
	canary            canary
}

func (i inst) next() int { return i.at + i.size }

// canary is an instruction's part in the check of the stack protector.
type canary uint8

const (
	canaryNone    canary = iota
	canaryLoad           // loads the canary into a register
	canaryCompare        // compares a register with something in memory
	canaryCheck          // compares a register with the canary in memory
	branchEqual          // a branch that is taken when the values are equal
	branchDiffers        // one that is taken when they differ
)

// isa is how a machine's code is read.
type isa struct {
	// decode reads the instruction at a position; false if it is not known what it is.
	decode func(code []byte, at int) (inst, bool)
	// result holds what a C function returns, and stack where a return probe finds the address
	// to return to (arch_uretprobe_hijack_return_addr).
	result, stack regs
	arguments     []regs // of C, in order
	goArguments   regs   // receiver, buffer, length, and the g: cmd/compile/abi-internal.md
}

var isas = map[Machine]isa{
	AMD64: {
		decode: decodeX86, result: 1 << rax, stack: 1 << rsp,
		arguments:   []regs{1 << rdi, 1 << rsi, 1 << rdx, 1 << rcx, 1 << r8},
		goArguments: 1<<rax | 1<<rbx | 1<<rcx | 1<<r14,
	},
	ARM64: {
		decode: decodeARM64, result: 1 << 0, stack: 1<<linkRegister | 1<<stackRegister,
		arguments:   []regs{1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 4},
		goArguments: 1<<0 | 1<<1 | 1<<2 | 1<<28,
	},
}

// kept returns the registers of the arguments that a probe of that role reads.
func (m isa) kept(role Role) regs {
	count := map[Role]int{RoleRead: 3, RoleWrite: 3, RoleReadEx: 4, RoleWriteEx: 4, RoleWriteEx2: 5, RoleSendFile: 4, RoleFree: 1, RoleCork: 1, RoleUncork: 1}
	var kept regs
	for _, argument := range m.arguments[:count[role]] {
		kept |= argument
	}
	return kept
}

// listing is a function's instructions in order.
type listing struct {
	insts []inst
	size  int
	// opaque says why not all of its ways out are known, empty if they are.
	opaque string
}

// index returns which instruction begins at a position, or -1.
func (l *listing) index(at int) int {
	i, ok := slices.BinarySearchFunc(l.insts, at, func(i inst, at int) int { return i.at - at })
	if !ok {
		return -1
	}
	return i
}

// trace reads what can be reached from the function's beginning, so that data and padding
// between are not taken for code.
func (m isa) trace(code []byte) *listing {
	l := &listing{size: len(code)}
	starts := make(map[int]bool)
	for work := []int{0}; len(work) > 0; {
		at := work[len(work)-1]
		work = work[:len(work)-1]
		for !starts[at] {
			i, ok := m.decode(code, at)
			if !ok {
				l.opaque = "an instruction that is not known"
				break
			}
			starts[at] = true
			l.insts = append(l.insts, i)
			if i.flow == flowBranch || i.flow == flowJump {
				if i.target < 0 || i.target >= len(code) {
					l.opaque = "a jump out of the function"
				} else {
					work = append(work, i.target)
				}
			}
			if i.flow == flowIndirect {
				l.opaque = "an indirect jump"
			}
			if i.flow >= flowJump || i.flow == flowCall && i.next() == len(code) {
				break // a call at the function's end is of a function that does not return
			}
			if at = i.next(); at >= len(code) {
				l.opaque = "an end that is no return"
				break
			}
		}
	}
	l.sort()
	return l
}

// sweep reads the whole function, as Go's needs: after a panic that was recovered, Go's runtime
// enters a function at a place that no jump leads to. Indirect jumps are no way out of it: they are
// those of switches, and Go's compiler makes tail calls in wrappers of methods only.
func (m isa) sweep(code []byte) *listing {
	l := &listing{size: len(code)}
	for at := 0; at < len(code); {
		i, ok := m.decode(code, at)
		if !ok {
			l.opaque = "an instruction that is not known"
			return l
		}
		l.insts = append(l.insts, i)
		at = i.next()
	}
	returns := l.returns()
	for _, i := range l.insts {
		switch {
		case i.literal && l.anyIn(returns, i.target, i.target+maxLiteral):
			l.opaque = "a return that may be data"
		case i.flow != flowBranch && i.flow != flowJump:
		case i.target < 0 || i.target >= len(code):
			l.opaque = "a jump out of the function"
		case l.index(i.target) < 0:
			l.opaque = "a jump into an instruction"
		}
	}
	return l
}

// maxLiteral is the size of the largest datum that an instruction loads from beside the code.
const maxLiteral = 16

// anyIn says whether one of the instructions, which are in order, begins there.
func (l *listing) anyIn(insts []int, from, to int) bool {
	i, _ := slices.BinarySearchFunc(insts, from, func(i, from int) int { return l.insts[i].at - from })
	return i < len(insts) && l.insts[insts[i]].at < to
}

// sort puts the instructions in order and finds those that share bytes.
func (l *listing) sort() {
	slices.SortFunc(l.insts, func(a, b inst) int { return a.at - b.at })
	for i := 1; i < len(l.insts); i++ {
		if l.insts[i].at < l.insts[i-1].next() {
			l.opaque = "a jump into an instruction"
		}
	}
}
