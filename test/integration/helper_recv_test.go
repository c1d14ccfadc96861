package integration

import (
	"bytes"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Recv reads once, up to N bytes, with the system call that Via names.
func (*Sys) Recv(c *Call, r *Reply) error {
	recv, ok := recvVia[c.Via]
	if !ok {
		return fmt.Errorf("no way to receive by %q", c.Via)
	}
	b := make([]byte, c.N)
	n, err := recv(c, b)
	if err != nil {
		return r.fail(err)
	}
	r.N, r.Data = n, b[:n]
	return nil
}

// Drain reads N bytes and fails if one of them is not Data[0].
func (*Sys) Drain(c *Call, r *Reply) error {
	b := make([]byte, 1<<16)
	for r.N < c.N {
		n, err := unix.Read(c.FD, b[:min(len(b), c.N-r.N)])
		if err != nil {
			return r.fail(err)
		}
		if n == 0 || bytes.Count(b[:n], c.Data[:1]) != n {
			return fmt.Errorf("after %d of %d bytes came %d others", r.N, c.N, n)
		}
		r.N += n
	}
	return nil
}

// recvVia holds a function per system call that reads from a socket. Each makes the
// call once.
var recvVia = map[string]func(*Call, []byte) (int, error){
	"":         func(c *Call, b []byte) (int, error) { return unix.Read(c.FD, b) },
	"read":     func(c *Call, b []byte) (int, error) { return unix.Read(c.FD, b) },
	"recv":     func(c *Call, b []byte) (int, error) { return recvfrom(c, b, false) },
	"recvfrom": func(c *Call, b []byte) (int, error) { return recvfrom(c, b, true) },
	"readv":    func(c *Call, b []byte) (int, error) { return vector(unix.SYS_READV, c, b, 0) },
	"preadv2":  func(c *Call, b []byte) (int, error) { return vector(unix.SYS_PREADV2, c, b, -1) },
	"recvmsg":  func(c *Call, b []byte) (int, error) { return message(unix.SYS_RECVMSG, c, b) },
	"recvmmsg": func(c *Call, b []byte) (int, error) {
		c.Flags |= unix.MSG_WAITFORONE
		return messages(unix.SYS_RECVMMSG, c, b)
	},
	"discard": discard,
	"splice":  spliceOut,
	"map":     recvMapped,
	"uring":   func(c *Call, b []byte) (int, error) { return uring(uringRecv, c.FD, b, nil) },
	"uring within write": func(c *Call, b []byte) (int, error) {
		return uring(uringRecv, c.FD, b, func(f int) { _, _ = unix.Write(f, []byte(get)) })
	},
	"uring within read": func(c *Call, b []byte) (int, error) {
		decoy := []byte(get)
		return uring(uringRecv, c.FD, b, func(f int) { _, _ = unix.Read(f, decoy) })
	},
	"int80": func(c *Call, b []byte) (int, error) { return callInt80(int80Read, c.FD, b) },
}

// recvfrom is recv(2), or recvfrom(2) with room for the sender's address.
func recvfrom(c *Call, b []byte, address bool) (int, error) {
	var sa unix.RawSockaddrAny
	size := uint32(unix.SizeofSockaddrAny)
	var p, l unsafe.Pointer
	if address {
		p, l = unsafe.Pointer(&sa), unsafe.Pointer(&size)
	}
	n, _, e := unix.Syscall6(unix.SYS_RECVFROM, uintptr(c.FD), uintptr(unsafe.Pointer(&b[0])),
		uintptr(len(b)), uintptr(c.Flags), uintptr(p), uintptr(l))
	return errno(n, e)
}

// discard drops the bytes within the kernel: MSG_TRUNC without a buffer.
func discard(c *Call, b []byte) (int, error) {
	n, _, e := unix.Syscall6(unix.SYS_RECVFROM, uintptr(c.FD), 0, uintptr(len(b)), unix.MSG_TRUNC, 0, 0)
	return errno(n, e)
}

// spliceOut receives through a pipe.
func spliceOut(c *Call, b []byte) (int, error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return 0, err
	}
	defer unix.Close(p[0])
	defer unix.Close(p[1])
	if _, err := unix.Splice(c.FD, nil, p[1], nil, min(len(b), 1<<15), 0); err != nil {
		return 0, err
	}
	return unix.Read(p[0], b)
}

// zerocopyReceive is struct tcp_zerocopy_receive of linux/tcp.h.
type zerocopyReceive struct {
	address      uint64
	length       uint32
	recvSkipHint uint32
	inq          uint32
	err          int32
	copybuf      uint64
	copybufLen   int32
	flags        uint32
	msgControl   uint64
	msgControlLn uint64
	msgFlags     uint32
	reserved     uint32
}

// recvMapped receives by mapping pages of the socket (TCP_ZEROCOPY_RECEIVE);
// what is no whole page the kernel copies. It repeats until b is full.
func recvMapped(c *Call, b []byte) (int, error) {
	window := (len(b) + 0xfff) &^ 0xfff
	m, err := unix.Mmap(c.FD, 0, window, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return 0, err
	}
	defer unix.Munmap(m)
	got := 0
	for got < len(b) {
		if err := waitReadable(c.FD); err != nil {
			return got, err
		}
		rest := b[got:]
		z := zerocopyReceive{
			address: uint64(uintptr(unsafe.Pointer(&m[0]))), length: uint32(window),
			copybuf: uint64(uintptr(unsafe.Pointer(&rest[0]))), copybufLen: int32(min(len(rest), 4096)),
		}
		size := uint32(unsafe.Sizeof(z))
		_, _, e := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(c.FD), unix.IPPROTO_TCP, unix.TCP_ZEROCOPY_RECEIVE,
			uintptr(unsafe.Pointer(&z)), uintptr(unsafe.Pointer(&size)), 0)
		if e != 0 {
			return got, e
		}
		// What was mapped comes first in the stream, what was copied follows.
		n := int(z.length)
		if z.copybufLen > 0 {
			copy(rest[n:], append([]byte(nil), rest[:z.copybufLen]...))
			copy(rest, m[:n])
			n += int(z.copybufLen)
		} else {
			copy(rest, m[:n])
		}
		if n == 0 {
			return got, unix.EIO
		}
		got += n
	}
	return got, nil
}

func waitReadable(fd int) error {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(p, int(ioTimeout.Milliseconds()))
	if err == nil && n == 0 {
		return unix.ETIMEDOUT
	}
	return err
}
