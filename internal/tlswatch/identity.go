package tlswatch

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// identity names a file as uprobes see it: two mappings of one identity share the inode at which the
// breakpoints are set. It is comparable.
//
// On most file systems it is device and inode. Overlayfs shows one inode per mount, while the kernel
// registers uprobes at the file below (d_real_inode in trace_uprobe.c and in
// bpf_uprobe_multi_link_attach): ten containers of one image map one file, and probes at each of
// the ten would all fire for each of the ten. Overlayfs passes on the inode's number of the lowest
// copy and the time of birth of the one that is in use (ovl_getattr in fs/overlayfs/inode.c), so that
// these two together name the file below. The device says nothing: it is that of the mount.
//
// While something is attached the inode is held (uprobe->inode), so that its number is not given
// to another file.
type identity struct {
	dev, ino uint64
	born     int64 // nanoseconds since the epoch, on overlayfs only; where unknown, the time of modification
	overlay  bool
}

// version is a file's identity and what changes with its content.
type version struct {
	identity
	size            int64
	modified, taken int64 // mtime and ctime in nanoseconds
}

// status is what is known of an open file without reading it.
type status struct {
	version
	fsType int64
}

var errNotRegular = errors.New("not a regular file")

// statOf reads the status of an open file. It fails with errNotRegular for all but regular files.
func statOf(fd int) (status, error) {
	var x unix.Statx_t
	err := unix.Statx(fd, "", unix.AT_EMPTY_PATH|unix.AT_NO_AUTOMOUNT, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &x)
	if err != nil {
		return status{}, fmt.Errorf("stat: %w", err)
	}
	if x.Mode&unix.S_IFMT != unix.S_IFREG {
		return status{}, errNotRegular
	}
	var f unix.Statfs_t
	if err := unix.Fstatfs(fd, &f); err != nil {
		return status{}, fmt.Errorf("statfs: %w", err)
	}
	v := version{
		identity: identity{dev: unix.Mkdev(x.Dev_major, x.Dev_minor), ino: x.Ino},
		size:     int64(min(x.Size, 1<<62)), modified: nanoseconds(x.Mtime), taken: nanoseconds(x.Ctime),
	}
	if f.Type == unix.OVERLAYFS_SUPER_MAGIC {
		v.identity = identity{ino: x.Ino, overlay: true, born: v.modified}
		if x.Mask&unix.STATX_BTIME != 0 {
			v.born = nanoseconds(x.Btime)
		}
	}
	return status{v, int64(f.Type)}, nil //nolint:unconvert // 32 bits on some machines
}

func nanoseconds(t unix.StatxTimestamp) int64 { return t.Sec*1e9 + int64(t.Nsec) }
