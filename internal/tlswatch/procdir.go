package tlswatch

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// procdir is the directory of one process in /proc, held open: all that is read through it belongs to
// that process, also if its number is given to another one meanwhile (proc_pid_lookup binds the
// directory to a struct pid; reads fail with ESRCH once that is dead).
type procdir struct {
	proc string
	fd   int
}

// openProcess returns fs.ErrNotExist if there is no such process.
func openProcess(proc string, pid uint32) (procdir, error) {
	path := filepath.Join(proc, strconv.FormatUint(uint64(pid), 10))
	fd, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return procdir{}, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return procdir{proc, fd}, nil
}

func (p procdir) close() { closeFD(p.fd) }

// closeFD closes a descriptor through which nothing was written: the error says nothing.
func closeFD(fd int) { _ = unix.Close(fd) }

// open opens a file of the directory.
func (p procdir) open(name string) (*os.File, error) {
	fd, err := unix.Openat(p.fd, name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// maps reads what is mapped executable. It is empty for threads of the kernel and for zombies.
func (p procdir) maps() ([]mapping, error) {
	f, err := p.open("maps")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	found, err := parseMaps(f)
	if errors.Is(err, unix.ESRCH) {
		err = fs.ErrNotExist
	}
	return found, err
}

// isAlive tells whether the process still exists, be it as a zombie.
func (p procdir) isAlive() bool {
	return unix.Faccessat(p.fd, "stat", unix.F_OK, 0) == nil
}

// duplicate returns another handle of the directory, for a call that may outlive this one.
func (p procdir) duplicate() (procdir, error) {
	fd, err := unix.FcntlInt(uintptr(p.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return procdir{}, fmt.Errorf("duplicate a descriptor: %w", err)
	}
	return procdir{p.proc, fd}, nil
}

// started returns when the process began, in clock ticks since boot, which with the process's number
// names it: field 22 of stat, see proc_pid_stat(5). The second field is a name in parentheses that may
// hold any byte. It fails for zombies, which are gone for our purpose.
func (p procdir) started() (uint64, error) {
	f, err := p.open("stat")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	text := make([]byte, 1024)
	n, err := f.Read(text)
	if err != nil {
		return 0, fmt.Errorf("read stat: %w", err)
	}
	const state, start = 3, 22
	fields := bytes.Fields(text[bytes.LastIndexByte(text[:n], ')')+1 : n])
	if len(fields) <= start-state {
		return 0, fmt.Errorf("stat of %d fields", len(fields))
	}
	if s := fields[0][0]; s == 'Z' || s == 'X' {
		return 0, fs.ErrNotExist
	}
	return strconv.ParseUint(string(fields[start-state]), 10, 64)
}

// executable returns the device and inode of the program that runs, as stat says them.
func (p procdir) executable() (identity, error) {
	fd, err := unix.Openat(p.fd, "exe", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return identity{}, fmt.Errorf("open the executable: %w", err)
	}
	defer closeFD(fd)
	s, err := statOf(fd)
	return s.identity, err
}
