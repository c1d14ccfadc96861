package main

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"syscall"
	"time"
)

// footprint is what the agent takes of memory.
type footprint struct {
	Series       int    `json:"http_series"`
	Memory       memory `json:"memory"` // after scrapes in both formats
	TargetMemory uint64 `json:"target_memory"`
	// Kernel memory of its maps, as its metric tells, and as the kernel tells for all maps that
	// the process holds open. Maps that are mapped into the process are in its RSS too.
	Maps       map[string]uint64 `json:"map_memory"`
	MapsKernel uint64            `json:"map_memory_kernel"`
	TargetMaps uint64            `json:"target_map_memory"`
}

func (f *footprint) met() bool {
	return f.Memory.RSS < f.TargetMemory && f.MapsKernel < f.TargetMaps
}

// scrapeCost is the CPU time that the agent takes to answer one scrape.
type scrapeCost struct {
	Format   string  `json:"format"`
	Series   int     `json:"http_series"`
	Scrapes  int     `json:"scrapes"`
	Bytes    int     `json:"bytes"`
	CPU      float64 `json:"cpu_ms_per_scrape"`
	Wall     float64 `json:"wall_ms_per_scrape"`
	Target   float64 `json:"target_ms"`
	PeakRSS  uint64  `json:"peak_rss"`
	IdleCost float64 `json:"idle_ms_per_second"` // the agent's CPU time without scrapes
}

func (s *scrapeCost) met() bool { return s.CPU < s.Target }

// filled is an agent that has seen traffic of many kinds.
type filled struct {
	*agent
	series int
}

// startFilled starts an agent and makes at least n HTTP series.
func (b *bench) startFilled(ctx context.Context, n int, settings ...string) (*filled, error) {
	server, address, err := b.startEcho(ctx)
	if err != nil {
		return nil, err
	}
	defer server.stop(syscall.SIGTERM)
	a, err := b.startAgent(ctx, settings...)
	if err != nil {
		return nil, err
	}
	b.progress("making %d series", n)
	if err := fillSeries(ctx, address, (n+1)/2); err != nil {
		a.stop()
		return nil, err
	}
	tables, err := a.metrics(ctx, "fathom_series")
	if err != nil {
		a.stop()
		return nil, err
	}
	f := &filled{a, int(sumBy(tables, "map")["http_series"])}
	if f.series < n {
		a.stop()
		return nil, fmt.Errorf("traffic for %d series made only %d", n, f.series)
	}
	return f, nil
}

// memory measures an agent with default limits, except that one workload may have as many
// series as the traffic of the benchmark makes.
func (b *bench) memory(ctx context.Context) (*footprint, error) {
	a, err := b.startFilled(ctx, 1000, "--max-series-per-workload=2048")
	if err != nil {
		return nil, err
	}
	defer a.stop()
	for range b.plan.memoryScrapes {
		for _, accept := range []string{acceptText, acceptProtobuf} {
			if _, err := a.scrape(ctx, accept); err != nil {
				return nil, err
			}
		}
		if err := sleep(ctx, 200*time.Millisecond); err != nil {
			return nil, err
		}
	}
	f := &footprint{Series: a.series, TargetMemory: targetMemory, TargetMaps: targetMaps, Maps: make(map[string]uint64)}
	if f.Memory, err = memoryOf(a.pid()); err != nil {
		return nil, err
	}
	if f.MapsKernel, err = mapMemory(a.pid()); err != nil {
		return nil, err
	}
	maps, err := a.metrics(ctx, "fathom_map_memory_bytes")
	if err != nil {
		return nil, err
	}
	for name, bytes := range sumBy(maps, "map") {
		f.Maps[name] = uint64(bytes)
	}
	return f, nil
}

// scrapes measures scrapes of 5,000 series in both formats.
func (b *bench) scrapes(ctx context.Context) ([]scrapeCost, error) {
	const limit = 8192
	a, err := b.startFilled(ctx, 5000,
		"--max-series="+strconv.Itoa(limit), "--max-series-per-workload="+strconv.Itoa(limit))
	if err != nil {
		return nil, err
	}
	defer a.stop()
	idle, err := a.idle(ctx, b.plan.idle)
	if err != nil {
		return nil, err
	}
	var out []scrapeCost
	for _, format := range []struct{ name, accept string }{{"text", acceptText}, {"protobuf", acceptProtobuf}} {
		b.progress("%d scrapes in %s", b.plan.scrapes, format.name)
		s, err := a.cost(ctx, format.accept, b.plan.scrapes)
		if err != nil {
			return nil, err
		}
		s.Format, s.Series, s.Target, s.IdleCost = format.name, a.series, targetScrape, idle
		out = append(out, s)
	}
	return out, nil
}

// idle returns the agent's CPU time in ms per second while nobody asks.
func (f *filled) idle(ctx context.Context, d time.Duration) (float64, error) {
	before, err := cpuTime(f.pid())
	if err != nil {
		return 0, err
	}
	if err := sleep(ctx, d); err != nil {
		return 0, err
	}
	after, err := cpuTime(f.pid())
	return milliseconds(after-before) / d.Seconds(), err
}

// cost scrapes n times after one that is not counted.
func (f *filled) cost(ctx context.Context, accept string, n int) (s scrapeCost, err error) {
	if _, err := f.scrape(ctx, accept); err != nil {
		return s, err
	}
	before, err := cpuTime(f.pid())
	if err != nil {
		return s, err
	}
	began := time.Now()
	for range n {
		body, err := f.scrape(ctx, accept)
		if err != nil {
			return s, err
		}
		s.Bytes = len(body)
	}
	wall := time.Since(began)
	after, err := cpuTime(f.pid())
	if err != nil {
		return s, err
	}
	m, err := memoryOf(f.pid())
	s.Scrapes, s.PeakRSS = n, m.Peak
	s.CPU = milliseconds(after-before) / float64(n)
	s.Wall = milliseconds(wall) / float64(n)
	return s, err
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func pow10(x float64) float64 { return math.Pow(10, x) }
