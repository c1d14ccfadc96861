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

// evictable are pages that a call of this process sends from.
var evictable = make(chan []byte, 1)

// sendEvicted sends from memory whose first page Evict gives back to the kernel while the call is
// still waiting for room: when it returns, the head is not there.
func sendEvicted(c *Call, b []byte) (int, error) {
	m, err := unix.Mmap(-1, 0, len(b), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return 0, err
	}
	defer unix.Munmap(m)
	copy(m, b)
	evictable <- m[:unix.Getpagesize()]
	return unix.Write(c.FD, m)
}

// Evict gives a page of sendEvicted back once its bytes are on their way. Nobody may read them before.
func (*Sys) Evict(c *Call, r *Reply) error {
	page := <-evictable
	err := spinUntil(func(int) { time.Sleep(time.Millisecond) }, func() bool {
		n, err := unix.IoctlGetInt(c.FD, unix.SIOCOUTQ)
		return err != nil || n > 0
	})
	if err == nil {
		err = unix.Madvise(page, unix.MADV_DONTNEED)
	}
	return r.fail(err)
}
