// Package int80 makes 32-bit system calls from a 64-bit process, as an i386 program
// would: Fathom must not take their registers for 64-bit ones.
package int80

// Supported tells whether this architecture has int 0x80.
const Supported = true

// Call makes system call nr of the i386 table. Pointers must lie below 4 GiB.
//
//go:noescape
func Call(nr, a, b, c uint32) int32
