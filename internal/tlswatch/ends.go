package tlswatch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// ends tells when processes end: by a pidfd each (Linux 5.3; readable once the last thread is gone,
// pidfd_poll in the kernel), and where there are too many, by going through /proc now and then.
type ends struct {
	proc       string
	limit      int // of pidfds
	sweepEvery time.Duration
	epoll      int

	mu      sync.Mutex
	watched map[uint64]watched // by token
	pidfds  int
}

type watched struct {
	pid     uint32
	pidfd   int // or -1
	started uint64
}

// maxPidfds leaves half of the descriptors that the agent may have to others.
func maxPidfds() int {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	return int(min(limit.Cur/2, 16384))
}

// open makes the epoll. pidfd_open reads numbers in this process's own pid namespace: if /proc is of
// another one, pidfds would name other processes.
func (e *ends) open() error {
	if self, err := os.Readlink(e.proc + "/self"); err != nil || self != fmt.Sprint(os.Getpid()) {
		e.limit = 0
	}
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return fmt.Errorf("create an epoll: %w", err)
	}
	e.epoll = fd
	return nil
}

func (e *ends) close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, w := range e.watched {
		if w.pidfd >= 0 {
			closeFD(w.pidfd)
		}
	}
	clear(e.watched)
	return unix.Close(e.epoll)
}

// add begins to wait for the end of a process. The error is fs.ErrNotExist if it has ended.
func (e *ends) add(token uint64, pid uint32, p procdir) error {
	started, err := p.started()
	if err != nil {
		if !p.isAlive() {
			err = fs.ErrNotExist
		}
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	w := watched{pid: pid, pidfd: -1, started: started}
	if e.pidfds < e.limit {
		w.pidfd, err = e.openPidfd(token, pid)
		if errors.Is(err, unix.ESRCH) {
			return fs.ErrNotExist
		}
		if err == nil {
			e.pidfds++
		}
	}
	e.watched[token] = w
	if !p.isAlive() { // the number may have been another process's already when the pidfd was opened
		e.removeLocked(token)
		return fs.ErrNotExist
	}
	return nil
}

// openPidfd opens a pidfd and puts it into the epoll.
func (e *ends) openPidfd(token uint64, pid uint32) (int, error) {
	fd, err := unix.PidfdOpen(int(pid), 0)
	if err != nil {
		return -1, err
	}
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLONESHOT, Fd: int32(uint32(token)), Pad: int32(uint32(token >> 32))}
	if err := unix.EpollCtl(e.epoll, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
		closeFD(fd)
		return -1, err
	}
	return fd, nil
}

// remove stops waiting.
func (e *ends) remove(token uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.removeLocked(token)
}

func (e *ends) removeLocked(token uint64) {
	w, ok := e.watched[token]
	if !ok {
		return
	}
	delete(e.watched, token)
	if w.pidfd >= 0 {
		e.pidfds--
		closeFD(w.pidfd)
	}
}

// wait calls ended for each process that has ended, until the context ends.
func (e *ends) wait(ctx context.Context, ended func(token uint64)) error {
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return fmt.Errorf("create an eventfd: %w", err)
	}
	defer closeFD(wake)
	if err := unix.EpollCtl(e.epoll, unix.EPOLL_CTL_ADD, wake, &unix.EpollEvent{Events: unix.EPOLLIN}); err != nil {
		return fmt.Errorf("wait for an eventfd: %w", err)
	}
	var stopped sync.WaitGroup
	defer stopped.Wait()
	stopped.Go(func() {
		<-ctx.Done()
		unix.Write(wake, []byte{1, 0, 0, 0, 0, 0, 0, 0}) //nolint:errcheck // the counter has room
	})
	return e.loop(ctx, ended)
}

func (e *ends) loop(ctx context.Context, ended func(token uint64)) error {
	events := make([]unix.EpollEvent, 128)
	next := time.Now().Add(e.sweepEvery)
	for ctx.Err() == nil {
		n, err := unix.EpollWait(e.epoll, events, max(0, int(time.Until(next).Milliseconds())+1))
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("wait for processes to end: %w", err)
		}
		for _, event := range events[:max(n, 0)] {
			if token := uint64(uint32(event.Fd)) | uint64(uint32(event.Pad))<<32; token != 0 {
				ended(token)
			}
		}
		if time.Now().After(next) {
			e.sweep(ended)
			next = time.Now().Add(e.sweepEvery)
		}
	}
	return nil
}

// sweep looks for the processes that have no pidfd.
func (e *ends) sweep(ended func(token uint64)) {
	e.mu.Lock()
	var all []uint64
	var of []watched
	for token, w := range e.watched {
		if w.pidfd < 0 {
			all, of = append(all, token), append(of, w)
		}
	}
	e.mu.Unlock()
	for i, w := range of {
		if !w.isRunning(e.proc) {
			ended(all[i])
		}
	}
}

// isRunning is true in doubt.
func (w watched) isRunning(proc string) bool {
	p, err := openProcess(proc, w.pid)
	if err != nil {
		return !isGone(err)
	}
	defer p.close()
	started, err := p.started()
	if err != nil {
		return p.isAlive() && !isGone(err)
	}
	return started == w.started
}
