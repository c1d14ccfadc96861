package main

import (
	"bytes"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// helperEnv makes the test binary the program itself.
const helperEnv = "FATHOM_TEST_RUN_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(helperEnv) != "" {
		main()
	}
	os.Exit(m.Run())
}

// process is this program in a process of its own.
type process struct {
	cmd    *exec.Cmd
	stderr bytes.Buffer
	ended  chan struct{}
}

func start(t *testing.T, attributes *syscall.SysProcAttr, args ...string) *process {
	t.Helper()
	return startProgram(t, "/proc/self/exe", attributes, args...)
}

// startProgram does so with a copy of the test binary.
func startProgram(t *testing.T, name string, attributes *syscall.SysProcAttr, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(name, args...), ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), helperEnv+"=1")
	p.cmd.Stderr = &p.stderr
	p.cmd.SysProcAttr = attributes
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.ended
	})
	return p
}

// wait returns the exit status, -1 after a signal.
func (p *process) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-p.ended:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(30 * time.Second):
		t.Fatal("the process does not end")
		return 0
	}
}

// fails expects that the process could not run, and said why in one line.
func (p *process) fails(t *testing.T, want string) {
	t.Helper()
	if got := p.wait(t); got != exitFailure {
		t.Errorf("exit status %d, want %d", got, exitFailure)
	}
	if said := p.stderr.String(); strings.Count(said, "\n") != 1 || !strings.Contains(said, want) {
		t.Errorf("standard error is not one line with %q:\n%s", want, said)
	}
}

func (p *process) waitReady(t *testing.T, address string) {
	t.Helper()
	for range 600 {
		select {
		case <-p.ended:
			t.Fatalf("the agent ended:\n%s", &p.stderr)
		case <-time.After(50 * time.Millisecond):
		}
		resp, err := http.Get("http://" + address + "/readyz")
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
	}
	t.Fatal("the agent is not ready")
}

func TestPortTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := start(t, nil, "agent", "--web.listen-address="+l.Addr().String())
	p.fails(t, "the port is taken")
}

func TestNotPermitted(t *testing.T) {
	var attributes *syscall.SysProcAttr
	if os.Geteuid() == 0 {
		attributes = asUser()
	}
	p := start(t, attributes, "agent", "--web.listen-address=127.0.0.1:0")
	p.fails(t, "not permitted: missing CAP_BPF and CAP_PERFMON: run as root")
}

func TestSignals(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("attaching takes root")
	}
	for name, signal := range map[string]os.Signal{"SIGTERM": syscall.SIGTERM, "SIGINT": os.Interrupt} {
		t.Run(name, func(t *testing.T) {
			address := freeAddress(t)
			p := start(t, nil, "agent", "--web.listen-address="+address)
			p.waitReady(t, address)
			if err := p.cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			if status := p.wait(t); status != 0 {
				t.Errorf("exit status %d\n%s", status, &p.stderr)
			}
			t.Logf("it ended after %s", time.Since(start))
			if _, err := net.Dial("tcp", address); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("dial: %v", err)
			}
		})
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
