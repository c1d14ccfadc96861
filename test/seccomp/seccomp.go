// Package seccomp starts programs under a seccomp filter, as container runtimes do.
package seccomp

import (
	"fmt"
	"os/exec"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Start starts a program under a filter that answers these errors to system calls, by their number on this architecture, and lets
// all others through.
func Start(cmd *exec.Cmd, answers map[uint32]unix.Errno) error {
	started := make(chan error)
	go func() {
		// A filter is a thread's, and what it starts inherits it. The thread is not unlocked: it ends with this goroutine.
		runtime.LockOSThread()
		if err := install(answers); err != nil {
			started <- err
			return
		}
		started <- cmd.Start()
	}()
	return <-started
}

// install puts the filter on the calling thread, for good.
func install(answers map[uint32]unix.Errno) error {
	const number = 0 // of struct seccomp_data, include/uapi/linux/seccomp.h
	filter := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: number}}
	for call, answer := range answers {
		filter = append(
			filter,
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: call, Jf: 1},
			unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(answer)},
		)
	}
	filter = append(filter, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW})
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set no_new_privs: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0); err != nil {
		return fmt.Errorf("install a seccomp filter: %w", err)
	}
	return nil
}
