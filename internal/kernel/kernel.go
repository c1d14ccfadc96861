// Package kernel loads Fathom's BPF programs, attaches them, and reads what
// they counted into plain Go values. It knows nothing of Prometheus or
// Kubernetes.
package kernel

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// Options configure [Open]. The zero value of a field means its default.
type Options struct {
	// Buckets are the classic histogram bounds, ascending, more than 0.
	Buckets []time.Duration
	// SettleAfter is how long a response must have paused to count as ended
	// (default 5 s).
	SettleAfter time.Duration
	// MaxConnections is the size of the connection table (default 32,768).
	MaxConnections int
	// MaxWorkloads bounds the workloads known at one time (default 1,024).
	MaxWorkloads int
	// MaxSeries bounds the HTTP series in all (default 4,096).
	MaxSeries int
	// MaxSeriesPerWorkload bounds the HTTP series of one workload (default 256).
	MaxSeriesPerWorkload int
	// MaxPeers bounds the edges in all (default 4,096).
	MaxPeers int
	// MaxPeersPerWorkload bounds the edges of one workload (default 128).
	MaxPeersPerWorkload int
	// Empty attaches programs of the same kinds that do nothing: the floor that
	// benchmarks compare with.
	Empty bool
	// Logger receives what the start-up has to say (default: discarded).
	Logger *slog.Logger
}

// Reasons why [Open] can fail; test with errors.Is. The error's text tells the user
// what to do.
var (
	ErrPermission  = errors.New("not permitted")
	ErrUnsupported = errors.New("not supported by this kernel")
)

// Kernel is the attached kernel side. Its methods may be called concurrently.
type Kernel struct {
	impl
}

// Open loads and attaches the BPF programs.
func Open(ctx context.Context, o Options) (*Kernel, error) { return open(ctx, o) }

// Close detaches everything and frees the maps.
func (k *Kernel) Close() error { return k.close() }

// Detach takes all programs off their taps; what was counted stays readable.
func (k *Kernel) Detach() error { return k.detach() }

// Attach attaches the programs again after [Kernel.Detach].
func (k *Kernel) Attach() error { return k.attach() }

// Bounds returns the upper bounds of all [Histogram] values except RTT, ascending:
// the union of Options.Buckets and the bounds of Prometheus' native histograms of
// schema 3 (2^(i/8) seconds) from 2^-17 s to 2^8 s.
func (k *Kernel) Bounds() []time.Duration { return k.bounds() }

// RTTBounds returns the upper bounds of [Edge.RTT].
func (k *Kernel) RTTBounds() []time.Duration { return k.rttBounds() }

// Taps tells how each tap is attached.
func (k *Kernel) Taps() []Tap { return k.taps() }

// Sweep settles exchanges that have paused for Options.SettleAfter, samples the
// TCP counters of live connections and evicts dead ones. The owner calls it
// every second or two; [Kernel.Snapshot] sweeps too.
func (k *Kernel) Sweep() error { return k.sweep() }

// Snapshot sweeps and returns everything counted so far.
func (k *Kernel) Snapshot() (*Snapshot, error) { return k.snapshot() }

// Forget releases workloads: their series, edges and coverage. Those which
// still have connections are kept; Forget returns the ids that it released.
// The caller folds their last values into its own state first.
func (k *Kernel) Forget(ids []WorkloadID) ([]WorkloadID, error) { return k.forget(ids) }
