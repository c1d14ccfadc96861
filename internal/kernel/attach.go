package kernel

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
)

// tap is a place in the kernel that Fathom hooks, in mode tracepoint.
type tap struct {
	name       string
	tracepoint string // the raw tracepoint's name
	program    func(*bpfObjects) *ebpf.Program
	// useful: without this tap there are no numbers worth having.
	useful bool
}

// The order of attaching: what opens connections before what uses them.
var taps = []tap{
	{"state", "inet_sock_set_state", func(o *bpfObjects) *ebpf.Program { return o.FathomState }, true},
	{"destroyed", "tcp_destroy_sock", func(o *bpfObjects) *ebpf.Program { return o.FathomDestroy }, true},
	{"data_arrived", "sk_data_ready", func(o *bpfObjects) *ebpf.Program { return o.FathomArrived }, true},
	{"data_written", "sock_send_length", func(o *bpfObjects) *ebpf.Program { return o.FathomWritten }, true},
	{"data_read", "sock_recv_length", func(o *bpfObjects) *ebpf.Program { return o.FathomRead }, true},
	{"retransmit", "tcp_retransmit_skb", func(o *bpfObjects) *ebpf.Program { return o.FathomRetransmit }, false},
	{"retransmit_synack", "tcp_retransmit_synack", func(o *bpfObjects) *ebpf.Program { return o.FathomSynack }, false},
	{"reset_received", "tcp_receive_reset", func(o *bpfObjects) *ebpf.Program { return o.FathomResetReceived }, false},
	{"reset_sent", "tcp_send_reset", func(o *bpfObjects) *ebpf.Program { return o.FathomResetSent }, false},
}

type attachedTap struct {
	tap
	link link.Link
	err  error
}

// Attach attaches the programs again after [Kernel.Detach]. A tap that this kernel
// refuses does not stop the others, unless nothing useful is left.
func (k *Kernel) Attach() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.taps != nil {
		return nil
	}
	for _, t := range taps {
		program := t.program(&k.objects)
		if k.options.Empty {
			program = k.empty[t.tracepoint]
		}
		l, err := link.AttachRawTracepoint(link.RawTracepointOptions{Name: t.tracepoint, Program: program})
		if err != nil {
			err = fmt.Errorf("attach %s: %w", t.tracepoint, err)
			if t.useful {
				return errors.Join(explainAttach(err), k.detachLocked())
			}
			k.log.Warn("cannot attach a tap", "tap", t.name, "err", err)
		}
		k.taps = append(k.taps, attachedTap{t, l, err})
	}
	// What ended while nothing was attached must not be taken for what came in its place.
	if err := k.sweepLocked(); err != nil {
		return errors.Join(err, k.detachLocked())
	}
	return k.setAttached(true)
}

// setAttached tells the programs whether all of them run.
func (k *Kernel) setAttached(attached bool) error {
	if err := k.objects.Attached.Set(attached); err != nil {
		return fmt.Errorf("switch the programs: %w", err)
	}
	return nil
}

// Detach takes all programs off their taps; what was counted stays readable.
func (k *Kernel) Detach() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.detachLocked()
}

func (k *Kernel) detachLocked() error {
	if k.taps == nil {
		return nil
	}
	errs := []error{k.setAttached(false)}
	for _, t := range k.taps {
		if t.link != nil {
			errs = append(errs, t.link.Close())
		}
	}
	k.taps = nil
	return errors.Join(errs...)
}

// Taps tells how each tap is attached.
func (k *Kernel) Taps() []Tap {
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []Tap
	for _, t := range k.taps {
		mode := "tracepoint"
		if t.err != nil {
			mode = "none"
		}
		out = append(out, Tap{Name: t.name, Mode: mode, Err: t.err})
	}
	return out
}

// loadEmpty loads one program for each tap that only returns.
func loadEmpty() (map[string]*ebpf.Program, error) {
	programs := make(map[string]*ebpf.Program)
	for _, t := range taps {
		p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
			Name: "empty", Type: ebpf.RawTracepoint, License: "GPL",
			Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
		})
		if err != nil {
			for _, loaded := range programs {
				err = errors.Join(err, loaded.Close())
			}
			return nil, fmt.Errorf("load an empty program: %w", err)
		}
		programs[t.tracepoint] = p
	}
	return programs, nil
}
