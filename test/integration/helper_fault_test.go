package integration

import (
	"time"

	"golang.org/x/sys/unix"
)

// Dup makes another descriptor of the same socket.
func (*Sys) Dup(c *Call, r *Reply) (err error) {
	r.FD, err = unix.FcntlInt(uintptr(c.FD), unix.F_DUPFD_CLOEXEC, 0)
	return r.fail(err)
}

// Replace makes descriptor FD one of the file behind descriptor N.
func (*Sys) Replace(c *Call, r *Reply) error { return r.fail(unix.Dup3(c.N, c.FD, unix.O_CLOEXEC)) }

// sendEvicted sends from memory whose first page the process gives back to the kernel
// while the call is still waiting for room: when it returns, the head is not there.
func sendEvicted(c *Call, b []byte) (int, error) {
	m, err := unix.Mmap(-1, 0, len(b), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return 0, err
	}
	defer unix.Munmap(m)
	copy(m, b)
	evicted := make(chan error)
	go func() {
		time.Sleep(settleAfter)
		evicted <- unix.Madvise(m[:unix.Getpagesize()], unix.MADV_DONTNEED)
	}()
	n, err := unix.Write(c.FD, m)
	if e := <-evicted; e != nil {
		return n, e
	}
	return n, err
}
