//go:build !amd64

package int80

// Supported tells whether this architecture has int 0x80.
const Supported = false

// Call exists only on amd64.
func Call(_, _, _, _ uint32) int32 { return -38 }
