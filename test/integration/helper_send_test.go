package integration

import (
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mmsghdr is struct mmsghdr of recvmmsg(2) and sendmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
	_   [4]byte
}

// Send writes all of Data, and that again as often as it takes to have N bytes, with the system call that Via
// names.
func (*Sys) Send(c *Call, r *Reply) error {
	send, ok := sendVia[c.Via]
	if !ok {
		return fmt.Errorf("no way to send by %q", c.Via)
	}
	for len(c.Data) > 0 && len(c.Data) < c.N {
		c.Data = append(c.Data, c.Data[:min(len(c.Data), c.N-len(c.Data))]...)
	}
	for {
		n, err := send(c, c.Data[r.N:])
		if err != nil {
			return r.fail(err)
		}
		if r.N += n; r.N >= len(c.Data) {
			return nil
		}
	}
}

// sendVia holds a function per system call that writes to a socket. Each
// makes the call once.
var sendVia = map[string]func(*Call, []byte) (int, error){
	"":         func(c *Call, b []byte) (int, error) { return unix.Write(c.FD, b) },
	"write":    func(c *Call, b []byte) (int, error) { return unix.Write(c.FD, b) },
	"sendto":   sendto,
	"writev":   func(c *Call, b []byte) (int, error) { return vector(unix.SYS_WRITEV, c, b, 0) },
	"pwritev2": func(c *Call, b []byte) (int, error) { return vector(unix.SYS_PWRITEV2, c, b, -1) },
	"sendmsg":  func(c *Call, b []byte) (int, error) { return message(unix.SYS_SENDMSG, c, b) },
	"sendmmsg": func(c *Call, b []byte) (int, error) { return messages(unix.SYS_SENDMMSG, c, b) },
	"zerocopy": sendZerocopy,
	"evicted":  sendEvicted,
	"sendfile": sendFile,
	"splice":   spliceIn,
	"uring":    func(c *Call, b []byte) (int, error) { return uring(uringSend, c.FD, b, nil) },
	"int80":    func(c *Call, b []byte) (int, error) { return callInt80(int80Write, c.FD, b) },
}

func errno(n uintptr, e syscall.Errno) (int, error) {
	if e != 0 {
		return 0, e
	}
	return int(n), nil
}

func sendto(c *Call, b []byte) (int, error) {
	n, _, e := unix.Syscall6(unix.SYS_SENDTO, uintptr(c.FD), uintptr(unsafe.Pointer(&b[0])),
		uintptr(len(b)), uintptr(c.Flags), 0, 0)
	return errno(n, e)
}

// iovecs cuts b into pieces of the given sizes; the last takes what remains.
func iovecs(b []byte, sizes []int) []unix.Iovec {
	var out []unix.Iovec
	for i := 0; len(b) > 0; i++ {
		n := len(b)
		if i < len(sizes)-1 {
			n = min(n, sizes[i])
		}
		v := unix.Iovec{Base: &b[0]}
		v.SetLen(n)
		out = append(out, v)
		b = b[n:]
	}
	return out
}

// vector makes a call of the family of readv(2). The position of preadv2 and
// pwritev2 is -1 on sockets.
func vector(nr uintptr, c *Call, b []byte, position int) (int, error) {
	iov := iovecs(b, c.Iov)
	n, _, e := unix.Syscall6(nr, uintptr(c.FD), uintptr(unsafe.Pointer(&iov[0])), uintptr(len(iov)),
		uintptr(position), uintptr(position), 0)
	return errno(n, e)
}

func message(nr uintptr, c *Call, b []byte) (int, error) {
	iov := iovecs(b, c.Iov)
	h := unix.Msghdr{Iov: &iov[0]}
	h.SetIovlen(len(iov))
	n, _, e := unix.Syscall(nr, uintptr(c.FD), uintptr(unsafe.Pointer(&h)), uintptr(c.Flags))
	return errno(n, e)
}

// messages makes a call with several messages, each of one iovec.
func messages(nr uintptr, c *Call, b []byte) (int, error) {
	iov := iovecs(b, c.Iov)
	m := make([]mmsghdr, len(iov))
	for i := range m {
		m[i].hdr.Iov = &iov[i]
		m[i].hdr.SetIovlen(1)
	}
	n, _, e := unix.Syscall6(nr, uintptr(c.FD), uintptr(unsafe.Pointer(&m[0])), uintptr(len(m)),
		uintptr(c.Flags), 0, 0)
	if e != 0 {
		return 0, e
	}
	total := 0
	for i := range int(n) {
		total += int(m[i].len)
	}
	return total, nil
}

// sendZerocopy sends with MSG_ZEROCOPY and waits until the kernel is done with b.
func sendZerocopy(c *Call, b []byte) (int, error) {
	if err := unix.SetsockoptInt(c.FD, unix.SOL_SOCKET, unix.SO_ZEROCOPY, 1); err != nil {
		return 0, err
	}
	c.Flags |= unix.MSG_ZEROCOPY
	n, err := sendto(c, b)
	if err != nil {
		return 0, err
	}
	p := []unix.PollFd{{Fd: int32(c.FD)}} // POLLERR is always reported
	if _, err := unix.Poll(p, int(ioTimeout.Milliseconds())); err != nil {
		return 0, err
	}
	oob := make([]byte, 256)
	if _, _, _, _, err := unix.Recvmsg(c.FD, nil, oob, unix.MSG_ERRQUEUE); err != nil {
		return 0, err
	}
	return n, nil
}

// sendFile sends b as a file's content.
func sendFile(c *Call, b []byte) (int, error) {
	f, err := unix.MemfdCreate("body", unix.MFD_CLOEXEC)
	if err != nil {
		return 0, err
	}
	defer unix.Close(f)
	if _, err := unix.Pwrite(f, b, 0); err != nil {
		return 0, err
	}
	return unix.Sendfile(c.FD, f, nil, len(b))
}

// spliceIn sends b through a pipe.
func spliceIn(c *Call, b []byte) (int, error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return 0, err
	}
	defer unix.Close(p[0])
	defer unix.Close(p[1])
	n, err := unix.Write(p[1], b[:min(len(b), 1<<16)])
	if err != nil {
		return 0, err
	}
	m, err := unix.Splice(p[0], nil, c.FD, nil, n, 0)
	return int(m), err
}
