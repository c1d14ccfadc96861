package main

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// anyCPU lets a child run wherever the benchmark may.
const anyCPU = -1

// starter starts children from one OS thread that lives until close. The kernel kills the
// children with that thread (prctl(2), PR_SET_PDEATHSIG), thus also when the benchmark is
// killed, and they inherit the CPU that it is pinned to at the moment.
type starter struct {
	calls chan func()
	ended chan struct{}
	all   unix.CPUSet
}

func newStarter() (*starter, error) {
	s := &starter{calls: make(chan func()), ended: make(chan struct{})}
	if err := unix.SchedGetaffinity(0, &s.all); err != nil {
		return nil, fmt.Errorf("read the CPU affinity: %w", err)
	}
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		defer close(s.ended)
		for f := range s.calls {
			f()
		}
	}()
	return s, nil
}

func (s *starter) close() {
	close(s.calls)
	<-s.ended
}

// cpus returns the CPUs that the benchmark may use, ascending.
func (s *starter) cpus() []int {
	var out []int
	for i := range 8 * len(s.all) * 8 {
		if s.all.IsSet(i) {
			out = append(out, i)
		}
	}
	return out
}

// child is a process that was started, and the leader of a process group of its own.
type child struct {
	name  string
	cmd   *exec.Cmd
	ended chan struct{} // closed when the process has ended and its output was read
	out   *output
}

// start runs cmd pinned to a CPU, or to none. What the child writes is in child.out.
func (s *starter) start(name string, cmd *exec.Cmd, cpu int) (*child, error) {
	c := &child{name: name, cmd: cmd, ended: make(chan struct{}), out: new(output)}
	if cmd.Stdout == nil {
		cmd.Stdout = c.out
	}
	cmd.Stderr = c.out
	cmd.WaitDelay = time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	result := make(chan error, 1)
	s.calls <- func() {
		pinned := s.all
		if cpu != anyCPU {
			pinned = unix.CPUSet{}
			pinned.Set(cpu)
		}
		err := unix.SchedSetaffinity(0, &pinned)
		if err == nil {
			err = cmd.Start()
		}
		result <- errors.Join(err, unix.SchedSetaffinity(0, &s.all))
	}
	if err := <-result; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		_ = cmd.Wait() // its status is in cmd.ProcessState
		close(c.ended)
	}()
	return c, nil
}

func (c *child) pid() int { return c.cmd.Process.Pid }

// running tells whether the process has not ended.
func (c *child) running() bool {
	select {
	case <-c.ended:
		return false
	default:
		return true
	}
}

// stop sends the signal to the process and waits; its whole group is killed if it takes more
// than 10 s, and what it left behind of its group is killed in any case.
func (c *child) stop(signal syscall.Signal) {
	if c.running() {
		_ = c.cmd.Process.Signal(signal)
		select {
		case <-c.ended:
		case <-time.After(10 * time.Second):
		}
	}
	_ = syscall.Kill(-c.pid(), syscall.SIGKILL)
	<-c.ended
}

// said is the last of what the process has written.
func (c *child) said() string { return c.out.String() }

// failure describes the end of a process that should have gone on.
func (c *child) failure() error {
	<-c.ended
	return fmt.Errorf("%s ended: %s\n%s", c.name, c.cmd.ProcessState, strings.TrimSpace(c.out.String()))
}

// output keeps the last of what a process writes.
type output struct {
	mu   sync.Mutex
	last []byte
}

const outputLimit = 16 << 10

// Write implements [io.Writer].
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last = append(o.last, p...)
	if over := len(o.last) - outputLimit; over > 0 {
		o.last = bytes.Clone(o.last[over:])
	}
	return len(p), nil
}

// String returns what was kept.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.last)
}
