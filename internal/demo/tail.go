package demo

import (
	"bytes"
	"io"
	"slices"
	"sync"
)

// tail keeps the last lines that a process wrote and passes on those that tell of
// problems.
type tail struct {
	out  io.Writer // may be nil
	only [][]byte  // pass only lines that contain one of these; all if empty

	mu      sync.Mutex
	partial []byte
	lines   [][]byte
}

// Limits of what is kept.
const (
	tailLines = 5
	tailWidth = 4096 // bytes per line
)

// Write implements [io.Writer]. It never fails, or the process would.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for rest := p; len(rest) > 0; {
		piece, after, ended := bytes.Cut(rest, []byte("\n"))
		rest = after
		t.partial = append(t.partial, piece[:min(len(piece), tailWidth-len(t.partial))]...)
		if ended {
			t.line(append(t.partial, '\n'))
			t.partial = nil
		}
	}
	return len(p), nil
}

func (t *tail) line(l []byte) {
	t.lines = append(t.lines, l)
	t.lines = t.lines[max(0, len(t.lines)-tailLines):]
	pass := len(t.only) == 0 || slices.ContainsFunc(t.only, func(s []byte) bool { return bytes.Contains(l, s) })
	if t.out != nil && pass {
		_, _ = t.out.Write(l)
	}
}

// last returns the last lines.
func (t *tail) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.Join(t.lines, nil)) + string(t.partial)
}
