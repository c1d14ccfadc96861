package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/fathomhq/fathom/internal/kernel"
)

// The states that windows are measured in.
const (
	stateNone   = "none"   // nothing is attached
	stateEmpty  = "empty"  // programs that only return, on Fathom's hooks
	stateFathom = "fathom" // Fathom's programs
)

// toggled is what is attached, or not, while the load runs.
type toggled interface {
	names() []string
	enter(name string) error // attaches what belongs to a state, and nothing else
	tick(name string) error  // does what an agent does about once a second
	leave() error            // detaches everything
	reload(ctx context.Context) error
	close() error
}

// states are the usual ones.
type states struct {
	empty, fathom *kernel.Kernel
	tls           bool // with the programs that read TLS
}

func (s *states) names() []string { return []string{stateNone, stateEmpty, stateFathom} }

// openStates loads all programs and leaves them detached.
func openStates(ctx context.Context, tls bool) (*states, error) {
	s := &states{tls: tls}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *states) open(ctx context.Context) (err error) {
	if s.empty, err = kernel.Open(ctx, kernel.Options{Empty: true, TLS: s.tls}); err != nil {
		return err
	}
	if err := s.empty.Detach(); err != nil {
		return err
	}
	if s.fathom, err = kernel.Open(ctx, kernel.Options{TLS: s.tls}); err != nil {
		return err
	}
	return s.fathom.Detach()
}

// reload loads all programs anew. Where the kernel happens to put them and their maps changes
// what they take by several percent: one loading is a sample of one.
func (s *states) reload(ctx context.Context) error {
	if err := s.close(); err != nil {
		return err
	}
	return s.open(ctx)
}

func (s *states) enter(name string) error {
	if err := s.leave(); err != nil {
		return err
	}
	switch name {
	case stateEmpty:
		return s.empty.Attach()
	case stateFathom:
		return s.fathom.Attach()
	}
	return nil
}

func (s *states) tick(name string) error {
	if name == stateFathom {
		return s.fathom.Sweep()
	}
	return nil
}

func (s *states) leave() error { return errors.Join(s.empty.Detach(), s.fathom.Detach()) }

func (s *states) close() error {
	var errs []error
	for _, k := range []*kernel.Kernel{s.empty, s.fathom} {
		if k != nil {
			errs = append(errs, k.Close())
		}
	}
	s.empty, s.fathom = nil, nil
	return errors.Join(errs...)
}

// tapNames are the raw tracepoints that Fathom attaches to under load.
var tapNames = map[string]bool{
	"sock_recv_length": true, "sock_send_length": true, "sk_data_ready": true,
	"inet_sock_set_state": true, "tcp_destroy_sock": true,
}

// strangers counts the programs of others on Fathom's tracepoints: the figures
// include what these cost.
func strangers() (int, error) {
	n := 0
	it := new(link.Iterator)
	defer it.Close()
	for it.Next() {
		info, err := it.Link.Info()
		if err != nil {
			continue // it has gone
		}
		if raw := info.RawTracepoint(); raw != nil && tapNames[raw.Name] {
			n++
		}
	}
	err := it.Err()
	if errors.Is(err, os.ErrPermission) {
		return 0, fmt.Errorf("list BPF links: %w: run as root", err)
	}
	if err != nil && !errors.Is(err, ebpf.ErrNotSupported) {
		return 0, fmt.Errorf("list BPF links: %w", err)
	}
	return n, nil
}
