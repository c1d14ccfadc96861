package vm

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/fathomhq/fathom/test/guests/wire"
)

// Machine is a guest before it boots.
type Machine struct {
	Kernel      *Kernel
	MemoryMiB   int
	CPUs        int
	CommandLine string   // besides what every guest's kernel is told
	Modules     []string // by name; what they depend on is loaded, too
	Files       Files    // with the init at wire.Init
	Console     string   // file that the kernel's console goes to
	Out         string   // folder that receives what tasks leave in wire.Out; "" discards it
}

// Observer is told what happens in a guest, by one goroutine. Tasks are named by their index.
type Observer interface {
	// Ready is called before the first task, with the release of the kernel.
	Ready(release string)
	// Output is called with a piece of what the task prints; p must not be kept.
	Output(task int, p []byte)
	// Exit is called when the task has ended.
	Exit(task int, s wire.Status)
	// Log is called after the last task with the messages of the kernel.
	Log(text string)
}

// Run boots the guest, lets it run the tasks one after the other, and ends it. Its error says
// that the guest failed, not that a task did: then the observer has not been told of every exit.
// The end of the context ends the guest. cpu is the time that emulating it took.
func (m *Machine) Run(ctx context.Context, tasks []wire.Task, o Observer) (cpu time.Duration, err error) {
	scratch, err := os.MkdirTemp("", "fathom-guest-")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	modules, err := m.Kernel.modules(m.Modules)
	if err != nil {
		return 0, err
	}
	initrd := filepath.Join(scratch, "initrd")
	plan := wire.Plan{
		Time: time.Now(), Port: "/dev/" + machines[m.Kernel.Arch].port, Tasks: tasks, Archive: m.Out != "",
	}
	if err := writeInitramfs(initrd, m.Files, modules, plan); err != nil {
		return 0, fmt.Errorf("make the initramfs: %w", err)
	}
	return m.boot(ctx, initrd, o)
}

// boot runs QEMU until the guest has said its last word. Nothing of it is needed after that.
func (m *Machine) boot(ctx context.Context, initrd string, o Observer) (cpu time.Duration, err error) {
	ctx, end := context.WithCancel(ctx)
	defer end()
	qemu, err := m.qemu(ctx, initrd)
	if err != nil {
		return 0, err
	}
	var complaints bytes.Buffer
	qemu.Stderr = &complaints
	qemu.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	messages, err := qemu.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := qemu.Start(); err != nil {
		return 0, fmt.Errorf("start QEMU: %w", err)
	}
	err = m.listen(messages, o)
	cause := ctx.Err() // before end makes it something else
	end()
	_ = qemu.Wait() // killed
	cpu = qemu.ProcessState.UserTime() + qemu.ProcessState.SystemTime()
	switch {
	case err == nil:
		return cpu, nil
	case cause != nil:
		return cpu, fmt.Errorf("the guest did not end in time: %w", cause)
	}
	return cpu, fmt.Errorf("%w; %s", err, m.lastWords(complaints.String()))
}

// errEnded is the end of a guest that did not carry out its plan.
var errEnded = errors.New("the guest ended without saying so")

// listen passes on the guest's messages until the last one.
func (m *Machine) listen(messages io.Reader, o Observer) error {
	var archive bytes.Buffer
	for dec := gob.NewDecoder(messages); ; {
		var msg wire.Message
		err := dec.Decode(&msg)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return errEnded
		case err != nil:
			return fmt.Errorf("the guest's messages are broken: %w", err)
		}
		switch msg.Kind {
		case wire.Ready:
			o.Ready(string(msg.Data))
		case wire.Output:
			o.Output(msg.Task, msg.Data)
		case wire.Exit:
			o.Exit(msg.Task, msg.Exit)
		case wire.Archive:
			archive.Write(msg.Data)
		case wire.Log:
			o.Log(string(msg.Data))
		case wire.End:
			return m.bringBack(&archive)
		}
	}
}

// bringBack unpacks what the tasks left.
func (m *Machine) bringBack(archive io.Reader) error {
	if m.Out == "" {
		return nil
	}
	if err := os.MkdirAll(m.Out, 0o755); err != nil {
		return err
	}
	// The root keeps the names of the archive inside it.
	root, err := os.OpenRoot(m.Out)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	for r := tar.NewReader(archive); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = extract(root, h, r)
		}
		if err != nil {
			return fmt.Errorf("unpack what the guest left: %w", err)
		}
	}
}

func extract(root *os.Root, h *tar.Header, r io.Reader) error {
	switch h.Typeflag {
	case tar.TypeDir:
		return root.MkdirAll(h.Name, 0o755)
	case tar.TypeReg:
		f, err := root.OpenFile(h.Name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, r)
		return errors.Join(err, f.Close())
	}
	return nil
}

// lastWords is the end of the console, and what QEMU complains about.
func (m *Machine) lastWords(complaints string) string {
	const lines = 60
	b, err := os.ReadFile(m.Console)
	if err != nil {
		return fmt.Sprintf("%s(no console: %v)", complaints, err)
	}
	all := strings.Split(strings.TrimSpace(strings.ReplaceAll(string(b), "\r", "")), "\n")
	all = all[max(0, len(all)-lines):]
	return fmt.Sprintf("%sthe end of its console:\n%s", complaints, strings.Join(all, "\n"))
}
