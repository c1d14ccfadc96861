package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// hierarchies are the cgroup mounts of this machine.
type hierarchies struct {
	V2 string   // where cgroup v2 is mounted
	V1 []string // v1 mounts, none on most machines
}

// parseMounts reads /proc/self/mounts (fstab(5): device, mount point, type).
func parseMounts(r io.Reader) (hierarchies, error) {
	var h hierarchies
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 3 {
			continue
		}
		switch fields[2] {
		case "cgroup2":
			if h.V2 == "" {
				h.V2 = fields[1]
			}
		case "cgroup":
			h.V1 = append(h.V1, fields[1])
		}
	}
	if err := lines.Err(); err != nil {
		return h, err
	}
	if h.V2 == "" {
		return h, errors.New("cgroup v2 is not mounted: mount -t cgroup2 none /sys/fs/cgroup")
	}
	return h, nil
}

func findHierarchies() (hierarchies, error) {
	f, err := os.Open("/proc/self/mounts")
	if err != nil {
		return hierarchies{}, err
	}
	defer f.Close()
	return parseMounts(f)
}

// daemonsCgroup is where everything runs that is no pod, in v2.
func (o *options) daemonsCgroup() string { return "/fathom-nodes-" + o.Name }

// cgroupRoot is what the kubelet of a node takes for the root of all cgroups.
func (o *options) cgroupRoot(node int) string {
	if o.Index == 0 && node == 1 {
		return "/"
	}
	return fmt.Sprintf("/%s-node%d", o.Name, node)
}

// podCgroups are those of pods: made by the kubelet, and for the layout of systemd by runcwrap.
func (o *options) podCgroups() []string {
	var all []string
	for i := 1; i <= o.Nodes; i++ {
		for _, name := range []string{"kubepods", "kubepods.slice"} {
			all = append(all, filepath.Join(o.cgroupRoot(i), name))
		}
	}
	return all
}

// ownCgroups are all that up and the nodes make, those before their parents.
func (o *options) ownCgroups() []string {
	all := append([]string{o.daemonsCgroup()}, o.podCgroups()...)
	for i := 1; i <= o.Nodes; i++ {
		if root := o.cgroupRoot(i); root != "/" {
			all = append(all, root)
		}
	}
	return all
}

// makeRoot makes the root of a node's cgroups in all hierarchies.
func (h hierarchies) makeRoot(root string) error {
	if root == "/" {
		return nil
	}
	// A kubelet refuses a root without all controllers of v2. They come with the pods of another node's kubelet, if that is faster.
	controllers, _ := os.ReadFile(filepath.Join(h.V2, "cgroup.controllers"))
	for name := range strings.FieldsSeq(string(controllers)) {
		_ = os.WriteFile(filepath.Join(h.V2, "cgroup.subtree_control"), []byte("+"+name), 0) // else the kubelet says which it lacks
	}
	for _, mount := range append([]string{h.V2}, h.V1...) {
		dir := filepath.Join(mount, root)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("make cgroup: %w", err)
		}
		// A cpuset of v1 starts empty, and nothing can run in it.
		for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
			if value, err := os.ReadFile(filepath.Join(mount, name)); err == nil && slices.Contains(h.V1, mount) {
				if err := os.WriteFile(filepath.Join(dir, name), value, 0); err != nil {
					return fmt.Errorf("make cpuset: %w", err)
				}
			}
		}
	}
	return nil
}

// processes returns the processes in a cgroup of v2 and below. One that is not there has none.
func (h hierarchies) processes(cgroup string) []int {
	var all []int
	_ = filepath.WalkDir(filepath.Join(h.V2, cgroup), func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil //nolint:nilerr // it was removed meanwhile
		}
		text, _ := os.ReadFile(filepath.Join(path, "cgroup.procs"))
		for field := range strings.FieldsSeq(string(text)) {
			if pid, err := strconv.Atoi(field); err == nil {
				all = append(all, pid)
			}
		}
		return nil
	})
	return all
}

// killPatience is how long killed processes have to go. One that is writing much to a slow disk takes seconds.
const killPatience = 30 * time.Second

// kill ends all processes in the cgroups, those of the first cgroup first: a kubelet that lives would start pods again.
func (h hierarchies) kill(cgroups []string) error {
	for deadline := time.Now().Add(killPatience); ; time.Sleep(50 * time.Millisecond) {
		var left []int
		for _, cgroup := range cgroups {
			pids := h.processes(cgroup)
			left = append(left, pids...)
			if len(pids) > 0 {
				h.killOne(cgroup, pids)
			}
		}
		if len(left) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("processes %v do not end: look at /proc/PID/stack and run it again", left)
		}
	}
}

// killOne kills once. Linux 5.14 and later do it for a whole cgroup, and let no new process escape.
func (h hierarchies) killOne(cgroup string, pids []int) {
	if os.WriteFile(filepath.Join(h.V2, cgroup, "cgroup.kill"), []byte("1"), 0) == nil {
		return
	}
	for _, pid := range pids {
		if p, err := os.FindProcess(pid); err == nil {
			_ = p.Kill()
		}
	}
}

// remove removes cgroups, and those below, in all hierarchies. The kernel may hold them for a moment after the last process.
func (h hierarchies) remove(cgroups []string) error {
	for deadline := time.Now().Add(killPatience); ; time.Sleep(50 * time.Millisecond) {
		var last error
		for _, mount := range append([]string{h.V2}, h.V1...) {
			for _, cgroup := range cgroups {
				if err := removeTree(filepath.Join(mount, cgroup)); err != nil {
					last = err
				}
			}
		}
		if last == nil || time.Now().After(deadline) {
			return last
		}
	}
}

// removeTree removes a cgroup from below. Its files go with it.
func removeTree(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if e.IsDir() {
			err = errors.Join(err, removeTree(filepath.Join(dir, e.Name())))
		}
	}
	if e := os.Remove(dir); !errors.Is(e, os.ErrNotExist) {
		err = errors.Join(err, e)
	}
	return err
}
