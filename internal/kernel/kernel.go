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
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/rlimit"
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
	objects bpfObjects
	empty   map[string]*ebpf.Program // with Options.Empty: what is attached instead

	upper  []time.Duration // bounds
	arrays arrays

	mu   sync.Mutex // one sweep or snapshot at a time; guards what follows
	taps []attachedTap
}

// Open loads the BPF programs and attaches them. The context bounds the loading only.
func Open(ctx context.Context, o Options) (*Kernel, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	k := &Kernel{options: o, log: o.Logger, upper: mergeBounds(o.Buckets)}
	if k.log == nil {
		k.log = slog.New(slog.DiscardHandler)
	}
	if err := k.load(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, errors.Join(err, k.Close())
	}
	if err := k.Attach(); err != nil {
		return nil, errors.Join(err, k.Close())
	}
	return k, nil
}

func (k *Kernel) load() error {
	// Kernels before 5.11 count maps against RLIMIT_MEMLOCK. Later ones do not,
	// where a failure to raise it (no CAP_SYS_RESOURCE) does not matter.
	if err := rlimit.RemoveMemlock(); err != nil {
		k.log.Debug("cannot raise the memlock limit", "err", err)
	}
	spec, err := loadBpf()
	if err != nil {
		return fmt.Errorf("read the BPF object: %w", err)
	}
	cache := btf.NewCache() // of the kernel's types: megabytes, for the time of loading
	if err := k.configure(spec, cache); err != nil {
		return err
	}
	if err := spec.LoadAndAssign(&k.objects, &ebpf.CollectionOptions{Cache: cache}); err != nil {
		if verifier, ok := errors.AsType[*ebpf.VerifierError](err); ok {
			k.log.Debug("the verifier refused a program", "log", fmt.Sprintf("%+v", verifier))
		}
		return explainLoad(err)
	}
	if k.options.Empty {
		if k.empty, err = loadEmpty(); err != nil {
			return errors.Join(err, k.objects.Close())
		}
	}
	k.arrays = arraysOf(&k.objects)
	return nil
}

// Close detaches everything and frees the maps.
func (k *Kernel) Close() error {
	err := k.Detach()
	for _, p := range k.empty {
		err = errors.Join(err, p.Close())
	}
	return errors.Join(err, k.objects.Close())
}

// Bounds returns the upper bounds of all [Histogram] values except RTT, ascending:
// the union of Options.Buckets and the bounds of Prometheus' native histograms of
// schema 3 (2^(i/8) seconds) from 2^-17 s to 2^8 s.
func (k *Kernel) Bounds() []time.Duration { return k.upper }

// RTTBounds returns the upper bounds of [Edge.RTT].
func (k *Kernel) RTTBounds() []time.Duration { return rttBounds() }
