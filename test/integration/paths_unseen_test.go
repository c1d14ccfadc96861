package integration

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/fathomhq/fathom/test/integration/int80"
)

// unseenPaths move bytes where the taps cannot read them. Bodies need not be read; where
// no tap fires at all, the byte account shows them.
func unseenPaths() []path {
	const body = 2 * bodySize
	untapped := func(direction string) string { return fmt.Sprintf("%d %s bytes untapped", body, direction) }
	return []path{
		{name: "sendfile body", want: "2 GET 200", run: func(p *pair) { p.bodyVia("sendfile", "") }},
		{name: "spliced body, written", want: "2 GET 200", run: func(p *pair) { p.bodyVia("splice", "") }},
		// Without the body's last byte the client's exchange has no end: it is lost, and said so.
		{name: "spliced body, read", server: "2 GET 200", client: "-", lost: "2 gap, " + untapped("read"), run: func(p *pair) { p.bodyVia("", "splice") }},
		{name: "mapped body (zero-copy receive)", server: "2 GET 200", client: "-", lost: "2 gap, " + untapped("read"), run: func(p *pair) { p.bodyVia("sendfile", "map") }},
		{name: "io_uring body, written", want: "2 GET 200", needs: noURing, run: func(p *pair) { p.bodyVia("uring", "") }},
		{name: "io_uring body, read", want: "2 GET 200", needs: noURing, run: func(p *pair) { p.bodyVia("", "uring") }},
		{name: "32-bit body, written", want: "2 GET 200", needs: noInt80, run: func(p *pair) { p.bodyVia("int80", "") }},
		{name: "32-bit body, read", want: "2 GET 200", needs: noInt80, run: func(p *pair) { p.bodyVia("", "int80") }},
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

func noURing() string {
	if _, _, e := unix.Syscall(unix.SYS_IO_URING_SETUP, 0, 0, 0); e == unix.ENOSYS || e == unix.EPERM {
		return "io_uring is off here: " + e.Error()
	}
	return ""
}

func noInt80() string {
	if !int80.Supported {
		return "this architecture has no int 0x80"
	}
	return ""
}
