package tlswatch

import (
	"context"
	"os"
	"strconv"
	"time"
)

// scanShare is the part of its time that the scan rests: nine of ten.
const scanShare = 9

// scan looks once at all processes that run, so that those with a known library are read from their
// first connection on. It says nothing of the others: nobody knows yet whether they speak TLS.
func (w *Watch) scan(ctx context.Context) {
	pids, err := w.scanned()
	if err != nil {
		w.faults.count("maps", err)
		w.log.Warn("the list of processes cannot be read; those that run are found when they speak TLS", "error", err)
		return
	}
	began := time.Now()
	for _, pid := range pids {
		if int(pid) == os.Getpid() || !w.queue.claim(pid) {
			continue
		}
		start := time.Now()
		w.examine(ctx, job{pid: pid})
		w.queue.done(job{pid: pid})
		select {
		case <-ctx.Done():
			return
		case <-time.After(min(scanShare*time.Since(start), patience)):
		}
	}
	w.log.Debug("looked at all processes", "processes", len(pids), "took", time.Since(began))
}

// allProcesses lists /proc. Processes that begin later are asked about.
func allProcesses(proc string) ([]uint32, error) {
	dir, err := os.Open(proc)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	var pids []uint32
	for _, name := range names {
		if pid, err := strconv.ParseUint(name, 10, 31); err == nil {
			pids = append(pids, uint32(pid))
		}
	}
	return pids, err
}
