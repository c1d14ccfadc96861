package history

import (
	"bytes"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// ownCost returns what this process takes.
func ownCost() cost {
	var c cost
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) == nil {
		c.cpu = time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	// The second field of statm is resident pages: proc(5).
	if b, err := os.ReadFile("/proc/self/statm"); err == nil {
		if fields := bytes.Fields(b); len(fields) > 1 {
			pages, _ := strconv.ParseUint(string(fields[1]), 10, 64)
			c.resident = pages * uint64(os.Getpagesize()) //nolint:gosec // not negative
		}
	}
	return c
}

// machine returns the kernel's release and the architecture, as uname(1) has them.
func machine() (release, architecture string) {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return "", ""
	}
	return unix.ByteSliceToString(u.Release[:]), unix.ByteSliceToString(u.Machine[:])
}
