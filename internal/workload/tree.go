package workload

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// walkInterval is how often the tree may be walked: a walk takes some
	// 10 ms per 500 cgroups, which a host that makes many short ones would pay
	// again and again.
	walkInterval = time.Second
	// maxCgroups bounds a walk: more than ten times what a full node has (110
	// pods and some hundred units).
	maxCgroups = 16384
)

// tree finds the directories of cgroups by their ids, which in a cgroup2 mount
// are their inode numbers. An id is never used again, its path is: by the next life
// of a unit.
type tree struct {
	root string // empty: the host has no cgroup2 mount
	now  func() time.Time

	mu     sync.Mutex
	paths  map[uint64]string // relative to root, with a leading slash
	walked time.Time
	walks  int
}

// count tells how often the tree was walked.
func (t *tree) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.walks
}

// path returns the path that a cgroup has, or had when the tree was last walked. The cgroup
// must have existed when the count of walks was since: if a later walk did not
// find it, it was removed. An id that needs a walk gets one, unless the last was
// within a second.
func (t *tree) path(id uint64, since int) (path string, ok, removed bool) {
	if t.root == "" {
		return "", false, false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	path, ok = t.paths[id]
	if now := t.now(); !ok && t.walks <= since && (t.walks == 0 || now.Sub(t.walked) >= walkInterval) {
		t.paths, t.walked = walk(t.root), now
		t.walks++
		path, ok = t.paths[id]
	}
	return path, ok, !ok && t.walks > since
}

// podRoot returns where the cgroups of a pod's node begin; empty if the pod was not found when the tree was
// last walked.
func (t *tree) podRoot(uid string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, path := range t.paths {
		if c := ParseCgroup(path); c.PodUID == uid && c.PodRoot != "" {
			return c.PodRoot
		}
	}
	return ""
}

// walk lists the cgroups under root. Directories that vanish meanwhile or may
// not be read are left out.
func walk(root string) map[uint64]string {
	paths := make(map[uint64]string)
	_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return fs.SkipDir
		case !d.IsDir():
			return nil
		case len(paths) >= maxCgroups:
			return fs.SkipAll
		}
		if info, err := d.Info(); err == nil {
			paths[inode(info)] = strings.TrimPrefix(path, root)
		}
		return nil
	})
	return paths
}

// inode returns 0, which no file has, where there are no inodes.
func inode(info fs.FileInfo) uint64 {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0
	}
	return st.Ino
}

// cgroupRoot returns where the whole cgroup2 hierarchy is mounted: /sys/fs/cgroup,
// or /sys/fs/cgroup/unified on a hybrid host; empty if nowhere.
func cgroupRoot(mountinfo io.Reader) string {
	best := ""
	lines := bufio.NewScanner(mountinfo)
	for lines.Scan() {
		// proc_pid_mountinfo(5): id parent dev root mountpoint options [tags] - type source options
		head, tail, ok := strings.Cut(lines.Text(), " - ")
		f := strings.Fields(head)
		if !ok || len(f) < 6 || !strings.HasPrefix(tail, "cgroup2 ") || f[3] != "/" {
			continue
		}
		if dir := unescapeOctal(f[4]); best == "" || len(dir) < len(best) {
			best = dir
		}
	}
	return best
}

// CgroupRootBelow returns where cgroup2 is mounted in a directory that holds a host's cgroup file systems, as
// /sys/fs/cgroup does: the directory itself, or unified in it on a hybrid host. It fails if it is neither.
func CgroupRootBelow(dir string) (string, error) {
	if _, err := os.Stat(dir); err != nil {
		return "", fmt.Errorf("the host's cgroups: %w", err)
	}
	for _, root := range []string{dir, filepath.Join(dir, "unified")} { // systemd.unit(5): the hybrid hierarchy
		var fs unix.Statfs_t
		if err := unix.Statfs(root, &fs); err == nil && fs.Type == unix.CGROUP2_SUPER_MAGIC {
			return root, nil
		}
	}
	return "", fmt.Errorf("no cgroup2 is mounted at %s or in its directory unified: mount the host's /sys/fs/cgroup there", dir)
}

// unescapeOctal undoes the escapes of blanks in mountinfo.
func unescapeOctal(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+4 <= len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func findCgroupRoot(proc string) (string, error) {
	f, err := os.Open(filepath.Join(proc, "self/mountinfo"))
	if err != nil {
		return "", err
	}
	root := cgroupRoot(f)
	return root, errors.Join(f.Close())
}
