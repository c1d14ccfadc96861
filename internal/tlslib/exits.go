package tlslib

import "slices"

// maxTail bounds how far before its return an exit is looked for, in instructions.
const maxTail = 32

// graph is how a function's instructions follow each other. Edges into the failure of the stack
// protector are left out, and with them what only they reach.
type graph struct {
	*listing
	next, before [][]int
	alive        []bool
}

func newGraph(l *listing) *graph {
	g := &graph{listing: l, next: make([][]int, len(l.insts)), before: make([][]int, len(l.insts)), alive: make([]bool, len(l.insts))}
	for i := range l.insts {
		g.next[i] = l.successors(i)
	}
	for work := []int{0}; len(work) > 0; {
		i := work[len(work)-1]
		work = work[:len(work)-1]
		if g.alive[i] {
			continue
		}
		g.alive[i] = true
		for _, next := range g.next[i] {
			g.before[next] = append(g.before[next], i)
			work = append(work, next)
		}
	}
	return g
}

// successors returns what may be executed after an instruction of a listing without mysteries.
func (l *listing) successors(i int) []int {
	in := l.insts[i]
	var found []int
	if in.flow < flowJump {
		if next := l.index(in.next()); next >= 0 {
			found = append(found, next)
		}
	}
	if in.flow == flowBranch || in.flow == flowJump {
		found = append(found, l.index(in.target))
	}
	if dead := l.canaryFails(i); dead >= 0 {
		found = slices.DeleteFunc(found, func(next int) bool { return next == dead })
	}
	return found
}

// canaryFails returns where a branch leads to when it finds the stack smashed, or -1 if that is
// not what it looks for: a call, which does not return (__stack_chk_fail).
func (l *listing) canaryFails(i int) int {
	branch := l.insts[i]
	if i < 2 || branch.canary < branchEqual || l.insts[i-1].next() != branch.at {
		return -1
	}
	check, load := l.insts[i-1], l.insts[i-2]
	if check.canary != canaryCheck &&
		(check.canary != canaryCompare || load.canary != canaryLoad || load.next() != check.at) {
		return -1
	}
	fails := l.index(branch.target)
	if branch.canary == branchEqual {
		fails = l.index(branch.next())
	}
	if fails < 0 || l.insts[fails].flow != flowCall || !l.insts[fails].direct {
		return -1
	}
	return fails
}

// exits returns instructions of which every call that returns executes exactly one, exactly once,
// when the result is final. Each return is one, except where an emulated instruction stands for it
// and for all other returns in its tail, which tail looks at. It cannot be counted twice:
// returns are shared out, so that a tail with a return that another one took is passed over, and
// whoever executes one exit and then another would have the latter's return in the former's tail.
// An exit comes after the entry: one place for both would leave it open which is seen first.
func (g *graph) exits(result regs, entry int) []int {
	taken := make(map[int]int) // return to exit
	for i, in := range g.insts {
		if i <= entry || !g.alive[i] || !in.emulated || in.flow == flowCall || in.flow == flowReturn {
			continue
		}
		returns := g.tail(i, result)
		if slices.ContainsFunc(returns, func(at int) bool { _, ok := taken[at]; return ok }) {
			continue
		}
		for _, at := range returns {
			taken[at] = i
		}
	}
	var found []int
	for i, in := range g.insts {
		if in.flow != flowReturn || !g.alive[i] {
			continue
		}
		exit, ok := taken[i]
		if !ok || in.emulated {
			exit = i
		}
		if !slices.Contains(found, exit) {
			found = append(found, exit)
		}
	}
	return found
}

// tail returns the returns that an instruction may stand for: all that can be reached from it. There
// are none unless it holds for everything between that it leaves the result alone, that it is
// reached through the instruction only, and that it does not lead back to it.
func (g *graph) tail(from int, result regs) []int {
	var tail, returns []int
	for work := slices.Clone(g.next[from]); len(work) > 0; {
		i := work[len(work)-1]
		work = work[:len(work)-1]
		if slices.Contains(tail, i) {
			continue
		}
		if i == from || len(tail) == maxTail || g.insts[i].writes&result != 0 {
			return nil
		}
		tail = append(tail, i)
		if g.insts[i].flow == flowReturn {
			returns = append(returns, i)
		}
		work = append(work, g.next[i]...)
	}
	for _, i := range tail {
		for _, before := range g.before[i] {
			if before != from && !slices.Contains(tail, before) {
				return nil
			}
		}
	}
	return returns
}
