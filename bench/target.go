package main

import "fmt"

// measure is what a target is about.
type measure int

const (
	byThroughput measure = iota // at least
	byCPU                       // at least: the CPU time per request of the second over that of the first
	byBPF                       // at most: BPF time per request
	byBPFTime                   // at most: BPF time per request and end in ns, of one state
)

// target is what a ratio of two states should reach.
type target struct {
	of, to  string
	measure measure
	limit   float64
}

// otherObjects stands for all states that come from -object.
const otherObjects = "*"

// aim sets a target where its states were measured.
func (c *comparison) aim(t target) {
	matches := func(of, to string) bool {
		return t.of == of && (t.to == to || t.to == otherObjects && !builtIn(to))
	}
	if t.measure == byBPFTime {
		if c.BPF != nil {
			c.BPF.Targets[t.of] = t.limit
		}
		return
	}
	if t.measure == byBPF {
		if c.BPF == nil {
			return
		}
		for i := range c.BPF.Ratios {
			if x := &c.BPF.Ratios[i]; matches(x.Of, x.To) {
				x.Target = t.limit
			}
		}
		return
	}
	for i := range c.Ratios {
		x := &c.Ratios[i]
		switch {
		case !matches(x.Of, x.To):
		case t.measure == byCPU:
			x.TargetCPU = t.limit
		default:
			x.Target = t.limit
		}
	}
}

func (c *comparison) met() bool {
	ok := true
	for _, x := range c.Ratios {
		ok = ok && x.met() && x.metByCPU()
	}
	if c.BPF != nil {
		for state := range c.BPF.Targets {
			ok = ok && c.BPF.metBy(state)
		}
		for _, x := range c.BPF.Ratios {
			ok = ok && x.met()
		}
	}
	return ok
}

func (r ratio) met() bool { return r.Target == 0 || r.Value.Median >= r.Target }

func (r ratio) metByCPU() bool { return r.TargetCPU == 0 || r.ByCPU.Median >= r.TargetCPU }

// metBy reports whether a state reaches the target of its BPF time per request and end, if it has one.
func (b *bpfTime) metBy(state string) bool {
	return b.Targets[state] == 0 || b.NsPerRequest[state].Median/2 <= b.Targets[state]
}

func (r bpfRatio) met() bool { return r.Target == 0 || r.Value.Median <= r.Target }

// aimed says what a target is and whether it was met; a dash without a target.
func aimed(sign string, limit float64, met bool) string {
	return aimedAs("%.2f", sign, limit, met)
}

func aimedAs(format, sign string, limit float64, met bool) string {
	if limit == 0 {
		return "-"
	}
	return fmt.Sprintf("%s "+format+" %s", sign, limit, verdict(met))
}
