package integration

import (
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fathomhq/fathom/internal/kernel"
)

// TestJoinedAtOnce has connections that are older than Fathom be found by two CPUs at the same time: by one where data arrives, by another
// where its process sends. One of them makes the state of it, and the other finds that.
func TestJoinedAtOnce(t *testing.T) {
	if runtime.NumCPU() < 2 { // nothing happens at the same time on one
		t.Skip("needs two CPUs")
	}
	const connections = 2000
	var here, there [connections]int
	for i := range connections {
		here[i], there[i] = openPair(t)
	}
	f := watched(t, open(t, kernel.Options{MaxPeersPerWorkload: 2 * connections}))
	before := f.count()

	// Each waits for the other in front of each connection.
	var at [2]atomic.Int64
	var ends sync.WaitGroup
	for cpu, descriptors := range [2]*[connections]int{&here, &there} {
		ends.Go(func() {
			runtime.LockOSThread() // the thread ends with the goroutine
			var only unix.CPUSet
			only.Set(cpu)
			_ = unix.SchedSetaffinity(0, &only)
			for i, fd := range descriptors {
				at[cpu].Store(int64(i + 1))
				for at[1-cpu].Load() <= int64(i) {
				}
				_ = unix.Sendto(fd, []byte("\x00\x01"), unix.MSG_NOSIGNAL, nil)
			}
		})
	}
	ends.Wait()
	f.comeToRest()
	for name, n := range f.count().sub(before) {
		if strings.HasPrefix(name, "lost ") {
			t.Errorf("%s: %d", name, n)
		}
	}
}

// openPair returns the descriptors of both ends of a connection, which are closed with the test.
func openPair(t *testing.T) (here, there int) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	to := l.Addr().(*net.TCPAddr)
	raw, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if here, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(here) })
	if err := unix.Connect(here, &unix.SockaddrInet4{Port: to.Port, Addr: [4]byte(to.IP.To4())}); err != nil {
		t.Fatal(err)
	}
	if there, _, err = unix.Accept4(int(raw.Fd()), unix.SOCK_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(there) })
	return here, there
}
