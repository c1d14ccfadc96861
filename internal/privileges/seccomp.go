package privileges

import (
	"io/fs"
	"strings"

	"github.com/fathomhq/fathom/internal/hostfile"
)

// Filtered reports whether a seccomp filter is in force for the calling thread, which in a container all threads share. ROOT is
// where /proc is. It is false where that cannot be found out.
func Filtered(root fs.FS) bool {
	const filter = "2" // SECCOMP_MODE_FILTER of include/uapi/linux/seccomp.h
	for line := range strings.Lines(hostfile.Read(root, "proc/thread-self/status")) {
		if mode, ok := strings.CutPrefix(line, "Seccomp:"); ok {
			return strings.TrimSpace(mode) == filter
		}
	}
	return false
}
