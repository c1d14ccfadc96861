// Package kernel loads Fathom's BPF programs, attaches them, and reads what
// they counted into plain Go values. It knows nothing of Prometheus or
// Kubernetes.
package kernel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/cilium/ebpf"

	"github.com/fathomhq/fathom/internal/protocol"
)

// Reasons why [Open] can fail; test with errors.Is. The error's text tells the user
// what to do.
var (
	ErrPermission  = errors.New("not permitted")
	ErrUnsupported = errors.New("not supported by this kernel")
)

// Kernel is the attached kernel side. Its methods may be called concurrently.
type Kernel struct {
	options Options
	log     *slog.Logger
	table   []tap // all taps, but in tests
	// preempted: facts.preempted
	preempted bool

	objects   bpfMaps
	variables variables
	sweep     *ebpf.Program
	giveBack  *ebpf.Program   // nil if Options.Object has none
	tls       *tlsProbes      // nil if TLS is not read
	upper     []time.Duration // bounds
	arrays    arrays

	mu       sync.Mutex // one sweep or snapshot at a time; guards what follows
	taps     []*attachedTap
	attached bool
	// strays are edges that are in use and that the index does not lead to any more, by slot: see ForgetPeers.
	strays map[uint32]bpfEdgeKey
}

// variables are those that are set after loading.
type variables struct {
	Attached *ebpf.Variable `ebpf:"attached"`
}

// Open loads the BPF programs and attaches them. A tap that this kernel refuses does not stop the
// others: [Kernel.Taps] tells. The error is for when nothing useful would be left. The
// context bounds the loading only.
func Open(ctx context.Context, o Options) (*Kernel, error) { return open(ctx, o, taps) }

func open(ctx context.Context, o Options, table []tap) (*Kernel, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	k := newKernel(o, table)
	if err := k.load(); err != nil {
		return nil, errors.Join(err, k.Close())
	}
	if err := ctx.Err(); err != nil {
		return nil, errors.Join(err, k.Close())
	}
	if err := k.useful(); err != nil {
		return nil, errors.Join(err, k.Close())
	}
	if err := k.start(); err != nil {
		return nil, errors.Join(explainSweep(err), k.Close())
	}
	return k, nil
}

func newKernel(o Options, table []tap) *Kernel {
	k := &Kernel{options: o, log: o.Logger, upper: boundsFor(o.Buckets, protocol.Families()), table: table, strays: make(map[uint32]bpfEdgeKey)}
	if k.log == nil {
		k.log = slog.New(slog.DiscardHandler)
	}
	return k
}

// load makes the maps, loads the programs and attaches them; they do not count yet.
func (k *Kernel) load() error {
	f, err := readFacts()
	if err != nil {
		return err
	}
	k.preempted = f.preempted
	l, err := newLoader(k.options, boundsOf(k.upper), f, k.log)
	if err != nil {
		return err
	}
	defer l.close()
	if k.sweep, err = l.program("fathom_sweep"); err != nil {
		return explainLoad(err)
	}
	if k.giveBack, err = l.program("fathom_give_back"); err != nil && k.options.Object == nil {
		return explainLoad(err)
	}
	k.findWays(l)
	if k.options.TLS {
		if err := k.loadTLS(l); err != nil {
			return fmt.Errorf("read TLS: %w", err)
		}
	}
	if err := l.maps.Assign(&k.objects); err != nil {
		return fmt.Errorf("find the maps: %w", err)
	}
	if err := l.maps.Assign(&k.variables); err != nil {
		return fmt.Errorf("find the variables: %w", err)
	}
	// The programs keep it. It holds parts of the heads of requests, which nobody in this process is to read.
	if err := k.objects.Heads.Close(); err != nil {
		return fmt.Errorf("close the map of heads: %w", err)
	}
	k.objects.Heads = nil
	k.arrays = arraysOf(&k.objects)
	return nil
}

// useful returns nil if what is attached is worth having: HTTP, or else TCP's health.
func (k *Kernel) useful() error {
	var errs refusals
	for _, name := range []string{"data_read", "state"} {
		t := k.tap(name)
		if t != nil && t.way != nil {
			return nil
		}
		if t != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, t.err))
		}
	}
	return errs
}

// Close detaches everything and frees the maps.
func (k *Kernel) Close() error {
	err := k.Detach()
	if k.tls != nil {
		err = errors.Join(err, k.tls.close())
	}
	for _, t := range k.taps {
		err = errors.Join(err, t.close())
	}
	for _, p := range []*ebpf.Program{k.sweep, k.giveBack} {
		if p != nil {
			err = errors.Join(err, p.Close())
		}
	}
	if k.objects.Conns != nil {
		err = errors.Join(err, k.objects.Close())
	}
	return err
}

// Bounds returns the upper bounds of all [Histogram] values except RTT, ascending:
// the union of Options.Buckets, the bounds of the protocols that have their own, and those of
// Prometheus' native histograms of schema 3 (2^(i/8) seconds) from 2^-17 s to 2^8 s.
func (k *Kernel) Bounds() []time.Duration { return k.upper }

// RTTBounds returns the upper bounds of [Edge.RTT].
func (k *Kernel) RTTBounds() []time.Duration { return rttBounds() }
