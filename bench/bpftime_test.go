package main

import (
	"math"
	"testing"
	"time"
)

func TestCompareBPF(t *testing.T) {
	windows := []bpfWindow{
		// 25 ns for each run of an empty program, in one block more, in one less.
		{stateEmpty, 0, 100, 600, 600 * 24 * time.Nanosecond},
		{stateEmpty, 1, 200, 1200, 1200 * 26 * time.Nanosecond},
		// 6 runs and 1,000 ns per request, 150 ns of which are the kernel's clock.
		{stateFathom, 0, 100, 600, 100 * 1000 * time.Nanosecond},
		{stateFathom, 1, 50, 300, 50 * 1000 * time.Nanosecond},
		{"before", 0, 100, 600, 100 * 1850 * time.Nanosecond},
		{"before", 1, 100, 600, 100 * 1850 * time.Nanosecond},
	}
	got := compareBPF(windows, [][2]string{{stateFathom, "before"}})
	if got.EmptyNsPerRun != 25 {
		t.Errorf("an empty program takes %v ns", got.EmptyNsPerRun)
	}
	if runs := got.RunsPerRequest[stateFathom]; runs.N != 2 || runs.Median != 6 {
		t.Errorf("runs: %+v", runs)
	}
	if ns := got.NsPerRequest[stateFathom]; ns.Q1 != 850 || ns.Q3 != 850 {
		t.Errorf("ns per request: %+v", ns)
	}
	if len(got.Ratios) != 1 || got.Ratios[0].Value.N != 2 || got.Ratios[0].Value.Median != 0.5 {
		t.Errorf("ratios: %+v", got.Ratios)
	}
}

func TestTargets(t *testing.T) {
	at := func(x float64) summary { return summarize([]float64{x}) }
	c := func(throughput, cpu, bpf float64) *comparison {
		return &comparison{
			Ratios: []ratio{
				{Of: stateFathom, To: stateEmpty, Value: at(throughput), ByCPU: at(cpu)},
				{Of: stateFathom, To: stateNone, Value: at(0.1), ByCPU: at(0.1)}, // no target
			},
			BPF: &bpfTime{Ratios: []bpfRatio{{Of: stateFathom, To: "before", Value: at(bpf)}}},
		}
	}
	for _, test := range []struct {
		throughput, cpu, bpf float64
		met                  bool
	}{
		{0.97, 0.95, 0.70, true}, {0.96, 0.96, 0.1, true}, {0.95, 0.96, 0.1, false}, {0.97, 0.94, 0.1, false}, {0.97, 0.96, 0.71, false},
	} {
		x := c(test.throughput, test.cpu, test.bpf)
		for _, aim := range []target{
			{stateFathom, stateEmpty, byThroughput, 0.96}, {stateFathom, stateEmpty, byCPU, 0.95}, {stateFathom, otherObjects, byBPF, 0.70},
		} {
			x.aim(aim)
		}
		if x.met() != test.met {
			t.Errorf("%+v: met: %v", test, x.met())
		}
	}
	x := c(1, 1, 1)
	x.BPF = nil
	x.aim(target{stateFathom, otherObjects, byBPF, 0.70})
	x.aim(target{stateFathom, otherObjects, byThroughput, 2})
	if !x.met() {
		t.Error("a target for other objects was set where there is none")
	}
	x.aim(target{of: stateFathom, measure: byBPFTime, limit: 1})
	x.BPF = compareBPF([]bpfWindow{{stateFathom, 0, 100, 600, 100 * 1400 * time.Nanosecond}}, nil)
	for limit, met := range map[float64]bool{700: true, 699: false} {
		x.aim(target{of: stateFathom, measure: byBPFTime, limit: limit})
		if x.met() != met {
			t.Errorf("700 ns per end, at most %v: met: %v", limit, x.met())
		}
	}
}

// Windows of one state that was slower at the time of both leave the ratios alone.
func TestCompare(t *testing.T) {
	windows := []window{
		{stateFathom, 0, 1, 900, 0.4, 0.5, 1.8},
		{stateNone, 0, 1, 1000, 0.4, 0.4, 1.8},
		{stateNone, 1, 1, 500, 0.4, 0.4, 1.8},
		{stateFathom, 1, 1, 450, 0.4, 0.5, 1.8},
	}
	c := compare(windows, [][2]string{{stateFathom, stateNone}})
	if got := c.Rates[stateNone]; got.N != 2 || got.Median != 750 {
		t.Errorf("rates: %+v", got)
	}
	x := c.Ratios[0]
	if x.Value.Q1 != 0.9 || x.Value.Q3 != 0.9 {
		t.Errorf("throughput: %+v", x.Value)
	}
	near := func(s summary, low, high float64) bool {
		return s.N == 2 && math.Abs(s.Low/low-1) < 1e-9 && math.Abs(s.High/high-1) < 1e-9
	}
	if !near(x.ByCPU, 0.8, 0.8) || !near(x.ByMachine, 0.9, 0.9) {
		t.Errorf("CPU time: %+v, of the machine %+v", x.ByCPU, x.ByMachine)
	}
	if !near(x.CPU, 200e3, 400e3) {
		t.Errorf("CPU time per request: %+v", x.CPU)
	}
}
