package tlslib

import "slices"

// entry returns the instruction for the probe of calls: the first that is emulated on the straight
// line from the beginning, as long as none of the kept registers changes before it; else the
// first of all. A branch that leads back into what was passed would make the probe fire again in
// the same call. Only Go may begin anew: after its stack has grown, runtime.morestack's caller
// jumps to the beginning with the same arguments, so that a second hit says the same again.
func (l *listing) entry(keep regs, restarts bool) (int, string) {
	if len(l.insts) == 0 || l.insts[0].at != 0 {
		return 0, "no code that is known"
	}
	site := 0
	for i, in := range l.insts {
		if i > 0 && in.at != l.insts[i-1].next() {
			break
		}
		if in.emulated && !in.refused {
			site = i
			break
		}
		if in.flow != flowNext || in.writes&keep != 0 {
			break
		}
	}
	if l.entered(l.insts[site].at, restarts) {
		site = 0 // entered behind the beginning: the beginning itself may still be right
	}
	switch {
	case site == 0 && l.entered(0, restarts):
		return 0, "a jump back to its beginning"
	case l.insts[site].refused:
		return 0, "no instruction at its beginning takes a probe"
	}
	return site, ""
}

// entered says whether a branch leads to between the beginning and that position, both
// included; with restarts, the beginning is no such place.
func (l *listing) entered(last int, restarts bool) bool {
	first := 0
	if restarts {
		first = 1
	}
	return slices.ContainsFunc(l.insts, func(i inst) bool {
		return (i.flow == flowBranch || i.flow == flowJump) && i.target >= first && i.target <= last
	})
}

// returns lists all instructions that return.
func (l *listing) returns() []int {
	var found []int
	for i, in := range l.insts {
		if in.flow == flowReturn {
			found = append(found, i)
		}
	}
	return found
}
