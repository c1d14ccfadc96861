// Command blind tells whether this kernel runs BPF programs whatever task is current. On some virtual machines it does not while a task of
// their supervisor is: of what the network does in an interrupt at that time Fathom sees nothing, and no counter of missed runs says so. A
// test that must not lose anything may fail there by no fault of its own.
//
// It watches until its standard input ends, and then with status 0 if there was such a task, and says which; with 1 if each task that ran was
// seen; with 2 if it cannot tell.
package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/rlimit"
)

// often is how many times a task has to have been switched away from to be missed.
const often = 5

func main() {
	hidden, err := find(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, "blind:", err)
		os.Exit(2)
	}
	if len(hidden) == 0 {
		fmt.Println("BPF programs run in all tasks")
		os.Exit(1)
	}
	for _, task := range hidden {
		fmt.Println("BPF programs do not run while this task is current:", task)
	}
}

// find returns the tasks that ran until the input ended, and in which no program did.
func find(input io.Reader) (hidden []string, err error) {
	if err := rlimit.RemoveMemlock(); err != nil {
		return nil, err
	}
	text, err := os.ReadFile("/proc/sys/kernel/pid_max")
	if err != nil {
		return nil, err
	}
	limit, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 32)
	if err != nil {
		return nil, fmt.Errorf("/proc/sys/kernel/pid_max: %w", err)
	}
	// By thread id: it cannot overflow, however many threads there are meanwhile.
	seen, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: uint32(limit)})
	if err != nil {
		return nil, err
	}
	defer func() { _ = seen.Close() }()
	// Where a task is switched away from, it is still current.
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.RawTracepoint, License: "GPL",
		Instructions: asm.Instructions{
			asm.FnGetCurrentPidTgid.Call(),
			asm.StoreMem(asm.RFP, -4, asm.R0, asm.Word),
			asm.LoadMapPtr(asm.R1, seen.FD()),
			asm.Mov.Reg(asm.R2, asm.RFP),
			asm.Add.Imm(asm.R2, -4),
			asm.FnMapLookupElem.Call(),
			asm.JEq.Imm(asm.R0, 0, "done"),
			asm.StoreImm(asm.R0, 0, 1, asm.Word),
			asm.Mov.Imm(asm.R0, 0).WithSymbol("done"),
			asm.Return(),
		},
	})
	if err != nil {
		return nil, err
	}
	defer func() { _ = program.Close() }()
	attached, err := link.AttachRawTracepoint(link.RawTracepointOptions{Name: "sched_switch", Program: program})
	if err != nil {
		return nil, err
	}
	defer func() { _ = attached.Close() }()
	before := tasks()
	if _, err := io.Copy(io.Discard, input); err != nil {
		return nil, err
	}
	for id, now := range tasks() {
		earlier, ok := before[id]
		if !ok || now.switches < earlier.switches+often {
			continue
		}
		var ran uint32
		if err := seen.Lookup(id, &ran); err != nil {
			return nil, err
		}
		if ran == 0 {
			hidden = append(hidden, fmt.Sprintf("%d %s", id, now.name))
		}
	}
	return hidden, nil
}

// task is one, as /proc has it.
type task struct {
	name     string
	switches uint64
}

// tasks returns all tasks by their thread ids. Those that end meanwhile are left out.
func tasks() map[uint32]task {
	all := map[uint32]task{}
	files, _ := filepath.Glob("/proc/[0-9]*/task/[0-9]*/status")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		id, err := strconv.ParseUint(filepath.Base(filepath.Dir(file)), 10, 32)
		if err != nil {
			continue
		}
		var t task
		for line := range strings.Lines(string(text)) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
			value = strings.TrimSpace(value)
			switch name {
			case "Name":
				t.name = value
			case "voluntary_ctxt_switches", "nonvoluntary_ctxt_switches":
				n, _ := strconv.ParseUint(value, 10, 64)
				t.switches += n
			}
		}
		all[uint32(id)] = t
	}
	return all
}
