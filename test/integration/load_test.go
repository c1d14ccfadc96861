package integration

import (
	"os"
	"runtime"
	"testing"
)

// load makes the call in the helper.
func (p *proc) load(method string, c LoadCall) LoadReply {
	p.t.Helper()
	var r LoadReply
	if err := p.call.Call("Load."+method, &c, &r); err != nil {
		p.t.Fatalf("%s in %s: %v", method, p.name, err)
	}
	return r
}

// get makes requests and fails the test if one of them failed.
func (p *proc) get(c LoadCall) LoadReply {
	p.t.Helper()
	if c.Kinds == nil {
		c.Kinds = mix
	}
	r := p.load("Get", c)
	if r.Errors > 0 {
		p.t.Errorf("%d of %d requests failed, the first with: %s", r.Errors, c.Requests, r.First)
	}
	return r
}

// bothEnds puts the client's counts as what both helpers must count.
func bothEnds(counts map[string]uint64) tally {
	out := tally{}
	for name, n := range counts {
		out["server "+name] = n
		out["client "+name] = n
	}
	return out
}

// long tells whether there is time for the long form of the tests.
func long() bool { return os.Getenv("FATHOM_LONG") != "" }

// oversubscribe keeps the CPUs busy with twice as many threads until the test ends.
func oversubscribe(t testing.TB) {
	t.Helper()
	start(t, "it-spin", nil).load("Spin", LoadCall{Connections: 2 * runtime.NumCPU()})
}
