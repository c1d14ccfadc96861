// Package tlslib finds, in an ELF file, the functions of a TLS library through which plaintext
// passes, and the places in them where probes are cheap and right. It only reads: what it says is
// for whoever attaches uprobes. Every byte of the file is taken for hostile.
package tlslib

// Kind is an API: libraries of one kind have the same names and arguments.
type Kind uint8

// The kinds of libraries whose functions are known.
const (
	// OpenSSL is OpenSSL 1.1.0 or later, and what has the same API: BoringSSL, LibreSSL, AWS-LC.
	OpenSSL Kind = iota + 1
	// GnuTLS is GnuTLS 3.
	GnuTLS
	// Go is crypto/tls of Go 1.18 or later, linked into a program.
	Go
)

func (k Kind) String() string {
	return [...]string{"", "openssl", "gnutls", "go"}[k]
}

// Role says what a function does and how its arguments lie. The first argument is always the
// connection's handle.
type Role uint8

// The roles. In C the second argument is the buffer and the third its length; in Go they are the
// slice that follows the receiver.
const (
	// RoleRead returns the number of bytes read, or no positive number.
	RoleRead Role = iota + 1
	// RoleReadEx returns 1 and puts the number of bytes read where the fourth argument points.
	RoleReadEx
	// RoleWrite returns the number of bytes written, or no positive number.
	RoleWrite
	// RoleWriteEx returns 1 and puts the number of bytes written where the fourth argument points.
	RoleWriteEx
	// RoleWriteEx2 is RoleWriteEx with flags as the fourth argument and the pointer as the fifth.
	RoleWriteEx2
	// RoleSendFile sends (handle, fd, offset, size, flags) of a file, by kernel TLS only, and
	// returns the number of bytes sent. There is no buffer to read.
	RoleSendFile
	// RoleFree ends the handle's life. It has an entry only.
	RoleFree
	// RoleCork has writes do no more than to keep what is written, and RoleUncork writes all of that once more. They have an
	// entry only.
	RoleCork
	RoleUncork
)

func (r Role) String() string {
	return [...]string{"", "read", "read_ex", "write", "write_ex", "write_ex2", "sendfile", "free", "cork", "uncork"}[r]
}

// Returns tells whether what a function of that role returns is looked at; else it has an entry only.
func (r Role) Returns() bool {
	return r != RoleFree && r != RoleCork && r != RoleUncork
}

// File is what Inspect found.
type File struct {
	BuildID   string // of the GNU note in hexadecimal, else Go's own; empty if there is none
	Machine   Machine
	Libraries []Library // one at least
}

// Library is one TLS library in the file.
type Library struct {
	Kind Kind
	// Version is the name that the file gives itself, such as libssl.so.3, and for Go the
	// toolchain's version; empty where it is not cheaply known.
	Version   string
	Functions []Function
	// Random is where the 32 bytes of a session's client random may be (RFC 8446, section 4.1.2),
	// which were in clear on its connection. Empty if the accessor is missing or of an unknown shape.
	Random []Place
	// TCPRead is, of Go, the virtual address of the function that the itab of a *net.TCPConn has for Read:
	// so it is known where a session has its socket. 0 if the program has none, as without TCP.
	TCPRead uint64
	// Server is where the lowest bit tells whether the session is a server's; nil if that is not
	// known.
	Server *Place
}

// Function is a function to be probed. Entry fires once a call (in Go once more each time the
// stack grows), and the registers of the arguments are as the caller left them.
type Function struct {
	Role    Role
	Symbol  string
	Address uint64 // virtual, as in the file
	Offset  uint64 // of its first byte in the file
	Size    uint64 // 0 if the file does not say
	Entry   Site
	// Exits are places of which each call that returns passes exactly one, once, with the result
	// in its register. They are empty if Uretprobe is set, and for roles with an entry only.
	Exits []Site
	// Uretprobe says that the ways out cannot be enumerated: a return probe at UretprobeAt is the
	// way to see the result. It is never set for Go, whose stacks move.
	Uretprobe bool
	// UretprobeAt is where a return probe may stand: the stack pointer and the return address
	// are still the caller's. With Uretprobe it is Entry; without, it is for who prefers one return
	// probe to exits that are not emulated. Zero for Go and for roles with an entry only.
	UretprobeAt Site
}

// Site is a place for a probe.
type Site struct {
	Offset uint64 // in the file, as uprobes want it
	// Emulated says that every kernel since 5.10 emulates the instruction, so that a hit costs a
	// trap and no single step.
	Emulated bool
}

// Distance is how many bytes behind the entry's probe, or before it if negative, what is at that virtual
// address of the same file is, wherever the file is mapped.
func (f Function) Distance(address uint64) int64 {
	return int64(address - (f.Address + f.Entry.Offset - f.Offset))
}

// ByRole returns the library's functions of that role; there is rarely more than one.
func (l Library) ByRole(role Role) []Function {
	var found []Function
	for _, f := range l.Functions {
		if f.Role == role {
			found = append(found, f)
		}
	}
	return found
}
