package workload

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
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
// are their inode numbers. An id is never used again, so what was found stays true.
type tree struct {
	root string // empty: the host has no cgroup2 mount
	now  func() time.Time

	mu     sync.Mutex
	paths  map[uint64]string // relative to root, with a leading slash
	walked time.Time
}

// path returns the path of a cgroup. It walks the tree when it does not know
// the id and has not walked within the last second; then fresh is true.
func (t *tree) path(id uint64) (path string, ok, fresh bool) {
	if t.root == "" {
		return "", false, true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if path, ok = t.paths[id]; ok {
		return path, true, true
	}
	if now := t.now(); t.paths == nil || now.Sub(t.walked) >= walkInterval {
		t.paths, t.walked, fresh = walk(t.root), now, true
	}
	path, ok = t.paths[id]
	return path, ok, fresh
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
		if ino, ok := inode(d); ok {
			paths[ino] = strings.TrimPrefix(path, root)
		}
		return nil
	})
	return paths
}

func inode(d fs.DirEntry) (uint64, bool) {
	info, err := d.Info()
	if err != nil {
		return 0, false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return st.Ino, true
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
