package tlswatch

import (
	"strings"

	"github.com/fathomhq/fathom/internal/tlslib"
)

// Snapshot is what a watch has done and holds.
type Snapshot struct {
	// Files counts the files that are probed. It includes those in their grace.
	Files map[Library]int
	// Processes counts those that were told about and have not ended.
	Processes map[Opaque]int
	// Inspected counts files whose content was searched. It only grows.
	Inspected uint64
	// Waiting counts the processes that are being looked at or wait for it.
	Waiting int
	// Faults counts what failed. It only grows.
	Faults map[Fault]uint64
}

// Library names a library that is probed.
type Library struct {
	Kind    tlslib.Kind
	Version string // such as libssl.so.3 or go1.26.8, "other", or empty where it is not known
}

// Bounds of labels: the file says its version itself.
const (
	maxVersions    = 32
	maxVersionSize = 40
	otherVersion   = "other"
)

// Snapshot may be called at any time.
func (w *Watch) Snapshot() Snapshot {
	s := Snapshot{
		Files: w.attachments.counts(), Processes: w.processes.counts(), Faults: w.faults.copied(),
	}
	w.queue.mu.Lock()
	s.Waiting = len(w.queue.under)
	w.queue.mu.Unlock()
	w.inspector.mu.Lock()
	s.Inspected = w.inspector.count
	w.inspector.mu.Unlock()
	return s
}

func (t *attachments) counts() map[Library]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := make(map[Library]int)
	for _, a := range t.all {
		select {
		case <-a.ready:
		default:
			continue
		}
		for _, l := range a.libs {
			key := Library{l.Kind, cleanVersion(l.Version)}
			if _, ok := n[key]; !ok && len(n) >= maxVersions {
				key.Version = otherVersion
			}
			n[key]++
		}
	}
	return n
}

// cleanVersion lets through what versions and names of libraries are made of.
func cleanVersion(v string) string {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_+"
	if len(v) > maxVersionSize || strings.Trim(v, letters) != "" {
		return otherVersion
	}
	return v
}
