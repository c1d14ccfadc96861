package workload

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/fathomhq/fathom/internal/kernel"
)

// maxProcs bounds how many processes of one cgroup are looked at. A cgroup with
// more counts as alive.
const maxProcs = 4096

// Gone returns those of the workloads that have no process any more: their cgroup
// was removed, or nothing in it runs under their command. In doubt a
// workload is not gone. Each cgroup is read once per call.
func (r *Resolver) Gone(ws []kernel.Workload) []kernel.WorkloadID {
	var gone []kernel.WorkloadID
	seen := make(map[uint64]members)
	now := r.tree.count()
	for _, w := range ws {
		m, ok := seen[w.CgroupID]
		if !ok {
			since := now
			if k, ok := r.cached(w); ok {
				since = k.since
			}
			m = r.members(w.CgroupID, since)
			seen[w.CgroupID] = m
		}
		if !m.has(w.Command) {
			gone = append(gone, w.ID)
		}
	}
	return gone
}

// members are the commands of a cgroup's processes.
type members struct {
	unsure   bool // could not be read, or not all of them
	commands map[string]bool
}

func (m members) has(command string) bool {
	if m.unsure || m.commands[command] {
		return true
	}
	return command == "" && len(m.commands) > 0
}

// members reads the commands of the processes of one cgroup, see [Resolver.processes].
func (r *Resolver) members(cgroup uint64, since int) members {
	pids, sure := r.processes(cgroup, since)
	m := members{unsure: !sure, commands: make(map[string]bool, len(pids))}
	for _, pid := range pids {
		r.addCommand(&m, pid)
	}
	return m
}

// processes reads which processes one cgroup has, or the host if it has no
// cgroup2 mount. It is not sure where they could not be read, or are too many. See [tree.path] for since.
func (r *Resolver) processes(cgroup uint64, since int) (pids []string, sure bool) {
	if r.tree.root == "" {
		return r.hostProcesses()
	}
	path, ok, removed := r.tree.path(cgroup, since)
	if !ok {
		return nil, removed
	}
	dir := filepath.Join(r.tree.root, path)
	data, err := readFile(filepath.Join(dir, "cgroup.procs"))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENODEV) {
		return nil, true
	}
	// A restarted unit has another cgroup at the same path. Looked at after the reading: if
	// it is still the same one, then what was read is its.
	switch info, err := os.Stat(dir); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, true
	case err != nil:
		return nil, false
	case inode(info) != cgroup:
		return nil, true
	}
	pids = strings.Fields(string(data))
	if err != nil || len(pids) > maxProcs {
		return nil, false
	}
	return pids, true
}

// addCommand adds the command of a process, unless it has just ended.
func (r *Resolver) addCommand(m *members, pid string) {
	if pid == "0" { // a process outside of our PID namespace
		m.unsure = true
		return
	}
	comm, err := readFile(filepath.Join(r.proc, pid, "comm"))
	switch {
	case err == nil:
		m.commands[string(bytes.TrimSuffix(comm, []byte("\n")))] = true
	case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ESRCH):
		m.unsure = true
	}
}

func (r *Resolver) hostProcesses() (pids []string, sure bool) {
	dirs, err := os.ReadDir(r.proc)
	if err != nil || len(dirs) > maxProcs {
		return nil, false
	}
	for _, d := range dirs {
		if _, err := strconv.Atoi(d.Name()); err == nil {
			pids = append(pids, d.Name())
		}
	}
	return pids, true
}

// readFile reads a file of procfs or cgroupfs; more than any sane one has is cut.
func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, 1<<20))
	return data, errors.Join(err, f.Close())
}
