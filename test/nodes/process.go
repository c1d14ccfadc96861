package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
)

// starter starts processes that outlive this one, in the cluster's cgroup.
type starter struct {
	cluster *cluster
	cgroup  *os.File
	nodes   map[int]int // node to the process that holds it
	ended   context.CancelCauseFunc
}

// newStarter returns one, and a context that ends when a process does that it started.
func newStarter(ctx context.Context, c *cluster) (context.Context, *starter, error) {
	path := filepath.Join(c.Hierarchies.V2, c.daemonsCgroup())
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, nil, fmt.Errorf("make cgroup: %w", err)
	}
	cgroup, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	ctx, ended := context.WithCancelCause(ctx)
	return ctx, &starter{cluster: c, cgroup: cgroup, nodes: map[int]int{}, ended: ended}, nil
}

// release lets the processes run on.
func (s *starter) release() {
	s.ended(nil)
	_ = s.cgroup.Close()
}

// node starts the process that holds a node's namespaces, and makes a node of them.
func (s *starter) node(ctx context.Context, i int) error {
	c := s.cluster
	if err := c.Hierarchies.makeRoot(c.cgroupRoot(i)); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self, hold) //nolint:noctx // it outlives this process
	cmd.Env = s.environment()
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := s.start(cmd, nodeName(i)); err != nil {
		return err
	}
	s.nodes[i] = cmd.Process.Pid
	for _, args := range c.network().plumbing(i, cmd.Process.Pid) {
		if err := ip(ctx, args...); err != nil {
			return err
		}
	}
	err = json.NewEncoder(stdin).Encode(inside{
		Folder: c.nodePath(i), Network: c.network().inside(i, c.Nodes), OnlyV2: c.Cgroup == cgroupV2,
	})
	if err != nil {
		return fmt.Errorf("node %d: %w", i, err)
	}
	if ready, err := io.ReadAll(io.LimitReader(stdout, int64(len(readyLine)))); err != nil || string(ready) != readyLine {
		return fmt.Errorf("node %d could not be made: see %s", i, c.logFile(nodeName(i)))
	}
	return nil
}

// daemon starts one.
func (s *starter) daemon(d daemon) error {
	cmd := s.inNode(d.node, d.args...)
	cmd.Env = append(cmd.Env, d.env...)
	return s.start(cmd, d.name)
}

// inNode returns a command for a node's namespaces. It outlives a context.
func (s *starter) inNode(node int, args ...string) *exec.Cmd {
	enter := []string{"--target", strconv.Itoa(s.nodes[node]), "--mount", "--net", "--"}
	cmd := exec.Command("nsenter", append(enter, args...)...) //nolint:noctx // daemons outlive this process
	cmd.Env = s.environment()
	return cmd
}

// environment leaves out the caller's: proxies for HTTP, say, which are none for the cluster.
func (s *starter) environment() []string {
	return []string{"PATH=" + s.cluster.programs + ":" + os.Getenv("PATH")}
}

// confine lets a command run in the cluster's cgroup: down ends it if this process was killed meanwhile.
func (s *starter) confine(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(s.cgroup.Fd())
}

// start starts a command in the cgroup and in a session of its own, with a log. What it prints goes there, unless the command
// has another place for it.
func (s *starter) start(cmd *exec.Cmd, name string) error {
	log, err := os.Create(s.cluster.logFile(name))
	if err != nil {
		return err
	}
	defer log.Close()
	s.confine(cmd)
	cmd.SysProcAttr.Setsid = true
	cmd.Stderr = log
	if cmd.Stdout == nil {
		cmd.Stdout = log
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		state, err := cmd.Process.Wait()
		if err == nil {
			err = errors.New(state.String())
		}
		s.ended(fmt.Errorf("%s ended: %w; see %s", name, err, log.Name()))
	}()
	return nil
}
