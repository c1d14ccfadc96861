package tlswatch

import (
	"errors"
	"io/fs"
	"maps"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/fathomhq/fathom/internal/tlslib"
)

// Fault is something that failed. Both texts are of fixed sets, fit for a metric's labels.
type Fault struct {
	Step   string // maps, open, inspect, attach, detach, tell, forget, watch or ask
	Reason string
}

// faults counts what fails.
type faults struct {
	mu  sync.Mutex
	all map[Fault]uint64
}

func newFaults() *faults { return &faults{all: make(map[Fault]uint64)} }

func (f *faults) count(step string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all[Fault{step, reasonOf(err)}]++
}

func (f *faults) copied() map[Fault]uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.all)
}

// named are the errors that have a reason of their own.
var named = []struct {
	err    error
	reason string
}{
	{errSlow, "timeout"},
	{errBusy, "busy"},
	{errChanged, "replaced"},
	{errNotRegular, "not_regular"},
	{errTooMany, "too_many"},
	{errClosing, "closing"},
	{fs.ErrPermission, "not_permitted"},
	{fs.ErrNotExist, "gone"},
	{unix.ESRCH, "gone"},
	{unix.EMFILE, "descriptors"},
	{unix.ENFILE, "descriptors"},
	{unix.ENOMEM, "memory"},
}

func reasonOf(err error) string {
	if e, ok := errors.AsType[*tlslib.Error](err); ok && e.Reason != tlslib.Unreadable {
		return string(e.Reason)
	}
	for _, n := range named {
		if errors.Is(err, n.err) {
			return n.reason
		}
	}
	if _, ok := errors.AsType[*tlslib.Error](err); ok {
		return string(tlslib.Unreadable)
	}
	return "other"
}
