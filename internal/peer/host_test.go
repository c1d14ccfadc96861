package peer

import (
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	pb "github.com/fathomhq/fathom/internal/directory/directorypb"
)

// trie is as a node with the bridge of a pod network shows it, cut.
const trie = `Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 10.244.1.0/24 2 0 1
        |-- 10.244.1.0
           /24 link UNICAST
Local:
  +-- 0.0.0.0/0 3 0 5
     +-- 10.244.1.0/24 2 0 1
        |-- 10.244.1.0
           /32 link BROADCAST
        |-- 10.244.1.1
           /32 host LOCAL
        |-- 10.244.1.255
           /32 link BROADCAST
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.0
           /8 host LOCAL
        |-- 192.0.2.2
           /24 link UNICAST
           /32 host LOCAL
`

const inet6 = `fd000000000000000000000000000002 04 40 00 82     eth0
00000000000000000000000000000001 01 80 10 80       lo
`

// hostNet makes a directory net.
func hostNet(t *testing.T, trie, inet6 string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"fib_trie": trie, "if_inet6": inet6} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestHostAddresses(t *testing.T) {
	for _, tt := range []struct {
		name, trie, inet6 string
		want              []string
	}{
		{"node", trie, inet6, []string{"10.244.1.1", "192.0.2.2", "::1", "fd00::2"}},
		{"nothing", "", "", nil},
		{"route without a leaf", "/32 host LOCAL\n", "", nil},
		{"leaf that is no address", "|-- 10.1.1.1\n|-- x\n /32 host LOCAL\n", "", nil},
		{"short lines", "|--\n/32\n/32 host\n\n", "\n00\nzz\n0a000001 04\n", nil},
		{"overlong line", strings.Repeat("x", 1<<17) + "\n", strings.Repeat("0", 1<<17), nil},
	} {
		got := slices.Collect(maps.Keys(hostAddresses(hostNet(t, tt.trie, tt.inet6))))
		slices.SortFunc(got, netip.Addr.Compare)
		var want []netip.Addr
		for _, a := range tt.want {
			want = append(want, netip.MustParseAddr(a))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", tt.name, got, want)
		}
	}
	for _, dir := range []string{"", filepath.Join(t.TempDir(), "none")} {
		if got := hostAddresses(dir); len(got) > 0 {
			t.Errorf("%q: %v", dir, got)
		}
	}
}

// The kernel shows the addresses of a real host in this way.
func TestOwnAddresses(t *testing.T) {
	all := hostAddresses("/proc/self/net")
	if len(all) == 0 {
		t.Skip("no network in /proc")
	}
	if !all[netip.MustParseAddr("127.0.0.1")] && !all[netip.IPv6Loopback()] {
		t.Errorf("no loopback address in %v", all)
	}
}

func TestHostIsNode(t *testing.T) {
	networks := []Network{{netip.MustParsePrefix("10.244.0.0/16"), "pods"}}
	node, pods, external := Peer{Workload: Node}, Peer{Workload: "pods"}, Peer{Workload: External}
	for _, tt := range []struct {
		name, address string
		directory     *Directory
		kind          pb.Kind // its answer
		want          Peer
	}{
		{"prober", "10.244.1.1:0", somewhere, pb.Kind_KIND_OUTSIDE, node},
		{"prober in IPv6", "[fd00::2]:0", somewhere, pb.Kind_KIND_OUTSIDE, node},
		{"prober in IPv4 mapped to IPv6", "[::ffff:10.244.1.1]:0", somewhere, pb.Kind_KIND_OUTSIDE, node},
		{"server of the host", "10.244.1.1:9100", somewhere, pb.Kind_KIND_OUTSIDE, node},
		{"another node's end", "10.244.2.1:0", somewhere, pb.Kind_KIND_OUTSIDE, pods},
		{"broadcast", "10.244.1.255:0", somewhere, pb.Kind_KIND_OUTSIDE, pods},
		{"outside", "192.0.2.3:0", somewhere, pb.Kind_KIND_OUTSIDE, external},
		{"service whose address the host has", "192.0.2.2:80", somewhere, pb.Kind_KIND_SERVICE, Peer{"shop", "web", "www"}},
		{"pod", "192.0.2.2:80", somewhere, pb.Kind_KIND_POD, Peer{"shop", "web", "www"}},
		{"prober without a directory", "10.244.1.1:0", nil, 0, node},
		{"server without a directory", "192.0.2.2:80", nil, 0, external},
	} {
		r, _ := newTest(t, Options{Directory: tt.directory, Networks: networks, HostNet: hostNet(t, trie, inet6)})
		r.Resolve(at(tt.address))
		if tt.directory != nil {
			a := netip.AddrPortFrom(at(tt.address).Addr().Unmap(), at(tt.address).Port())
			r.answers(a.String(), tt.kind, "shop", "web", "www")
		}
		if got := r.Resolve(at(tt.address)); got.Peer != tt.want || got.State != Known {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

// The pod network's address comes with the first pod, and may go with the plugin that made it.
func TestHostChanges(t *testing.T) {
	dir := hostNet(t, "", inet6)
	r, _ := newTest(t, Options{Directory: somewhere, HostNet: dir})
	answer := func(address string, kind pb.Kind) {
		r.Resolve(at(address))
		r.answers(address, kind, "shop", "web")
	}
	answer("10.244.1.1:0", pb.Kind_KIND_OUTSIDE)
	answer("192.0.2.2:0", pb.Kind_KIND_POD)
	answer("192.0.2.9:0", pb.Kind_KIND_OUTSIDE)
	for _, step := range []struct{ trie, want string }{{"", External}, {trie, Node}, {trie, Node}, {"", External}} {
		if err := os.WriteFile(filepath.Join(dir, "fib_trie"), []byte(step.trie), 0o644); err != nil {
			t.Fatal(err)
		}
		r.lookAtHost()
		for address, want := range map[string]string{"10.244.1.1:0": step.want, "192.0.2.2:0": "web", "192.0.2.9:0": External} {
			if got := r.Resolve(at(address)); got.Peer.Workload != want || got.State != Known {
				t.Errorf("%s: %+v, want %s", address, got, want)
			}
		}
	}
	if n := r.Stats().Changes; n != 2 {
		t.Errorf("%d changes", n)
	}
}
