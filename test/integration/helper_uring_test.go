package integration

import (
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Operations of linux/io_uring.h.
const (
	uringSend = 26
	uringRecv = 27

	uringOffSQ     = 0
	uringOffCQ     = 0x8000000
	uringOffSQEs   = 0x10000000
	uringGetEvents = 1
)

// uringParams is struct io_uring_params.
type uringParams struct {
	sqEntries, cqEntries, flags, cpu, idle, features, wq uint32
	_                                                    [3]uint32
	sq                                                   struct {
		head, tail, mask, entries, flags, dropped, array, _ uint32
		_                                                   uint64
	}
	cq struct {
		head, tail, mask, entries, overflow, cqes, flags, _ uint32
		_                                                   uint64
	}
}

// uringSQE is struct io_uring_sqe.
type uringSQE struct {
	op, flags uint8
	prio      uint16
	fd        int32
	off       uint64
	addr      uint64
	len       uint32
	msgFlags  uint32
	user      uint64
	_         [24]byte
}

// uringCQE is struct io_uring_cqe.
type uringCQE struct {
	user  uint64
	res   int32
	flags uint32
}

// rings counts them: what the kernel does when one is closed may interrupt calls of the process later.
var rings atomic.Int32

// uring sends or receives b by one request of an io_uring of its own. It waits for the
// completion in the kernel, or, with an idle function, calls that with a file (/dev/zero)
// until the request has completed: within whatever call that makes.
func uring(op uint8, fd int, b []byte, idle func(file int)) (int, error) {
	rings.Add(1)
	var p uringParams
	r, _, e := unix.Syscall(unix.SYS_IO_URING_SETUP, 4, uintptr(unsafe.Pointer(&p)), 0)
	if e != 0 {
		return 0, e
	}
	ring := int(r)
	defer unix.Close(ring)
	sq, err := unix.Mmap(ring, uringOffSQ, int(p.sq.array+p.sqEntries*4), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return 0, err
	}
	defer unix.Munmap(sq)
	cq, err := unix.Mmap(ring, uringOffCQ, int(p.cq.cqes+p.cqEntries*16), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return 0, err
	}
	defer unix.Munmap(cq)
	sqes, err := unix.Mmap(ring, uringOffSQEs, int(p.sqEntries)*64, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return 0, err
	}
	defer unix.Munmap(sqes)

	*(*uringSQE)(unsafe.Pointer(&sqes[0])) = uringSQE{
		op: op, fd: int32(fd), addr: uint64(uintptr(unsafe.Pointer(&b[0]))), len: uint32(len(b)),
	}
	*(*uint32)(unsafe.Pointer(&sq[p.sq.array])) = 0
	atomic.StoreUint32((*uint32)(unsafe.Pointer(&sq[p.sq.tail])), 1)
	runtime.LockOSThread() // the request belongs to this thread
	defer runtime.UnlockOSThread()
	wait := uintptr(1)
	if idle != nil {
		wait = 0
	}
	if _, _, e := unix.Syscall6(unix.SYS_IO_URING_ENTER, uintptr(ring), 1, wait, wait*uringGetEvents, 0, 0); e != 0 {
		return 0, e
	}
	if idle != nil {
		if err := spinUntil(idle, func() bool { return atomic.LoadUint32((*uint32)(unsafe.Pointer(&cq[p.cq.tail]))) != 0 }); err != nil {
			return 0, err
		}
	}
	if atomic.LoadUint32((*uint32)(unsafe.Pointer(&cq[p.cq.tail]))) == 0 {
		return 0, unix.EIO
	}
	res := (*uringCQE)(unsafe.Pointer(&cq[p.cq.cqes])).res
	if res < 0 {
		return 0, unix.Errno(-res)
	}
	return int(res), nil
}

// spinUntil calls idle until done.
func spinUntil(idle func(file int), done func() bool) error {
	file, err := unix.Open("/dev/zero", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(file)
	for deadline := time.Now().Add(ioTimeout); !done(); idle(file) {
		if time.Now().After(deadline) {
			return unix.ETIMEDOUT
		}
	}
	return nil
}
