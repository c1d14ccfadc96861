package integration

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/fathomhq/fathom/test/integration/int80"
)

// System calls of the i386 table.
const (
	int80Read  = 3
	int80Write = 4
)

// map32Bit is MAP_32BIT of amd64.
const map32Bit = 0x40

// callInt80 reads or writes as a 32-bit program does, through a buffer that a 32-bit
// pointer reaches.
func callInt80(nr uint32, fd int, b []byte) (int, error) {
	low, err := unix.Mmap(-1, 0, len(b), unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|map32Bit)
	if err != nil {
		return 0, err
	}
	defer unix.Munmap(low)
	copy(low, b) // also makes the pages present
	if nr == int80Read {
		// The scheduler does not know that the call blocks: make sure that it does not.
		if err := waitReadable(fd); err != nil {
			return 0, err
		}
	}
	n := int80.Call(nr, uint32(fd), uint32(uintptr(unsafe.Pointer(&low[0]))), uint32(len(b)))
	if n < 0 {
		return 0, unix.Errno(-n)
	}
	copy(b, low[:n])
	return int(n), nil
}
