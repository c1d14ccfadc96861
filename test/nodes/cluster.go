package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// cluster is one of them, and all that down has to know of it.
type cluster struct {
	options
	Hierarchies hierarchies
	// NoLimits is set where nodes see cgroup v2 without the controllers that limits take.
	NoLimits bool
	// Sysctls are the values before up of what a kubelet sets for the whole machine.
	Sysctls map[string]string

	dir      string // of this cluster's state
	programs string // what scripts/nodes.sh built
}

// stateFile is in a cluster's folder.
const stateFile = "state.json"

// locate sets the folders.
func (c *cluster) locate() error {
	cache, err := cacheFolder()
	c.dir, c.programs = filepath.Join(cache, "state", c.Name), filepath.Join(cache, "bin")
	return err
}

// errNone is for a cluster that is not up.
var errNone = errors.New("there is no such cluster: see nodes up")

// load returns the cluster of this name that is up, or that an up began with.
func load(name string) (*cluster, error) {
	c := &cluster{options: options{Name: name}}
	if err := c.locate(); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(c.path(stateFile))
	if errors.Is(err, os.ErrNotExist) {
		return c, errNone
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, c); err != nil {
		return nil, fmt.Errorf("%s: %w", c.path(stateFile), err)
	}
	return c, nil
}

func (c *cluster) taken() error {
	return fmt.Errorf("cluster %s is up, or something of it is left: nodes down -name %s", c.Name, c.Name)
}

// save writes what down needs. Only one up of this name gets past it.
func (c *cluster) save() error {
	if err := os.MkdirAll(filepath.Dir(c.dir), 0o755); err != nil {
		return err
	}
	err := os.Mkdir(c.dir, 0o755)
	if errors.Is(err, os.ErrExist) {
		return c.taken()
	}
	if err != nil {
		return err
	}
	return os.WriteFile(c.path(stateFile), encode(c), 0o644)
}

func (c *cluster) network() network { return network(c.Index) }

// path returns one of a file in the cluster's folder.
func (c *cluster) path(elements ...string) string {
	return filepath.Join(append([]string{c.dir}, elements...)...)
}

// nodePath returns one of a node's file.
func (c *cluster) nodePath(node int, elements ...string) string {
	return c.path(append([]string{"nodes", nodeName(node)}, elements...)...)
}

func (c *cluster) logFile(daemon string) string { return c.path("log", daemon+".log") }

// program returns the path of what scripts/nodes.sh built.
func (c *cluster) program(name string) string { return filepath.Join(c.programs, name) }

// sysctlNames are those that a kubelet sets and that no namespace has of its own: setupKernelTunables in
// pkg/kubelet/cm/container_manager_linux.go.
var sysctlNames = []string{
	"vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops", "kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes",
}

func readSysctls() (map[string]string, error) {
	values := map[string]string{}
	for _, name := range sysctlNames {
		text, err := os.ReadFile(filepath.Join("/proc/sys", name))
		if err != nil {
			return nil, err
		}
		values[name] = string(text)
	}
	return values, nil
}

func writeSysctls(values map[string]string) (err error) {
	now, err := readSysctls()
	for name, value := range values {
		if now[name] != value {
			err = errors.Join(err, os.WriteFile(filepath.Join("/proc/sys", name), []byte(value), 0))
		}
	}
	return err
}

// needRoot says what is wrong if this is another user.
func needRoot() error {
	if os.Geteuid() != 0 {
		return errors.New("run it as root: it takes namespaces, mounts and cgroups")
	}
	return nil
}
