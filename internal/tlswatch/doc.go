// Package tlswatch finds the TLS libraries of each process that speaks TLS, and has them probed: once
// per file, for all processes that map it.
//
// Processes come from two sides. Those that run when the watch begins and map a file with a known
// library are found by one walk through /proc. All others are asked about by the kernel side when it
// sees their first TLS connection. What is found is told to the kernel side, and the process is then
// watched until it ends. Where TLS of a process stays unread, the kernel side asks again, once a minute at most: it may have
// loaded a library since.
//
// Everything that is read belongs to processes that may be hostile: their maps, the names in them, the
// files behind the names, the file systems behind the files. So whatever may block runs under
// [within] and is left behind after a second, and nothing is opened for reading before it is known
// to be a regular file.
package tlswatch

import (
	"context"
	"io"

	"github.com/fathomhq/fathom/internal/tlslib"
)

// Probes attaches probes; implemented by the kernel package.
type Probes interface {
	// Asked blocks until a process was seen to speak TLS that was not told about, or some time after that a connection of it was
	// seen that is not read (it may have loaded another library since), and returns its process id (in the init pid namespace of the host, the tgid); an error ends the watch
	// (os.ErrClosed, context).
	Asked(ctx context.Context) (pid uint32, err error)
	// Attach attaches the probes of a library to a file, for all processes that map it. path can be
	// opened for as long as Attach runs, and leads to the file's inode. The returned Closer detaches.
	Attach(path string, library tlslib.Library) (io.Closer, error)
	// Tell says what was found out about a process. It replaces what was told before.
	Tell(pid uint32, about Process) error
	// Forget says that the process is gone, or that it shall be asked about again.
	Forget(pid uint32) error
}

// Process is what is told about a process.
type Process struct {
	Opaque Opaque
	// AttachedAt is since when all libraries of the process are probed, in nanoseconds of
	// CLOCK_MONOTONIC (as bpf_ktime_get_ns). It is set if Opaque is [Read].
	AttachedAt uint64
	// Goroutines tells that calls are told apart by goroutine, not by thread: Go's crypto/tls.
	Goroutines bool
	// Libraries are those that are probed.
	Libraries []tlslib.Library
}

// Opaque says whether the TLS of a process is read, and if not, why. The numbers are those of enum
// opaque in bpf/types.h.
type Opaque uint32

// The reasons.
const (
	// NotYet: nothing is known yet.
	NotYet Opaque = iota
	// Read: its libraries are probed.
	Read
	// Late: the connection began before the probes were attached. Only the kernel side says so.
	Late
	// UnknownLibrary: no library of a known kind is mapped.
	UnknownLibrary
	// NoSymbols: there is a library of a known kind, whose functions cannot be found or probed.
	NoSymbols
	// Java: TLS in Java code.
	Java
	// NotPermitted: the process's maps or files may not be read, or not probed.
	NotPermitted
	// ELF: the file of the program or of its library contradicts itself or cannot be read.
	ELF
	// NoSession: no session of a process that is read uses the connection. Only the kernel side says so.
	NoSession
)

var opaqueNames = [...]string{
	"not_yet", "read", "attached_late", "unknown_library", "no_symbols", "java", "not_permitted", "malformed_file", "no_session",
}

// String returns a name fit for a metric's label.
func (o Opaque) String() string {
	if int(o) >= len(opaqueNames) {
		return "unknown"
	}
	return opaqueNames[o]
}
