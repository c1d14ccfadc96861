package integration

import (
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// netns is a network namespace of a test. A nil netns is the one the test runs in.
type netns struct {
	fd   int
	name string
}

// newNetns makes a namespace that lives as long as the test or a process in it.
func newNetns(t testing.TB, name string) *netns {
	t.Helper()
	n := &netns{fd: -1, name: "fathom-it-" + name}
	done := make(chan error)
	go func() {
		// The thread is not unlocked: it ends with the goroutine, and with it its namespace.
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("unshare: %w", err)
			return
		}
		fd, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		n.fd = fd
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatalf("make network namespace %s: %v", n.name, err)
	}
	t.Cleanup(func() { _ = unix.Close(n.fd) })
	if err := n.do(func() error { return linkUp("lo") }); err != nil {
		t.Fatalf("set lo up in %s: %v", n.name, err)
	}
	return n
}

// do runs f on a thread that is inside the namespace.
func (n *netns) do(f func() error) error {
	if n == nil {
		return f()
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // as above: the thread ends here
		if err := unix.Setns(n.fd, unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("enter %s: %w", n.name, err)
			return
		}
		done <- f()
	}()
	return <-done
}

// sysctl sets a value of the namespace.
func (n *netns) sysctl(t testing.TB, name, value string) {
	t.Helper()
	path := "/proc/sys/" + strings.ReplaceAll(name, ".", "/")
	if err := n.do(func() error { return os.WriteFile(path, []byte(value), 0) }); err != nil {
		t.Fatalf("set %s in %s: %v", name, n.name, err)
	}
}

// vethPair is a pair of namespaces joined by a veth pair, named veth0 in both.
type vethPair struct{ server, client *netns }

// The addresses of the ends of a vethPair.
var (
	serverEnd = netip.MustParsePrefix("10.77.0.1/24")
	clientEnd = netip.MustParsePrefix("10.77.0.2/24")
)

func newVethPair(t testing.TB, name string) vethPair {
	t.Helper()
	l := vethPair{newNetns(t, name+"-server"), newNetns(t, name+"-client")}
	for _, step := range []struct {
		ns *netns
		f  func() error
	}{
		{l.server, func() error { return addVeth("veth0", "veth0", l.client.fd) }},
		{l.server, func() error { return addAddress("veth0", serverEnd) }},
		{l.client, func() error { return addAddress("veth0", clientEnd) }},
		{l.server, func() error { return linkUp("veth0") }},
		{l.client, func() error { return linkUp("veth0") }},
	} {
		if err := step.ns.do(step.f); err != nil {
			t.Fatalf("make veth pair %s: %v", name, err)
		}
	}
	return l
}

// retransmitted is the namespace's own count of segments that TCP sent again (RetransSegs
// of RFC 4022).
func (n *netns) retransmitted(t testing.TB) uint64 {
	t.Helper()
	var b []byte
	err := n.do(func() (err error) {
		b, err = os.ReadFile("/proc/thread-self/net/snmp")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if f[0] != "Tcp:" {
			continue
		}
		if names == nil {
			names = f
			continue
		}
		v, err := strconv.ParseUint(f[slices.Index(names, "RetransSegs")], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	t.Fatal("no Tcp line in net/snmp")
	return 0
}
