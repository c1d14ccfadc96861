package main

import (
	"context"
	"fmt"
	"math"
	"net"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// lossy makes connections that lose some percent of the segments that arrive: their socket drops them before TCP sees them, so
// that the other end has to send them again.
type lossy struct{ percent atomic.Int64 }

func (l *lossy) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	percent := l.percent.Load()
	if err != nil || percent == 0 {
		return conn, err
	}
	if err := lose(conn.(syscall.Conn), percent); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("lose %d %%: %w", percent, err)
	}
	return conn, nil
}

// lose attaches a filter to a socket (Documentation/networking/filter.rst of the kernel). Some kernels allow that with
// CAP_NET_ADMIN only.
func lose(conn syscall.Conn, percent int64) error {
	const random = 1<<32 - 0x1000 + 56 // SKF_AD_OFF + SKF_AD_RANDOM in linux/filter.h: loads a random number
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: random},
		{Code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, Jf: 1, K: uint32(math.MaxUint32 / 100 * percent)},
		{Code: unix.BPF_RET | unix.BPF_K, K: math.MaxUint32}, // all of it
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},              // nothing
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &program)
	})
	if err != nil {
		return err
	}
	return failed
}
