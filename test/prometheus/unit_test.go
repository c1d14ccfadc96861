package prometheus

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/fathomhq/fathom/internal/workload"
	"github.com/fathomhq/fathom/test/process"
)

// asServer in the environment makes the test's program the server of a unit.
const asServer = "FATHOM_TEST_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(asServer) == "" {
		m.Run()
		return
	}
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

// serve answers /298 with status 298, and so on, until its input ends; then it finishes what
// it has begun. It writes its address to its output.
func serve() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, _ := strconv.Atoi(r.URL.Path[1:])
		if status == statusSlow {
			time.Sleep(slowTime)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "done\n")
	})}
	ended := make(chan error, 1)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		ended <- server.Shutdown(context.Background())
	}()
	if _, err := fmt.Fprintln(os.Stdout, l.Addr()); err != nil {
		return err
	}
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-ended
}

// unit is what systemd would make of a unit with one server: a cgroup with a
// process. Each start makes a new cgroup of the same name.
type unit struct {
	name, dir string
	ids       map[uint64]bool // of all its cgroups so far
	server    *exec.Cmd       // nil: stopped
	input     io.Closer
	address   atomic.Value // string, empty while stopped
}

func newUnit(t *testing.T) *unit {
	t.Helper()
	hierarchy, err := workload.NewResolver(workload.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if hierarchy.CgroupRoot() == "" {
		unavailable(t, "this host has no cgroup2 mount")
	}
	slice := filepath.Join(hierarchy.CgroupRoot(), "system.slice")
	name := fmt.Sprintf("fathom-test-%d.service", os.Getpid())
	u := &unit{name: name, dir: filepath.Join(slice, name), ids: make(map[uint64]bool)}
	switch err := os.Mkdir(slice, 0o755); {
	case err == nil:
		t.Cleanup(func() { _ = os.Remove(slice) }) // stays if others use it by now
	case !errors.Is(err, os.ErrExist):
		unavailable(t, "not allowed to make a cgroup: %v", err)
	}
	if err := os.Mkdir(u.dir, 0o755); err != nil {
		unavailable(t, "not allowed to make a cgroup: %v", err)
	}
	if err := os.Remove(u.dir); err != nil {
		t.Fatal(err)
	}
	u.address.Store("")
	t.Cleanup(func() {
		if u.server != nil {
			u.stop(t, false)
		}
	})
	return u
}

// unavailable skips a test, or fails it where everything has to be there.
func unavailable(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("FATHOM_REQUIRE_TOOLS") == "1" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format+"; FATHOM_REQUIRE_TOOLS=1 makes this an error", args...)
}

// start returns when the server listens.
func (u *unit) start(t *testing.T) {
	t.Helper()
	if err := os.Mkdir(u.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	dir, err := os.Open(u.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	info, err := dir.Stat()
	if err != nil {
		t.Fatal(err)
	}
	id := info.Sys().(*syscall.Stat_t).Ino
	if u.ids[id] {
		t.Fatalf("cgroup %d again", id)
	}
	u.ids[id] = true

	server := exec.Command(os.Args[0])
	server.Env = append(os.Environ(), asServer+"=1")
	server.Stderr = os.Stderr
	server.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd())}
	input, err := server.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	u.server, u.input = server, input
	address, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatalf("the unit does not start: %v", err)
	}
	u.address.Store(strings.TrimSpace(address))
}

const gracefully = true

// stop ends the server and removes the cgroup.
func (u *unit) stop(t *testing.T, gracefully bool) {
	t.Helper()
	u.address.Store("")
	server := u.server
	u.server = nil
	if !gracefully {
		_ = server.Process.Kill()
	}
	_ = u.input.Close()
	if err := server.Wait(); err != nil && gracefully {
		t.Errorf("the unit ended: %v", err)
	}
	err := os.Remove(u.dir)
	for end := time.Now().Add(process.Patience); errors.Is(err, syscall.EBUSY) && time.Now().Before(end); err = os.Remove(u.dir) {
		time.Sleep(time.Millisecond) // the process is leaving
	}
	if err != nil {
		t.Error(err)
	}
}
