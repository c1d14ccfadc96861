package kernel

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// callersAfter is how long goroutines of a process that is gone may stay in the table of callers: it is walked through once for all
// processes that ended meanwhile.
const callersAfter = 5 * time.Second

// callers removes the goroutines that were in a call when their process ended. Threads remove themselves.
type callers struct {
	table   *ebpf.Map
	added   atomic.Uint64 // by the kernel side, less what it has removed, as read last
	removed atomic.Uint64 // here

	mu    sync.Mutex
	live  map[uint32]struct{} // processes with goroutines
	gone  map[uint32]uint64   // and when they were found to be gone: CLOCK_MONOTONIC, ns
	timer *time.Timer
}

// begin notes that a process has goroutines.
func (c *callers) begin(process uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.live == nil {
		c.live, c.gone = make(map[uint32]struct{}), make(map[uint32]uint64)
	}
	c.live[process] = struct{}{}
}

// end has the goroutines of a process removed.
func (c *callers) end(process uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.live[process]; !ok {
		return
	}
	delete(c.live, process)
	c.gone[process] = monotonic()
	if c.timer == nil {
		c.timer = time.AfterFunc(callersAfter, func() { _ = c.sweep() })
	}
}

// sweep walks through the table. An error leaves entries behind, which take up room.
func (c *callers) sweep() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timer = nil
	gone := c.gone
	c.gone = make(map[uint32]uint64)
	var dead []bpfTlsCaller
	err := walk(c.table, func(key bpfTlsCaller, call bpfTlsCall) {
		// A process may have got the number of one that is gone.
		if end, ok := gone[key.Process]; ok && key.Goroutine != 0 && call.Began < end {
			dead = append(dead, key)
		}
	})
	for _, key := range dead {
		switch failed := c.table.Delete(key); {
		case failed == nil:
			c.removed.Add(1)
		case !errors.Is(failed, ebpf.ErrKeyNotExist):
			err = errors.Join(err, failed)
		}
	}
	return err
}

// count returns how many there are in the table.
func (t *tlsProbes) count() int {
	if t == nil {
		return 0
	}
	return max(int(int64(t.callers.added.Load()-t.callers.removed.Load())), 0)
}

// close ends what is under way.
func (c *callers) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer != nil {
		c.timer.Stop()
	}
}

// monotonic is the time as the kernel side has it, in nanoseconds.
func monotonic() uint64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return 0 // it knows the clock
	}
	return uint64(now.Nano())
}
