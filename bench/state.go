package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"

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

// builtIn tells whether a name is that of a state that there is without -object.
func builtIn(name string) bool {
	return slices.Contains([]string{stateNone, stateEmpty, stateFathom, stateNaive}, name)
}

// toggled is what is attached, or not, while the load runs.
type toggled interface {
	names() []string
	enter(name string) error // attaches what belongs to a state, and nothing else
	tick(name string) error  // does what an agent does about once a second
	leave() error            // detaches everything
	reloadIfDue(ctx context.Context, blocks int) error
	close() error
}

// variant is one set of programs, and a state.
type variant struct {
	name    string
	options kernel.Options
	kernel  *kernel.Kernel // nil if it is not loaded
}

// states are the usual ones, and those of -object.
type states struct {
	variants []*variant
	blocks   int // since the programs were loaded
}

func (s *states) names() []string {
	names := []string{stateNone}
	for _, v := range s.variants {
		names = append(names, v.name)
	}
	return names
}

// pairs are the states whose windows are compared.
func (s *states) pairs() [][2]string {
	pairs := [][2]string{{stateFathom, stateEmpty}, {stateFathom, stateNone}, {stateEmpty, stateNone}}
	for _, p := range s.pairsOfObjects() {
		pairs = append(pairs, p, [2]string{p[1], stateEmpty}, [2]string{p[1], stateNone})
	}
	return pairs
}

// pairsOfObjects are Fathom and each other object.
func (s *states) pairsOfObjects() (pairs [][2]string) {
	for _, v := range s.variants {
		if !builtIn(v.name) {
			pairs = append(pairs, [2]string{stateFathom, v.name})
		}
	}
	return pairs
}

// openStates loads all programs and leaves them detached: the usual ones with TLS, or without it together with those
// of -object.
func (b *bench) openStates(ctx context.Context, tls bool) (*states, error) {
	s := &states{variants: []*variant{
		{name: stateEmpty, options: kernel.Options{Empty: true, TLS: tls}},
		{name: stateFathom, options: kernel.Options{TLS: tls}},
	}}
	if !tls {
		for _, o := range b.objects {
			log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})).With("object", o.name)
			s.variants = append(s.variants, &variant{name: o.name, options: kernel.Options{Object: o.file, Logger: log}})
		}
	}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	if err := s.sameTaps(); err != nil {
		return nil, errors.Join(err, s.close())
	}
	for _, v := range s.variants {
		v.options.Logger = nil // once is enough
	}
	return s, nil
}

func (s *states) open(ctx context.Context) (err error) {
	s.blocks = 0
	for _, v := range s.variants {
		if v.kernel, err = kernel.Open(ctx, v.options); err != nil {
			return fmt.Errorf("load the programs of %s: %w", v.name, err)
		}
		if err := v.kernel.Detach(); err != nil {
			return err
		}
	}
	return nil
}

// sameTaps fails if the programs of an object are attached otherwise than Fathom's: that would be another comparison.
func (s *states) sameTaps() error {
	own := modes(s.kernel(stateFathom).Taps())
	for _, v := range s.variants {
		if got := modes(v.kernel.Taps()); got != own {
			return fmt.Errorf("%s is attached as %s, and %s as %s", v.name, got, stateFathom, own)
		}
	}
	return nil
}

func modes(taps []kernel.Tap) string {
	var all []string
	for _, t := range taps {
		all = append(all, t.Name+"="+t.Mode)
	}
	return strings.Join(all, " ")
}

// reloadIfDue is called before each block of windows. It loads all programs anew after as many: where the kernel
// happens to put them and their maps changes what they take by several percent, so that one loading is a
// sample of one.
func (s *states) reloadIfDue(ctx context.Context, blocks int) error {
	s.blocks++
	if s.blocks <= blocks {
		return nil
	}
	if err := s.close(); err != nil {
		return err
	}
	err := s.open(ctx)
	s.blocks = 1
	return err
}

// kernel returns the programs of a state, nil if it has none.
func (s *states) kernel(name string) *kernel.Kernel {
	for _, v := range s.variants {
		if v.name == name {
			return v.kernel
		}
	}
	return nil
}

func (s *states) enter(name string) error {
	if err := s.leave(); err != nil {
		return err
	}
	if k := s.kernel(name); k != nil {
		return k.Attach()
	}
	return nil
}

func (s *states) tick(name string) error {
	if k := s.kernel(name); k != nil && name != stateEmpty {
		return k.Sweep()
	}
	return nil
}

func (s *states) leave() error {
	var errs []error
	for _, v := range s.variants {
		errs = append(errs, v.kernel.Detach())
	}
	return errors.Join(errs...)
}

func (s *states) close() error {
	var errs []error
	for _, v := range s.variants {
		if v.kernel != nil {
			errs = append(errs, v.kernel.Close())
		}
		v.kernel = nil
	}
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
