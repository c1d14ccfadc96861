package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// child is a process of the demonstration, seen from the parent.
type child struct {
	name  string
	cmd   *exec.Cmd
	ended chan struct{} // closed when the process has ended
	err   error         // how; valid after ended
	log   *tail

	// Pipes to a service; nil for the agent.
	in, out  *os.File
	commands *json.Encoder
	replies  *json.Decoder
}

// startChild runs cmd from the given thread. The child dies with the thread, so also
// when the parent is killed. It has a process group of its own: Ctrl-C on the
// terminal is for the parent, which ends the children in order.
func startChild(t *thread, name string, cmd *exec.Cmd, log *tail) (*child, error) {
	c := &child{name: name, cmd: cmd, ended: make(chan struct{}), log: log}
	cmd.Args[0] = name
	cmd.Stderr = log
	cmd.WaitDelay = time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := t.do(cmd.Start); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		c.err = cmd.Wait()
		close(c.ended)
	}()
	return c, nil
}

// startServiceChild runs executable as a service and returns when it listens, with its
// address.
func startServiceChild(ctx context.Context, t *thread, executable string, s start, stderr io.Writer) (*child, string, error) {
	// Not ended by ctx but by stop, when its turn comes.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), executable, ServiceCommand)
	stdin, in, err := os.Pipe()
	if err != nil {
		return nil, "", fmt.Errorf("start %s: %w", s.Name, err)
	}
	defer stdin.Close()
	out, stdout, err := os.Pipe()
	if err != nil {
		return nil, "", errors.Join(fmt.Errorf("start %s: %w", s.Name, err), in.Close())
	}
	defer stdout.Close()
	cmd.Stdin, cmd.Stdout = stdin, stdout
	c, err := startChild(t, s.Name, cmd, &tail{out: stderr})
	if err != nil {
		return nil, "", errors.Join(err, in.Close(), out.Close())
	}
	c.in, c.out = in, out
	c.commands, c.replies = json.NewEncoder(in), json.NewDecoder(out)
	r, err := c.ask(command{Start: &s})
	if err != nil {
		c.stop()
		return nil, "", err
	}
	return c, r.Address, nil
}

// ask sends a command and waits for the reply.
func (c *child) ask(q command) (reply, error) {
	const patience = 15 * time.Second // draining may wait for calls of up to 10 s
	var r reply
	if err := c.out.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return r, fmt.Errorf("ask %s: %w", c.name, err)
	}
	err := c.commands.Encode(q)
	if err == nil {
		err = c.replies.Decode(&r)
	}
	if err == nil && r.Error != "" {
		return r, errors.New(r.Error)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.EPIPE) {
		<-c.ended // it has closed its ends of the pipes
		return r, c.failure()
	}
	if err != nil {
		return r, fmt.Errorf("ask %s: %w", c.name, err)
	}
	return r, nil
}

// stop ends the process: a service by the end of its input, the agent by SIGTERM, and
// either by SIGKILL if it takes too long.
func (c *child) stop() {
	if c.in != nil {
		_ = c.in.Close()
	} else {
		_ = c.cmd.Process.Signal(syscall.SIGTERM)
	}
	select {
	case <-c.ended:
	case <-time.After(5 * time.Second):
		_ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL)
		<-c.ended
	}
	if c.out != nil {
		_ = c.out.Close()
	}
}

// failure describes the end of a process that should have gone on. It is to be
// called after ended.
func (c *child) failure() error {
	why := "it exited"
	if c.err != nil {
		why = c.err.Error()
	}
	if said := strings.TrimSpace(c.log.last()); said != "" {
		why += ":\n" + said
	}
	return fmt.Errorf("process %s ended: %s", c.name, why)
}
