package kernel

import (
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// Options configure [Open]. The zero value of a field means its default.
type Options struct {
	// Buckets are the classic histogram bounds, ascending, more than 0, at most 30
	// (default [DefaultBuckets]). Those of protocols that have their own are added where there is room.
	Buckets []time.Duration
	// SettleAfter is how long a response whose end is not known must have paused to count as
	// ended (default 5 s).
	SettleAfter time.Duration
	// MaxConnections is the size of the connection table (default 32,768).
	MaxConnections int
	// MaxWorkloads bounds the workloads known at one time (default 1,024).
	MaxWorkloads int
	// MaxSeries bounds the series in all (default 3,000).
	MaxSeries int
	// MaxSeriesPerWorkload bounds the series of one workload (default 256).
	MaxSeriesPerWorkload int
	// MaxPeers bounds the edges in all (default 4,096).
	MaxPeers int
	// MaxPeersPerWorkload bounds the edges of one workload (default 128).
	MaxPeersPerWorkload int
	// MaxHTTP2Connections bounds the connections of which HTTP/2 is read at one time (default 1,024).
	MaxHTTP2Connections int
	// MaxStreams bounds the open streams beyond the 64 that an HTTP/2 connection holds itself (default 16,384). A connection takes
	// as many at a time, so that it is rounded up.
	MaxStreams int
	// Mode is how taps are attached that can be attached in several ways (default
	// [ModeAuto]).
	Mode Mode
	// TLS prepares for probes in TLS libraries: see [Kernel.Asked] and [Kernel.AttachTLS].
	TLS bool
	// MaxTLSCallers bounds the threads that have called a TLS library and the goroutines that are in a call of one
	// (default 131,072; there is no such table without TLS).
	MaxTLSCallers int
	// TLSAskAgain is after how long Asked may name a process once more of which a connection is opaque (default 1 minute).
	TLSAskAgain time.Duration
	// Empty attaches programs of the same kinds that do nothing: the floor that
	// benchmarks compare with.
	Empty bool
	// Object is an ELF file with the BPF programs of another version, instead of this one's: for benchmarks
	// that compare the two. Constants and maps that it lacks are passed over, those that this
	// version does not know keep what the file says; the logger is told. Only Attach, Detach, Sweep,
	// Taps and Close are of use then: what is in the maps may be of another shape.
	Object []byte
	// Logger receives what the start-up has to say (default: discarded).
	Logger *slog.Logger
}

// DefaultBuckets are the classic bounds of the Prometheus client libraries, with five
// more below: a good part of what is called within a cluster answers sooner than 5 ms.
func DefaultBuckets() []time.Duration {
	const us, ms = time.Microsecond, time.Millisecond
	return []time.Duration{
		100 * us, 250 * us, 500 * us, 1 * ms, 2500 * us, 5 * ms, 10 * ms, 25 * ms, 50 * ms,
		100 * ms, 250 * ms, 500 * ms, 1000 * ms, 2500 * ms, 5000 * ms, 10000 * ms,
	}
}

func (o Options) withDefaults() (Options, error) {
	if o.Mode == "" {
		o.Mode = ModeAuto
	}
	if !slices.Contains(Modes(), o.Mode) {
		return o, fmt.Errorf("no attach mode %q", o.Mode)
	}
	if o.Buckets == nil {
		o.Buckets = DefaultBuckets()
	}
	if len(o.Buckets) > maxClassicBounds {
		return o, fmt.Errorf("%d buckets, at most %d are possible", len(o.Buckets), maxClassicBounds)
	}
	for i, b := range o.Buckets {
		if b <= 0 || i > 0 && b <= o.Buckets[i-1] {
			return o, fmt.Errorf("bucket %s: bounds must be above zero and ascend", b)
		}
	}
	if o.SettleAfter == 0 {
		o.SettleAfter = 5 * time.Second
	}
	if o.SettleAfter < 0 {
		return o, fmt.Errorf("settle after %s: must be above zero", o.SettleAfter)
	}
	if o.TLSAskAgain == 0 {
		o.TLSAskAgain = time.Minute
	}
	if o.TLSAskAgain < 0 {
		return o, fmt.Errorf("ask again after %s: must be above zero", o.TLSAskAgain)
	}
	for _, limit := range []struct {
		name  string
		value *int
		unset int
		most  int
	}{
		{"connections", &o.MaxConnections, 32768, 1 << 22},
		{"workloads", &o.MaxWorkloads, 1024, 1 << 16},
		{"series", &o.MaxSeries, 3000, 1 << 18},
		{"series per workload", &o.MaxSeriesPerWorkload, 256, 1 << 18},
		{"peers", &o.MaxPeers, 4096, 1 << 18},
		{"peers per workload", &o.MaxPeersPerWorkload, 128, 1 << 18},
		{"connections with HTTP/2", &o.MaxHTTP2Connections, 1024, 1 << 18},
		{"streams", &o.MaxStreams, 16384, 1 << 21},
		{"callers of TLS libraries", &o.MaxTLSCallers, 131072, 1 << 22},
	} {
		if *limit.value == 0 {
			*limit.value = limit.unset
		}
		if *limit.value < 1 || *limit.value > limit.most {
			return o, fmt.Errorf("at most %d %s: must be from 1 to %d", *limit.value, limit.name, limit.most)
		}
	}
	return o, nil
}
