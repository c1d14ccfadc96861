package integration

import (
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/fathomhq/fathom/internal/kernel"
)

// walker goes paths one after the other.
type walker struct {
	t        *testing.T
	f        *fathom
	helpers  []*proc          // client and server of the path before, without sockets; nil if they are gone
	take     *os.File         // belongs to them
	last     *kernel.Snapshot // whatever is counted after it, the next path has done
	observed run
}

func newWalker(t *testing.T, f *fathom) *walker {
	return &walker{t: t, f: f, last: f.snapshot(), observed: run{Kernel: f.release.String(), Arch: runtime.GOARCH, Mode: string(f.mode)}}
}

// tries is how often a path is gone where the kernel skips runs, until it skips none.
const tries = 5

// walk goes the path and compares. Where the kernel may skip runs, what falls short has to be
// counted as lost, and to be complete once no run was skipped, unless that is too much to wait for.
// The same holds where a page was not in its place while a program looked at it.
func (w *walker) walk(t *testing.T, p path) {
	for range tries {
		before := w.last
		r := w.once(t, p)
		if r.differs == "" {
			w.observed.add(p, w.f.place, r)
			return
		}
		wrong := r.differs
		if n := r.missed + moved(r.want, r.got); n > 0 {
			wrong = unexplained(r.want, r.got, n)
		}
		if wrong != "" {
			t.Errorf("%s%s", p.name, wrong)
			if n := strangers(w.last) - strangers(before); n != 0 && strings.Contains(r.differs, "lost ") {
				t.Logf("%d exchanges of other processes meanwhile: is this host quiet?", n)
			}
			return
		}
		t.Logf("%s: %d runs missed, %d buffers moved, and said so%s", p.name, r.missed, moved(r.want, r.got), r.differs)
		if p.many && r.missed > 0 {
			return
		}
	}
	t.Errorf("%s: not once without missed runs", p.name)
}

// moved returns how many buffers were not in memory, though nobody gave them back: the kernel moves pages at any time
// (khugepaged, compaction), and a program does not wait.
func moved(want, got tally) uint64 {
	const name = "lost unreadable_memory"
	if want[name] > 0 {
		return 0
	}
	return got[name]
}

// result is what became of a path.
type result struct {
	truth, want, got tally  // what there was, what had to be counted of it, and what was
	differs          string // how want and got do
	missed           uint64 // runs, where that may be
}

func (w *walker) once(t *testing.T, p path) result {
	pr, done := w.newPair(t), false
	t.Cleanup(func() {
		if !done {
			w.stop(pr)
			w.last = w.f.snapshot()
		}
	})
	p.run(pr)
	w.end(pr)
	done = true
	before := count(w.last)
	r := result{truth: p.expected(pr), want: p.at(w.f.place).expected(pr)}
	watch := func(name string) bool { _, ok := r.want[name]; return ok || coverage(name) }
	w.f.until(func(s *kernel.Snapshot) bool {
		w.last = s
		r.got, r.missed = w.f.counted(s, before, r.want, watch)
		r.differs = diff(r.want, r.got) + activeIn(s)
		return r.differs == ""
	})
	return r
}

// newPair returns a pair for the next path, with the processes of the one before if they can be used
// again: to start them is most of what a path costs.
func (w *walker) newPair(t *testing.T) *pair {
	pr := &pair{T: t, f: w.f, made: tally{}}
	if w.helpers == nil {
		pr.T = w.t // they may live longer than the path
		pr.startHelpers(nil)
		pr.T = t
	} else {
		pr.helpers, pr.take = w.helpers, w.take
		pr.client, pr.server = w.helpers[0], w.helpers[1]
	}
	w.helpers = nil
	for _, h := range pr.helpers {
		h.t, h.sent = t, 0
	}
	return pr
}

// end closes all sockets of a pair, and keeps its processes for the next one if they are as they were.
func (w *walker) end(pr *pair) {
	if pr.Failed() || pr.used() {
		w.stop(pr)
		return
	}
	rings := 0
	for _, h := range pr.helpers {
		rings += h.must("CloseAll", Call{}).N
	}
	if rings > 0 {
		w.stop(pr)
		return
	}
	w.helpers, w.take = pr.helpers, pr.take
}

func (*walker) stop(pr *pair) {
	for _, h := range pr.helpers {
		h.stop()
	}
}
