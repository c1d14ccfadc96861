package int80

import "runtime/debug"

// getpid is that of the i386 table.
const getpid = 20

// Works tells whether the kernel takes 32-bit calls: it may have been built or started without them, or run on a host that
// lets only 64-bit code run. Such a call is a fault.
func Works() (works bool) {
	if !Supported {
		return false
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if recover() != nil {
			works = false
		}
	}()
	return Call(getpid, 0, 0, 0) > 0
}
