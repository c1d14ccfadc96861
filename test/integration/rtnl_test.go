package integration

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// request is a message to rtnetlink.
type rtnlRequest struct {
	kind, flags uint16
	body        []byte
}

// attribute returns the bytes of a netlink attribute.
func attribute(kind uint16, data ...[]byte) []byte {
	n := 4
	for _, d := range data {
		n += len(d)
	}
	out := binary.NativeEndian.AppendUint16(nil, uint16(n))
	out = binary.NativeEndian.AppendUint16(out, kind)
	for _, d := range data {
		out = append(out, d...)
	}
	return append(out, make([]byte, -n&3)...)
}

func text(s string) []byte   { return append([]byte(s), 0) }
func number(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }

// do sends the request in the current network namespace and waits for the answer.
func (r rtnlRequest) do() error {
	s, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	h := unix.NlMsghdr{
		Len: uint32(unix.NLMSG_HDRLEN + len(r.body)), Type: r.kind, Seq: 1,
		Flags: r.flags | unix.NLM_F_REQUEST | unix.NLM_F_ACK,
	}
	msg := append(unsafe.Slice((*byte)(unsafe.Pointer(&h)), unix.NLMSG_HDRLEN), r.body...)
	if err := unix.Sendto(s, msg, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	b := make([]byte, 4096)
	n, _, err := unix.Recvfrom(s, b, 0)
	if err != nil {
		return err
	}
	if n < unix.NLMSG_HDRLEN+4 || binary.NativeEndian.Uint16(b[4:]) != unix.NLMSG_ERROR {
		return fmt.Errorf("unexpected answer of %d bytes", n)
	}
	if e := int32(binary.NativeEndian.Uint32(b[unix.NLMSG_HDRLEN:])); e != 0 {
		return unix.Errno(-e)
	}
	return nil
}

// addVeth makes a pair of interfaces: one here, its peer in namespace fd.
func addVeth(name, peer string, fd int) error {
	head := make([]byte, unix.SizeofIfInfomsg)
	body := append([]byte(nil), head...)
	body = append(body, attribute(unix.IFLA_IFNAME, text(name))...)
	body = append(body, attribute(unix.IFLA_LINKINFO,
		attribute(unix.IFLA_INFO_KIND, text("veth")),
		attribute(unix.IFLA_INFO_DATA,
			attribute(1 /* VETH_INFO_PEER */, head, attribute(unix.IFLA_IFNAME, text(peer)),
				attribute(unix.IFLA_NET_NS_FD, number(uint32(fd))))))...)
	return rtnlRequest{unix.RTM_NEWLINK, unix.NLM_F_CREATE | unix.NLM_F_EXCL, body}.do()
}

// addAddress gives an interface an IPv4 address.
func addAddress(name string, p netip.Prefix) error {
	index, err := interfaceIndex(name)
	if err != nil {
		return err
	}
	h := unix.IfAddrmsg{Family: unix.AF_INET, Prefixlen: uint8(p.Bits()), Index: uint32(index)}
	a := p.Addr().As4()
	body := append([]byte(nil), unsafe.Slice((*byte)(unsafe.Pointer(&h)), unix.SizeofIfAddrmsg)...)
	body = append(body, attribute(unix.IFA_LOCAL, a[:])...)
	body = append(body, attribute(unix.IFA_ADDRESS, a[:])...)
	return rtnlRequest{unix.RTM_NEWADDR, unix.NLM_F_CREATE | unix.NLM_F_EXCL, body}.do()
}

// addRoute adds a route: unix.RTN_BLACKHOLE or RTN_UNREACHABLE, or RTN_UNICAST by a gateway.
func addRoute(p netip.Prefix, kind uint8, gateway netip.Addr) error {
	h := unix.RtMsg{
		Family: unix.AF_INET, Dst_len: uint8(p.Bits()), Table: unix.RT_TABLE_MAIN,
		Protocol: unix.RTPROT_STATIC, Scope: unix.RT_SCOPE_UNIVERSE, Type: kind,
	}
	a := p.Addr().As4()
	body := append([]byte(nil), unsafe.Slice((*byte)(unsafe.Pointer(&h)), unix.SizeofRtMsg)...)
	body = append(body, attribute(unix.RTA_DST, a[:])...)
	if gateway.IsValid() {
		a = gateway.As4()
		body = append(body, attribute(unix.RTA_GATEWAY, a[:])...)
	}
	return rtnlRequest{unix.RTM_NEWROUTE, unix.NLM_F_CREATE | unix.NLM_F_EXCL, body}.do()
}

func interfaceIndex(name string) (int, error) {
	var index int
	err := onSocket(name, func(s int, req *unix.Ifreq) error {
		if err := unix.IoctlIfreq(s, unix.SIOCGIFINDEX, req); err != nil {
			return err
		}
		index = int(req.Uint32())
		return nil
	})
	return index, err
}

// onSocket calls f with a socket of the current namespace and a request for the
// interface.
func onSocket(name string, f func(int, *unix.Ifreq) error) error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	req, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	return f(s, req)
}

// linkUp sets an interface of the current namespace up.
func linkUp(name string) error {
	return onSocket(name, func(s int, req *unix.Ifreq) error {
		req.SetUint16(unix.IFF_UP)
		return unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, req)
	})
}

// Commands of linux/ethtool.h that switch one feature.
const (
	ethtoolTSO = 0x1f
	ethtoolGSO = 0x24
)

// setFeature switches a feature of an interface in the current namespace.
func setFeature(name string, command uint32, on bool) error {
	value := struct{ command, data uint32 }{command: command}
	if on {
		value.data = 1
	}
	// struct ifreq with a pointer, which unix.Ifreq does not offer.
	req := struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte
	}{data: unsafe.Pointer(&value)}
	copy(req.name[:], name)
	return onSocket(name, func(s int, _ *unix.Ifreq) error {
		_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(s), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req)))
		if e != 0 {
			return e
		}
		return nil
	})
}
