package integration

import (
	"fmt"
	"net/rpc"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The names of the helper processes, by which Fathom's workloads are told apart: at most
// 15 bytes, and other ones in each run, so that runs do not see each other's helpers.
var (
	serverName = fmt.Sprintf("it-server-%05d", os.Getpid()%100_000)
	clientName = fmt.Sprintf("it-client-%05d", os.Getpid()%100_000)
	noisyName  = fmt.Sprintf("it-noisy-%05d", os.Getpid()%100_000)
)

// passFD is the descriptor at which helpers inherit one end of the socket pair that
// passes descriptors between them.
const passFD = 3

// proc is a helper process.
type proc struct {
	t    testing.TB
	name string
	cmd  *exec.Cmd
	call *rpc.Client
	quit func()
	sent uint64 // bytes that it wrote to sockets
}

// start runs a helper under the name. It is in network namespace ns, unless that is
// nil, and inherits the files from passFD on.
func start(t testing.TB, name string, ns *netns, files ...*os.File) *proc {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), name)
	if err := os.Symlink(self, link); err != nil {
		t.Fatal(err)
	}
	p := &proc{t: t, name: name, cmd: exec.Command(link)}
	p.cmd.Env = append(os.Environ(), "GODEBUG=asyncpreemptoff=1") // no signal interrupts a call
	p.cmd.Stderr = os.Stderr
	p.cmd.ExtraFiles = files
	in, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := ns.do(p.cmd.Start); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	p.call = rpc.NewClient(stdio{out, in})
	p.quit = func() { _ = in.Close() }
	t.Cleanup(p.stop)
	return p
}

// stop ends the process and closes its sockets. It may be called again.
func (p *proc) stop() {
	if p.ended() {
		return
	}
	p.quit()
	kill := time.AfterFunc(5*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer kill.Stop()
	_ = p.cmd.Wait()
}

func (p *proc) ended() bool { return p.cmd.ProcessState != nil }

// kill ends the process as SIGKILL does.
func (p *proc) kill() {
	_ = p.cmd.Process.Signal(unix.SIGKILL)
	_ = p.cmd.Wait()
}

// do makes the call in the helper and fails the test if that is impossible. An
// errno is in the reply.
func (p *proc) do(method string, c Call) *Reply {
	p.t.Helper()
	var r Reply
	if err := p.call.Call("Sys."+method, &c, &r); err != nil {
		p.t.Fatalf("%s in %s: %v", method, p.name, err)
	}
	if method == "Send" || method == "Dial" {
		p.sent += uint64(r.N)
	}
	return &r
}

// must is do for calls that have to succeed.
func (p *proc) must(method string, c Call) *Reply {
	p.t.Helper()
	r := p.do(method, c)
	if r.Errno != 0 {
		p.t.Fatalf("%s %s in %s: %v after %d bytes", method, c.Via, p.name, r.Errno, r.N)
	}
	return r
}

// pipe returns a socket pair whose ends can be given to two helpers.
func pipe(t testing.TB) (a, b *os.File) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	a, b = os.NewFile(uintptr(fds[0]), "pair"), os.NewFile(uintptr(fds[1]), "pair")
	t.Cleanup(func() { _, _ = a.Close(), b.Close(); runtime.KeepAlive(a) })
	return a, b
}
