// Package process starts programs for tests and ends them with the test: agents, demonstrations, Prometheus servers.
package process

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Patience is how long something may take to come true on a busy machine.
const Patience = 30 * time.Second

// Fathom is what `make build` makes, seen from a package of test/. Tests do not build it themselves: under sudo there is often
// no Go.
const Fathom = "../../bin/fathom"

// Process is a program that runs.
type Process struct {
	t       testing.TB
	name    string
	command *exec.Cmd
	ended   chan struct{}
	output  bytes.Buffer // not to be read before it has ended
	stop    func()
}

// Start starts a program, in a process group of its own. It is stopped with the test at the latest; if the test fails, its log has
// what the program said.
func Start(t testing.TB, program string, args ...string) *Process {
	t.Helper()
	p := &Process{t: t, name: program, command: exec.CommandContext(context.Background(), program, args...), ended: make(chan struct{})}
	p.command.Stdout, p.command.Stderr = &p.output, &p.output
	p.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.command.Wait()
		close(p.ended)
	}()
	p.stop = sync.OnceFunc(p.end)
	t.Cleanup(p.stop)
	return p
}

// StartAgent starts an agent that answers at an address, and returns when it is ready.
func StartAgent(t testing.TB, address string, flags ...string) *Process {
	t.Helper()
	p := Start(t, Fathom, append([]string{"agent", "--web.listen-address=" + address}, flags...)...)
	p.WaitReady("http://" + address + "/readyz")
	return p
}

// WaitReady returns when a URL answers with 200. It fails the test if the program ends before, or takes longer than Patience.
func (p *Process) WaitReady(url string) {
	p.t.Helper()
	for end := time.Now().Add(Patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		select {
		case <-p.ended:
			p.t.Fatalf("%s ended", p.name)
		default:
		}
		request, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, url, nil)
		if err != nil {
			p.t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(request)
		if err != nil {
			continue
		}
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return
		}
	}
	p.t.Fatalf("%s is not ready at %s after %s", p.name, url, Patience)
}

// WaitListening returns when somebody listens at an address. It fails the test if the program ends before, or takes longer than
// Patience.
func (p *Process) WaitListening(address string) {
	p.t.Helper()
	for end := time.Now().Add(Patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		select {
		case <-p.ended:
			p.t.Fatalf("%s ended", p.name)
		default:
		}
		if c, err := (&net.Dialer{}).DialContext(p.t.Context(), "tcp", address); err == nil {
			_ = c.Close()
			return
		}
	}
	p.t.Fatalf("%s does not listen at %s after %s", p.name, address, Patience)
}

// Stop asks the program to end, and returns when it has. It fails the test if that takes longer than Patience.
func (p *Process) Stop() { p.stop() }

func (p *Process) end() {
	_ = p.command.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(Patience):
		p.t.Errorf("%s does not end", p.name)
		_ = syscall.Kill(-p.command.Process.Pid, syscall.SIGKILL)
		<-p.ended
	}
	if p.t.Failed() {
		p.t.Logf("%s said:\n%s", p.name, &p.output)
	}
}

// Kill ends the program as a lack of memory would.
func (p *Process) Kill() {
	_ = p.command.Process.Kill()
	<-p.ended
}

// FreeAddress returns an address of this host on which nobody listens.
func FreeAddress(t testing.TB) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
