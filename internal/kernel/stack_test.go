package kernel

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// Before 6.13 a program and the functions that it calls have 512 bytes of stack together, each rounded
// up to 32, in at most 8 calls (check_max_stack_depth() of kernel/bpf/verifier.c). This
// checks it on every host, and names the chain; newer kernels would not notice.
func TestStackDepth(t *testing.T) {
	const most, frames, granule = 512, 6, 32
	programs := make(map[string]*ebpf.ProgramSpec)
	for _, arch := range []string{"x86", "arm64"} {
		spec, err := ebpf.LoadCollectionSpec("bpf_" + arch + "_bpfel.o")
		if err != nil {
			t.Fatal(err)
		}
		for name, p := range spec.Programs {
			programs[arch+" "+name] = p
		}
	}
	for name, p := range programs {
		stack, calls := stackUse(p)
		var deepest func(string) (int, []string)
		deepest = func(function string) (int, []string) {
			var most int
			var chain []string
			for _, callee := range calls[function] {
				if depth, below := deepest(callee); depth > most || depth == most && len(below) > len(chain) {
					most, chain = depth, below
				}
			}
			own := (max(stack[function], 1) + granule - 1) / granule * granule
			return own + most, append([]string{function}, chain...)
		}
		depth, chain := deepest(p.Name)
		for i, function := range chain {
			chain[i] = fmt.Sprintf("%s %d", function, stack[function])
		}
		if strings.HasSuffix(p.Name, "_again") {
			continue // for Linux 7.0 and later, which have no such limit
		}
		if depth > most {
			t.Errorf("%s needs %d bytes of stack:\n\t%s", name, depth, strings.Join(chain, "\n\t"))
		}
		if len(chain) > frames {
			t.Errorf("%s calls %d deep:\n\t%s", name, len(chain), strings.Join(chain, "\n\t"))
		}
	}
}

// stackUse returns how far each function of a program reaches below its frame pointer, and what it calls.
func stackUse(p *ebpf.ProgramSpec) (stack map[string]int, calls map[string][]string) {
	stack, calls = make(map[string]int), make(map[string][]string)
	var function string
	for i, ins := range p.Instructions {
		if s := ins.Symbol(); s != "" {
			function = s
		}
		reach := 0
		switch {
		case ins.IsFunctionCall():
			if callee := ins.Reference(); !slices.Contains(calls[function], callee) {
				calls[function] = append(calls[function], callee)
			}
		case ins.OpCode.Class().IsLoad() && ins.Src == asm.RFP, ins.OpCode.Class().IsStore() && ins.Dst == asm.RFP:
			reach = -int(ins.Offset)
		case i > 0 && ins.OpCode.ALUOp() == asm.Add && ins.OpCode.Source() == asm.ImmSource && p.Instructions[i-1].Src == asm.RFP &&
			p.Instructions[i-1].OpCode.ALUOp() == asm.Mov && p.Instructions[i-1].Dst == ins.Dst:
			reach = -int(ins.Constant)
		}
		stack[function] = max(stack[function], reach)
	}
	return stack, calls
}

// Programs of uprobes must not get a stack per CPU, which they would share with the tasks that preempt them: see
// stay_on_task_stack() in bpf/tls.bpf.c.
func TestStackOfTask(t *testing.T) {
	for _, arch := range []string{"x86", "arm64"} {
		spec, err := ebpf.LoadCollectionSpec("bpf_" + arch + "_bpfel.o")
		if err != nil {
			t.Fatal(err)
		}
		probes := 0
		for name, p := range spec.Programs {
			if !strings.HasPrefix(p.SectionName, "uprobe/") {
				continue
			}
			probes++
			if !slices.ContainsFunc(p.Instructions, func(i asm.Instruction) bool {
				return i.IsBuiltinCall() && asm.BuiltinFunc(i.Constant) == asm.FnTailCall
			}) {
				t.Errorf("%s %s holds no tail call", arch, name)
			}
		}
		if probes != len(tlsProgramNames) {
			t.Errorf("%s: %d programs of uprobes, want %d", arch, probes, len(tlsProgramNames))
		}
	}
}
