package tlswatch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// errChanged: what the name leads to is not the file that is mapped.
var errChanged = errors.New("another file has its name")

// mapped is a file that is mapped, located and not yet opened for reading.
type mapped struct {
	mapping
	status
	fd int // O_PATH
}

func (m *mapped) close() { closeFD(m.fd) }

// path leads to the file's inode as long as m is not closed, whatever has its name.
func (m *mapped) path() string { return "/proc/self/fd/" + strconv.Itoa(m.fd) }

// read opens the file for reading. It is a regular file, and the way through the descriptor leads to no
// other one.
func (m *mapped) read() (*os.File, error) {
	fd, err := unix.Open(m.path(), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", m.base(), err)
	}
	return os.NewFile(uintptr(fd), m.base()), nil
}

// locate finds the file of a mapping. Nothing is opened for reading: that would block at a FIFO, and
// wake up a device. The errors are fs.ErrPermission, fs.ErrNotExist, errChanged, errNotRegular and
// those of the file system.
func (p procdir) locate(m mapping) (*mapped, error) {
	found, err := p.byMapping(m)
	if err == nil || errors.Is(err, errNotRegular) {
		return found, err
	}
	named, nameErr := p.byName(m)
	if nameErr == nil {
		return named, nil
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil, errors.Join(nameErr, err) // the first way would have led there
	}
	return nil, nameErr
}

// byMapping goes by map_files, which leads to the mapped file itself, also if it is unlinked or in
// another mount namespace. Following it takes CAP_SYS_ADMIN or, from Linux 5.9 on,
// CAP_CHECKPOINT_RESTORE in the initial user namespace (proc_map_files_get_link in fs/proc/base.c), and
// looking it up takes PTRACE_MODE_READ_FSCREDS.
func (p procdir) byMapping(m mapping) (*mapped, error) {
	return openPath(p.fd, "map_files/"+m.span, m, &unix.OpenHow{})
}

// byName goes by the name of the file. Names are relative to the reader's root directory or to the root
// of a mount namespace, see [mapping]: that is the root of the process unless it has changed it
// (chroot), and then this process's or init's. The process chose both the name and where its links lead:
// no link leads out of the root, none is one of /proc's, and what is found has to be the mapped file.
func (p procdir) byName(m mapping) (*mapped, error) {
	var first error
	for _, root := range []string{"root", "/", "../1/root"} {
		fd, err := unix.Openat(p.fd, root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			first = keep(first, &fs.PathError{Op: "open", Path: root, Err: err})
			continue
		}
		for _, name := range m.paths() {
			found, err := openByName(fd, name, m)
			if err == nil {
				closeFD(fd)
				return found, nil
			}
			first = keep(first, err)
		}
		closeFD(fd)
	}
	return nil, first
}

func keep(first, err error) error {
	if first == nil {
		return err
	}
	return first
}

// openByName opens one name and checks that it leads to the mapped file.
func openByName(root int, name string, m mapping) (*mapped, error) {
	found, err := openPath(root, name, m, &unix.OpenHow{Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS})
	if err != nil {
		return nil, err
	}
	if !found.isFile(m) {
		found.close()
		return nil, errChanged
	}
	return found, nil
}

// isFile tells whether the file that a name led to is that of the mapping. Maps show device and
// inode of the inode itself, stat what the file system makes of them. They differ on btrfs, where each
// subvolume has a device of its own for stat (btrfs_getattr), and on overlayfs, where maps show the file
// below on older kernels and stat shows a device per layer (ovl_map_dev_ino). There the inode's number
// alone has to do: it is that of an existing file below the same name, so that a mistake takes
// another file of the same number put in its place, on another layer or subvolume. A file that was
// copied up since is not found on such kernels: its number in maps is that of the copy.
func (s status) isFile(m mapping) bool {
	if s.ino != m.ino {
		return false
	}
	return s.overlay || s.fsType == unix.BTRFS_SUPER_MAGIC || s.dev == m.dev
}

func openPath(dir int, name string, m mapping, how *unix.OpenHow) (*mapped, error) {
	how.Flags = unix.O_PATH | unix.O_CLOEXEC
	fd, err := unix.Openat2(dir, name, how)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	s, err := statOf(fd)
	if err != nil {
		closeFD(fd)
		return nil, err
	}
	return &mapped{mapping: m, status: s, fd: fd}, nil
}
