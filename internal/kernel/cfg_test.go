package kernel

import (
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// Up to 6.1 the verifier takes a loop whose last instruction is no jump for one that does not end: visit_insn() and push_insn() of
// kernel/bpf/verifier.c, "back-edge". This looks for such loops on every host, in the order of check_cfg().
func TestLoopsEndInJumps(t *testing.T) {
	for _, arch := range []string{"x86", "arm64"} {
		spec, err := ebpf.LoadCollectionSpec("bpf_" + arch + "_bpfel.o")
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for _, p := range spec.Programs {
			for name, function := range functionsOf(p.Instructions) {
				if seen[name] {
					continue
				}
				seen[name] = true
				if at, ok := loopWithoutJump(function); ok {
					t.Errorf("%s %s: a loop ends with instruction %d, which is no jump", arch, name, at)
				}
			}
		}
	}
}

// functionsOf returns the instructions of each function of a program, by its name.
func functionsOf(all asm.Instructions) map[string]asm.Instructions {
	out := map[string]asm.Instructions{}
	name := ""
	for _, ins := range all {
		if s := ins.Symbol(); s != "" {
			name = s
		}
		out[name] = append(out[name], ins)
	}
	return out
}

// loopWithoutJump walks through a function as check_cfg() does, and returns the instruction that is no jump, and whose next one is on the way
// to it already.
func loopWithoutJump(function asm.Instructions) (last int, found bool) {
	index := map[int]int{} // by offset in units of 8 bytes
	offsets := make([]int, len(function))
	at := 0
	for i, ins := range function {
		index[at], offsets[i] = i, at
		at++
		if ins.OpCode.IsDWordLoad() {
			at++
		}
	}
	const discovered, explored = 1, 2
	state := make([]int, len(function))
	var visit func(i int) (int, bool)
	visit = func(i int) (int, bool) {
		state[i] = discovered
		defer func() { state[i] = explored }()
		ins := function[i]
		var next []int
		jump := ins.OpCode.JumpOp()
		switch {
		case jump == asm.Exit:
		case jump == asm.Ja:
			next = []int{index[offsets[i]+1+int(ins.Offset)]}
		case jump != asm.InvalidJumpOp && jump != asm.Call:
			next = []int{i + 1, index[offsets[i]+1+int(ins.Offset)]}
		default:
			next = []int{i + 1}
		}
		for _, n := range next {
			if n >= len(function) {
				continue
			}
			if state[n] == discovered && (jump == asm.InvalidJumpOp || jump == asm.Call) {
				return i, true
			}
			if state[n] == 0 {
				if last, found := visit(n); found {
					return last, true
				}
			}
		}
		return 0, false
	}
	if len(function) == 0 {
		return 0, false
	}
	return visit(0)
}
