package history

import "time"

// window is a part of the history that ends with the last sample.
type window struct {
	*History
	frames  []frame
	before  totals // at its start
	steps   []step
	samples int // per step
	seconds float64
	cursors []cursor // of frames, for references that ascend
	one     sums     // of a step
	all     sums     // of the window
}

// step is a part of a window that is one point of a graph.
type step struct {
	first, end int // of frames
	seconds    float64
	until      time.Time
}

// window returns the last part of the history that is as long as d, divided into about as many steps as given or fewer. It has a
// frame at least.
func (h *History) window(d time.Duration, steps int) *window {
	last := h.frames[len(h.frames)-1].end
	from := 0
	for from < len(h.frames)-1 && !h.frames[from].end.After(last.Add(Interval/2-d)) {
		from++
	}
	w := &window{History: h, frames: h.frames[from:], before: h.before}
	if from > 0 {
		w.before = h.frames[from-1].host
	}
	samples, joined := 0, false
	for i := range w.frames {
		n := int(w.frames[i].last-w.frames[i].first) + 1 //nolint:gosec // few
		samples += n
		joined = joined || n > 1
	}
	// Frames may reach beyond d; the steps must not change with that.
	samples = min(samples, int((d+Interval-1)/Interval))
	w.samples = (samples + steps - 1) / steps
	if joined || w.samples > 1 {
		w.samples = (w.samples + together - 1) / together * together
	}
	for i := range w.frames {
		f := &w.frames[i]
		w.cursors = append(w.cursors, newCursor(f))
		w.seconds += f.seconds()
		per := uint64(w.samples) //nolint:gosec // not negative
		if i == 0 || f.first/per != w.frames[i-1].first/per {
			w.steps = append(w.steps, step{first: i})
		}
		s := &w.steps[len(w.steps)-1]
		s.end, s.until = i+1, f.end
		s.seconds += f.seconds()
	}
	return w
}

// read sums up one workload, calling each with what it counted in each step, and returns all of it. Both are valid
// until the next call only. References of workloads must ascend from call to call.
func (w *window) read(t *track, each func(i int, s *step, counted *sums)) *sums {
	w.all.reset()
	for i := range w.steps {
		s := &w.steps[i]
		w.one.reset()
		for f := s.first; f < s.end; f++ {
			w.one.decode(w.cursors[f].seek(t.ref))
		}
		each(i, s, &w.one)
		w.all.add(&w.one)
	}
	return &w.all
}

// numbers returns room for a number per step.
func (w *window) numbers() []Number { return make([]Number, len(w.steps)) }

// times are the ends of the steps.
func (w *window) times() []float64 {
	times := make([]float64, len(w.steps))
	for i, s := range w.steps {
		times[i] = unixSeconds(s.until)
	}
	return times
}

func (w *window) stepSeconds() float64 { return float64(w.samples) * Interval.Seconds() }

// unixSeconds is a time in seconds, to the millisecond.
func unixSeconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1e3 }

// head begins an answer.
func (w *window) head() Head {
	return Head{
		Time: unixSeconds(w.frames[len(w.frames)-1].end), WindowSeconds: round(w.seconds), IntervalSeconds: Interval.Seconds(),
		Node: w.options.Node, History: w.room(),
	}
}

// round rounds seconds to milliseconds.
func round(seconds float64) float64 { return float64(int64(seconds*1e3+0.5)) / 1e3 }
