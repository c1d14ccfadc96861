package tlswatch

import (
	"sync"
	"time"
)

// job is a process to be looked at.
type job struct {
	pid   uint32
	asked bool      // it is known to speak TLS
	at    time.Time // when it was asked about
	try   int       // how often it was looked at before
	// explain: nothing was found, and the reason is to be told.
	explain bool
}

// maxQueued bounds the processes that wait to be looked at.
const maxQueued = 4096

// queue holds each process once: nobody looks at one process twice at the same time.
type queue struct {
	jobs     chan job
	explains chan job // those with explain, which take long: others do not wait behind them

	mu    sync.Mutex
	under map[uint32]bool // by pid: waiting or looked at; true if it was asked about once more meanwhile
}

func newQueue() *queue {
	return &queue{
		jobs: make(chan job, maxQueued), explains: make(chan job, maxQueued), under: make(map[uint32]bool),
	}
}

// put enqueues a job, unless its process is under way. In that case it is looked at once more later:
// it may run another program by then. It returns false if there is no room.
func (q *queue) put(j job) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, ok := q.under[j.pid]; ok {
		q.under[j.pid] = q.under[j.pid] || j.asked
		return true
	}
	if len(q.under) >= maxQueued {
		return false
	}
	q.under[j.pid] = false
	q.jobs <- j
	return true
}

// retry puts a job again that is under way. Another question makes it begin anew. There is room: each
// process that is under way is in one of the two channels at most.
func (q *queue) retry(j job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.under[j.pid] {
		q.under[j.pid] = false
		j.try, j.explain = 0, false
	}
	if j.explain {
		q.explains <- j
		return
	}
	q.jobs <- j
}

// claim takes a process that is looked at outside of the queue, or returns false if it is under way.
func (q *queue) claim(pid uint32) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, ok := q.under[pid]; ok || len(q.under) >= maxQueued {
		return false
	}
	q.under[pid] = false
	return true
}

// done ends a job, and begins another one if the process was asked about meanwhile.
func (q *queue) done(j job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	again := q.under[j.pid]
	delete(q.under, j.pid)
	if again {
		q.under[j.pid] = false
		q.jobs <- job{pid: j.pid, asked: true, at: time.Now()}
	}
}
