package demo

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// netlink is an rtnetlink socket (rtnetlink(7)) with the few requests that a veth
// pair takes. It belongs to the network namespace of the thread that opened it.
type netlink struct{ fd int }

func openNetlink() (*netlink, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open rtnetlink: %w", err)
	}
	return &netlink{fd}, nil
}

func (n *netlink) close() { _ = unix.Close(n.fd) }

// createVeth makes the interface name in this namespace and its peer peerName in
// the namespace that netns refers to.
func (n *netlink) createVeth(name, peerName string, netns int) error {
	peer := ifinfo(0, 0)
	peer = attr(peer, unix.IFLA_IFNAME, zeroTerminated(peerName))
	peer = attr(peer, unix.IFLA_NET_NS_FD, native32(uint32(netns)))
	const vethInfoPeer = 1 // VETH_INFO_PEER, linux/veth.h
	var info []byte
	info = attr(info, unix.IFLA_INFO_KIND, []byte("veth"))
	info = attr(info, unix.IFLA_INFO_DATA, attr(nil, vethInfoPeer, peer))

	m := ifinfo(0, 0)
	m = attr(m, unix.IFLA_IFNAME, zeroTerminated(name))
	m = attr(m, unix.IFLA_LINKINFO, info)
	return n.request(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL, m)
}

// deleteLink removes an interface, and for a veth its peer too.
func (n *netlink) deleteLink(index int) error {
	return n.request(unix.RTM_DELLINK, 0, ifinfo(index, 0))
}

// up gives the interface an address and sets it up.
func (n *netlink) up(index int, p netip.Prefix) error {
	ip := p.Addr().As4()
	m := []byte{unix.AF_INET, byte(p.Bits()), 0, unix.RT_SCOPE_UNIVERSE} // struct ifaddrmsg
	m = append(m, native32(uint32(index))...)
	m = attr(m, unix.IFA_LOCAL, ip[:])
	m = attr(m, unix.IFA_ADDRESS, ip[:])
	if err := n.request(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_EXCL, m); err != nil {
		return fmt.Errorf("add address %s: %w", p, err)
	}
	if err := n.request(unix.RTM_NEWLINK, 0, ifinfo(index, unix.IFF_UP)); err != nil {
		return fmt.Errorf("set interface up: %w", err)
	}
	return nil
}

// request sends one message and returns the error that the kernel answers.
func (n *netlink) request(kind, flags uint16, body []byte) error {
	m := native32(uint32(unix.NLMSG_HDRLEN + len(body)))
	m = binary.NativeEndian.AppendUint16(m, kind)
	m = binary.NativeEndian.AppendUint16(m, flags|unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	m = append(m, 1, 0, 0, 0, 0, 0, 0, 0) // sequence number, port
	m = append(m, body...)
	if err := unix.Sendto(n.fd, m, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return os.NewSyscallError("sendto", err)
	}
	buf := make([]byte, 8192)
	got, _, err := unix.Recvfrom(n.fd, buf, 0)
	if err != nil {
		return os.NewSyscallError("recvfrom", err)
	}
	if got < unix.NLMSG_HDRLEN+4 || binary.NativeEndian.Uint16(buf[4:]) != unix.NLMSG_ERROR {
		return errors.New("unexpected answer from rtnetlink")
	}
	if errno := int32(binary.NativeEndian.Uint32(buf[unix.NLMSG_HDRLEN:])); errno != 0 {
		return unix.Errno(-errno)
	}
	return nil
}

// ifinfo returns a struct ifinfomsg that sets the given flags.
func ifinfo(index int, flags uint32) []byte {
	m := []byte{unix.AF_UNSPEC, 0, 0, 0}
	m = append(m, native32(uint32(index))...)
	m = append(m, native32(flags)...)
	return append(m, native32(flags)...) // ifi_change: which flags to set
}

// attr appends an attribute (struct rtattr, padded to 4 bytes) to b.
func attr(b []byte, kind uint16, value []byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(unix.SizeofRtAttr+len(value)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, value...)
	for len(b)%unix.NLMSG_ALIGNTO != 0 {
		b = append(b, 0)
	}
	return b
}

func native32(v uint32) []byte       { return binary.NativeEndian.AppendUint32(nil, v) }
func zeroTerminated(s string) []byte { return append([]byte(s), 0) }
