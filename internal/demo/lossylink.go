package demo

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// lossyLink is a network namespace, joined to this one by a veth pair whose far end
// drops packets. The namespace has no name: it exists as long as a thread, a process
// or a descriptor in it does, and takes the pair along. So even after `kill -9`
// nothing is left to clean.
type lossyLink struct {
	host  *thread // in the namespace that the demonstration was started in
	inner *thread // in the new one
	index int     // of the near end
	drops *dropper
	addr  netip.Addr // of the far end
}

// newLossyLink makes the link. Nothing is left of it when it fails.
func newLossyLink(host *thread, pid int, share float64) (_ *lossyLink, err error) {
	l := &lossyLink{host: host, inner: newThread()}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.close())
		}
	}()
	near, far, err := freeSubnet(pid)
	if err != nil {
		return nil, err
	}
	l.addr = far.Addr()

	ns := -1
	err = l.inner.do(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("create network namespace: %w", err)
		}
		ns, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		return os.NewSyscallError("open network namespace", err)
	})
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Close(ns) }()

	name := fmt.Sprintf("fathom%d", pid) // at most 13 of 15 bytes
	err = host.do(func() error {
		return configure(name, near, func(n *netlink) error { return n.createVeth(name, "eth0", ns) }, &l.index)
	})
	if err != nil {
		return nil, err
	}
	return l, l.inner.do(func() error {
		var index int
		if err := configure("eth0", far, nil, &index); err != nil {
			return err
		}
		l.drops, err = attachDropper(index, share)
		return err
	})
}

// configure makes an interface of the calling thread's namespace, unless create is
// nil, gives it an address, sets it up and stores its index.
func configure(name string, p netip.Prefix, create func(*netlink) error, index *int) error {
	n, err := openNetlink()
	if err != nil {
		return err
	}
	defer n.close()
	if create != nil {
		if err := create(n); err != nil {
			return fmt.Errorf("create veth %s: %w", name, err)
		}
	}
	i, err := net.InterfaceByName(name)
	if err != nil {
		return fmt.Errorf("find %s: %w", name, err)
	}
	*index = i.Index
	return n.up(i.Index, p)
}

// close removes the pair and the namespace. Processes in the namespace must have
// ended.
func (l *lossyLink) close() error {
	var errs []error
	if l.drops != nil {
		errs = append(errs, l.drops.close())
	}
	if l.index != 0 {
		errs = append(errs, l.host.do(func() error {
			n, err := openNetlink()
			if err != nil {
				return err
			}
			defer n.close()
			return n.deleteLink(l.index)
		}))
	}
	l.inner.close()
	return errors.Join(errs...)
}

// freeSubnet returns the two addresses of a /30 that no interface has an address
// in. It lies in 198.19.0.0/16, half of the range for tests between networks
// (RFC 2544, C.2.2); the other half is popular with VPN clients.
func freeSubnet(pid int) (near, far netip.Prefix, err error) {
	taken, err := net.InterfaceAddrs()
	if err != nil {
		return near, far, fmt.Errorf("list addresses: %w", err)
	}
	const subnets = 1 << 14
next:
	for i := range subnets {
		low := uint16((pid + i) % subnets << 2)
		base := [4]byte{198, 19}
		binary.BigEndian.PutUint16(base[2:], low)
		subnet := netip.PrefixFrom(netip.AddrFrom4(base), 30)
		for _, a := range taken {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Overlaps(subnet) {
				continue next
			}
		}
		near := netip.PrefixFrom(subnet.Addr().Next(), 30)
		return near, netip.PrefixFrom(near.Addr().Next(), 30), nil
	}
	return near, far, errors.New("no free subnet in 198.19.0.0/16")
}
