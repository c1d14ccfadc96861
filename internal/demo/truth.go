package demo

import (
	"cmp"
	"math"
	"slices"
	"sync"
	"time"
)

// Truth is what the callers of the demonstration measured themselves: what an agent
// beside it should have seen too.
type Truth struct {
	Elapsed time.Duration `json:"elapsed_ns"`
	Calls   []Calls       `json:"calls"`
	// Link is nil if there is no lossy link.
	Link *LinkStats `json:"link,omitempty"`
}

// Calls are the finished calls of one kind. Durations run from before the request
// was written (or its connection opened) until the whole response was read.
type Calls struct {
	From   string `json:"from"`
	To     string `json:"to"`
	Method string `json:"method"` // "gRPC" for calls of gRPC
	// Status is that of HTTP, such as "200", or of gRPC, such as "UNAVAILABLE"; "none" if there was no response.
	Status string `json:"status"`

	Count uint64        `json:"count"`
	Sum   time.Duration `json:"sum_ns"`
	Max   time.Duration `json:"max_ns"`
	// Quantiles, at most 1 % too high.
	P50 time.Duration `json:"p50_ns"`
	P90 time.Duration `json:"p90_ns"`
	P99 time.Duration `json:"p99_ns"`
}

// Mean returns the mean duration, 0 if there were no calls.
func (c Calls) Mean() time.Duration {
	if c.Count == 0 {
		return 0
	}
	return c.Sum / time.Duration(c.Count)
}

// recorder collects calls. It may be used concurrently; the zero value is ready.
type recorder struct {
	mu    sync.Mutex
	calls map[Calls]*digest // the key has only From, To, Method and Status
}

func (r *recorder) record(key Calls, d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.calls == nil {
		r.calls = make(map[Calls]*digest)
	}
	g := r.calls[key]
	if g == nil {
		g = &digest{}
		r.calls[key] = g
	}
	g.add(d)
}

// snapshot returns what was recorded so far, sorted by From, To, Method and Status.
func (r *recorder) snapshot() []Calls {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]Calls, 0, len(r.calls))
	for c, g := range r.calls {
		c.Count, c.Sum, c.Max = g.count, g.sum, g.max
		c.P50, c.P90, c.P99 = g.quantile(0.5), g.quantile(0.9), g.quantile(0.99)
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b Calls) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To),
			cmp.Compare(a.Method, b.Method), cmp.Compare(a.Status, b.Status))
	})
	return all
}

// digest is a histogram with buckets that are 1 % wide, from 1 µs to 15 minutes: its
// size does not depend on how long the demonstration runs.
type digest struct {
	count   uint64
	sum     time.Duration
	max     time.Duration
	buckets [2100]uint32
}

const digestStep = 1.01

func (g *digest) add(d time.Duration) {
	g.count++
	g.sum += d
	g.max = max(g.max, d)
	i := math.Ceil(math.Log(float64(d)/float64(time.Microsecond)) / math.Log(digestStep))
	g.buckets[int(max(0, min(i, float64(len(g.buckets)-1))))]++
}

// quantile returns the upper end of the bucket that holds the value of rank q.
func (g *digest) quantile(q float64) time.Duration {
	rank := uint64(math.Ceil(q * float64(g.count)))
	var seen uint64
	for i, n := range g.buckets {
		if seen += uint64(n); seen >= rank {
			upper := float64(time.Microsecond) * math.Pow(digestStep, float64(i))
			return min(time.Duration(upper), g.max)
		}
	}
	return g.max
}
