package peer

import (
	"bufio"
	"encoding/hex"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// maxTable bounds what is read of a table of the kernel's: a node has some hundred routes, at 100 bytes each. Of a router's
// the addresses beyond are not known.
const maxTable = 4 << 20

// hostAddresses reads which addresses the host has itself, from the directory net of one of its processes in /proc
// (proc_pid_net(5)), which takes no capability: its network namespace is not ours. What cannot be read is left out.
func hostAddresses(dir string) map[netip.Addr]bool {
	all := make(map[netip.Addr]bool)
	if dir == "" {
		return all
	}
	for name, parse := range map[string]func(io.Reader, map[netip.Addr]bool){"fib_trie": parseTrie, "if_inet6": parseInet6} {
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			continue
		}
		parse(io.LimitReader(f, maxTable), all)
		_ = f.Close() // nothing was written
	}
	return all
}

// parseTrie reads the IPv4 addresses of fib_trie (fib_trie_seq_show in net/ipv4/fib_trie.c): a leaf is a line
// "|-- ADDRESS" with a line "/LENGTH SCOPE TYPE" for each of its routes.
func parseTrie(table io.Reader, to map[netip.Addr]bool) {
	var leaf netip.Addr
	lines := bufio.NewScanner(table)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		switch {
		case len(f) == 2 && f[0] == "|--":
			leaf, _ = netip.ParseAddr(f[1])
		case len(f) >= 3 && f[0] == "/32" && f[1] == "host" && f[2] == "LOCAL" && leaf.IsValid():
			to[leaf] = true
		}
	}
}

// parseInet6 reads the addresses of if_inet6 (if6_seq_show in net/ipv6/addrconf.c): 32 digits each, and what is of no
// interest here.
func parseInet6(table io.Reader, to map[netip.Addr]bool) {
	lines := bufio.NewScanner(table)
	for lines.Scan() {
		digits, _, _ := strings.Cut(lines.Text(), " ")
		bytes, err := hex.DecodeString(digits)
		if addr, ok := netip.AddrFromSlice(bytes); err == nil && ok && addr.Is6() {
			to[addr.Unmap()] = true
		}
	}
}
