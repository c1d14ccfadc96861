package integration

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/fathomhq/fathom/test/integration/int80"
)

// unseenPaths move bodies where the taps cannot read them, which they need not; where no tap fires at
// all, the byte account shows them.
func unseenPaths() []path {
	// Without the body's last byte the client's exchange has no end: it is lost, and said so.
	unseen := []short{{at: anywhere, why: noTap, client: "-", lost: fmt.Sprintf("2 gap, %d read bytes untapped", 2*bodySize)}}
	body := func(send, recv string) func(*pair) { return func(p *pair) { p.bodyVia(send, recv) } }
	return []path{
		{name: "sendfile body", way: "bodies: sendfile", want: "2 GET 200", run: body("sendfile", "")},
		{name: "spliced body, written", way: "bodies: splice into a socket", want: "2 GET 200", run: body("splice", "")},
		{name: "spliced body, read", way: "bodies: splice out of a socket", want: "2 GET 200", run: body("", "splice"), but: unseen},
		{name: "mapped body (zero-copy receive)", way: "bodies: TCP_ZEROCOPY_RECEIVE", want: "2 GET 200", run: body("sendfile", "map"), but: unseen},
		{name: "io_uring body, written", way: "bodies: io_uring", want: "2 GET 200", needs: noURing, run: body("uring", "")},
		{name: "io_uring body, read", way: "bodies: io_uring", want: "2 GET 200", needs: noURing, run: body("", "uring")},
		{name: "32-bit body, written", way: "bodies: 32-bit read and write", want: "2 GET 200", needs: noInt80, run: body("int80", "")},
		{name: "32-bit body, read", way: "bodies: 32-bit read and write", want: "2 GET 200", needs: noInt80, run: body("", "int80")},
	}
}

const bodySize = 32 << 10

// bodyVia makes two exchanges whose response bodies go by the given calls.
func (p *pair) bodyVia(send, recv string) {
	p.Helper()
	c, s := p.connect()
	for range 2 {
		body := strings.Repeat("x", bodySize)
		head := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", bodySize)
		c.send(get)
		s.expect(get)
		s.send(head)
		c.expect(head)
		p.transferVia(s, c, body, via(send), via(recv))
	}
}

func noURing(place) string {
	if _, _, e := unix.Syscall(unix.SYS_IO_URING_SETUP, 0, 0, 0); e == unix.ENOSYS || e == unix.EPERM {
		return "io_uring is not in this kernel"
	}
	return ""
}

func noInt80(place) string {
	if !int80.Supported {
		return "int 0x80 is not in this architecture"
	}
	if !int80.Works() {
		return "this kernel takes no int 0x80"
	}
	return ""
}
