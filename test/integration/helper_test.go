package integration

import (
	"fmt"
	"io"
	"net/netip"
	"net/rpc"
	"os"
	"strconv"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ioTimeout bounds every blocking call of a helper on a socket.
const ioTimeout = 20 * time.Second

// Sys is what a helper process does: single system calls, on request.
type Sys struct{}

// Call says what to do. Which fields count depends on the method.
type Call struct {
	FD    int
	N     int // bytes to receive, or the backlog
	Data  []byte
	Via   string // the system call, see sendVia and recvVia
	Iov   []int  // sizes of the iovecs or messages; the last takes the rest
	Flags int    // MSG_*
	Addr  string
	Proto int // 0 is TCP
	Opts  []Opt
}

// Opt is a socket option with a number as its value.
type Opt struct{ Level, Name, Value int }

// Reply is what the call returned.
type Reply struct {
	FD    int
	N     int
	Data  []byte
	Addr  string
	Errno syscall.Errno
}

// fail stores err in the reply if it is an errno, and returns it otherwise.
func (r *Reply) fail(err error) error {
	if e, ok := err.(syscall.Errno); ok {
		r.Errno = e
		return nil
	}
	return err
}

type stdio struct {
	io.Reader
	io.WriteCloser
}

// serveHelper obeys the parent until the pipe closes, which it also does when the
// parent dies.
func serveHelper() error {
	s := rpc.NewServer()
	if err := s.Register(&Sys{}); err != nil {
		return fmt.Errorf("register calls: %w", err)
	}
	if err := s.Register(&Load{}); err != nil {
		return fmt.Errorf("register loads: %w", err)
	}
	s.ServeConn(stdio{os.Stdin, os.Stdout})
	return nil
}

// socket makes a TCP or MPTCP socket with deadlines and the options.
func socket(a netip.AddrPort, c *Call) (int, error) {
	family := unix.AF_INET
	if a.Addr().Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, c.Proto)
	if err != nil {
		return -1, err
	}
	if err := configure(fd, c.Opts); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func configure(fd int, opts []Opt) error {
	tv := unix.NsecToTimeval(ioTimeout.Nanoseconds())
	for _, name := range []int{unix.SO_RCVTIMEO, unix.SO_SNDTIMEO} {
		if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, name, &tv); err != nil {
			return err
		}
	}
	for _, o := range opts {
		if err := unix.SetsockoptInt(fd, o.Level, o.Name, o.Value); err != nil {
			return err
		}
	}
	return nil
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

func addrPort(sa unix.Sockaddr) netip.AddrPort {
	switch a := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port))
	}
	return netip.AddrPort{}
}

// Listen listens on Addr with backlog N and reports the address it got.
func (*Sys) Listen(c *Call, r *Reply) error {
	a, err := netip.ParseAddrPort(c.Addr)
	if err != nil {
		return err
	}
	fd, err := socket(a, c)
	if err != nil {
		return r.fail(err)
	}
	if a.Addr().Is6() {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0); err != nil {
			return r.fail(err)
		}
	}
	if err := unix.Bind(fd, sockaddr(a)); err != nil {
		return r.fail(err)
	}
	if err := unix.Listen(fd, c.N); err != nil {
		return r.fail(err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return r.fail(err)
	}
	r.FD, r.Addr = fd, addrPort(sa).String()
	return nil
}

// Dial connects to Addr. With Data it is a Fast Open: the SYN carries the data.
func (*Sys) Dial(c *Call, r *Reply) error {
	a, err := netip.ParseAddrPort(c.Addr)
	if err != nil {
		return err
	}
	fd, err := socket(a, c)
	if err != nil {
		return r.fail(err)
	}
	r.FD = fd
	if len(c.Data) > 0 {
		r.N = len(c.Data)
		return r.fail(unix.Sendto(fd, c.Data, unix.MSG_FASTOPEN, sockaddr(a)))
	}
	return r.fail(unix.Connect(fd, sockaddr(a)))
}

// DialNonblocking starts to connect to Addr and does not wait.
func (*Sys) DialNonblocking(c *Call, r *Reply) error {
	a, err := netip.ParseAddrPort(c.Addr)
	if err != nil {
		return err
	}
	if r.FD, err = socket(a, c); err != nil {
		return r.fail(err)
	}
	if err := unix.SetNonblock(r.FD, true); err != nil {
		return r.fail(err)
	}
	if err := unix.Connect(r.FD, sockaddr(a)); err != unix.EINPROGRESS {
		return fmt.Errorf("connect: %v, want EINPROGRESS", err)
	}
	return nil
}

// SocketError takes FD's error (SO_ERROR).
func (*Sys) SocketError(c *Call, r *Reply) error {
	n, err := unix.GetsockoptInt(c.FD, unix.SOL_SOCKET, unix.SO_ERROR)
	r.Errno = syscall.Errno(n)
	return err
}

// Redial disconnects FD and connects the same socket to Addr.
func (*Sys) Redial(c *Call, r *Reply) error {
	a, err := netip.ParseAddrPort(c.Addr)
	if err != nil {
		return err
	}
	unspec := unix.RawSockaddr{Family: unix.AF_UNSPEC}
	_, _, e := unix.Syscall(unix.SYS_CONNECT, uintptr(c.FD), uintptr(unsafe.Pointer(&unspec)), unsafe.Sizeof(unspec))
	if e != 0 {
		return r.fail(e)
	}
	return r.fail(unix.Connect(c.FD, sockaddr(a)))
}

// WaitFor waits until N bytes can be read at once.
func (*Sys) WaitFor(c *Call, r *Reply) error {
	for deadline := time.Now().Add(ioTimeout); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		n, err := unix.IoctlGetInt(c.FD, unix.TIOCINQ)
		if err != nil {
			return r.fail(err)
		}
		if n >= c.N {
			return nil
		}
	}
	return r.fail(unix.ETIMEDOUT)
}

// Accept takes the next connection of listener FD.
func (*Sys) Accept(c *Call, r *Reply) error {
	fd, sa, err := unix.Accept4(c.FD, unix.SOCK_CLOEXEC)
	if err != nil {
		return r.fail(err)
	}
	r.FD, r.Addr = fd, addrPort(sa).String()
	return r.fail(configure(fd, c.Opts))
}

// SetOpts sets socket options.
func (*Sys) SetOpts(c *Call, r *Reply) error { return r.fail(configure(c.FD, c.Opts)) }

// Shutdown shuts one direction of the connection (Flags: SHUT_*).
func (*Sys) Shutdown(c *Call, r *Reply) error { return r.fail(unix.Shutdown(c.FD, c.Flags)) }

// Close closes FD; with a Flags other than 0 by a reset.
func (*Sys) Close(c *Call, r *Reply) error {
	if c.Flags != 0 {
		l := unix.Linger{Onoff: 1}
		if err := unix.SetsockoptLinger(c.FD, unix.SOL_SOCKET, unix.SO_LINGER, &l); err != nil {
			return r.fail(err)
		}
	}
	return r.fail(unix.Close(c.FD))
}

// CloseAll closes all connections and listeners of the process, and returns how many rings it has had.
func (*Sys) CloseAll(_ *Call, r *Reply) error {
	r.N = int(rings.Load())
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, file := range files {
		fd, err := strconv.Atoi(file.Name())
		if err != nil {
			return err
		}
		if family, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN); err != nil || family == unix.AF_UNIX {
			continue // no socket, or the one at passFD
		}
		if err := unix.Close(fd); err != nil {
			return r.fail(err)
		}
	}
	return nil
}

// Pass sends descriptor FD to another process over the inherited socket pair.
func (*Sys) Pass(c *Call, r *Reply) error {
	return r.fail(unix.Sendmsg(passFD, []byte{0}, unix.UnixRights(c.FD), nil, 0))
}

// Take receives a descriptor that another process passed.
func (*Sys) Take(_ *Call, r *Reply) error {
	oob := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(passFD, make([]byte, 1), oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return r.fail(err)
	}
	msgs, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(msgs) != 1 {
		return fmt.Errorf("take descriptor: %d messages, %v", len(msgs), err)
	}
	fds, err := unix.ParseUnixRights(&msgs[0])
	if err != nil || len(fds) != 1 {
		return fmt.Errorf("take descriptor: %d descriptors, %v", len(fds), err)
	}
	r.FD = fds[0]
	return nil
}
