package integration

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
)

// TestTLSNothingStays looks through all BPF maps for plaintext, after requests by HTTPS.
func TestTLSNothingStays(t *testing.T) {
	if testing.Short() {
		t.Skip("the maps of a guest are the same")
	}
	b := newTLSBench(t, 200)
	const marker = "Zq7x" // in what is kept of a message's beginning, too
	kinds := []Kind{{"GET", "/200?" + strings.Repeat(marker, 50), 0}, {"PUT", "/200?" + strings.Repeat(marker, 50), 20_000}}
	for _, s := range []struct {
		name  string
		serve func(*tlsBench) string
	}{
		{"go", serveGoPeer}, {"python asyncio", servePythonAsyncio}, {"nginx", serveNginxPeer},
	} {
		t.Run(s.name, func(t *testing.T) {
			b := b.in(t)
			addr := s.serve(b)
			before := b.f.count()
			client := start(t, clientName, nil)
			defer client.stop()
			b.probeSelf()
			client.get(LoadCall{Addr: addr, Requests: b.requests, Connections: 8, TLS: true, Kinds: kinds})
			if n := b.f.count().sub(before)["server GET 200"]; n == 0 {
				t.Error("nothing was read")
			}
			for name, found := range mapsWith(t, marker) {
				t.Errorf("the map %s holds plaintext: %q", name, found)
			}
		})
	}
	t.Run("not encrypted", func(t *testing.T) { // the search finds what there is
		client, began := start(t, clientName, nil), time.Now()
		defer client.stop()
		// A CPU keeps the last head that it looked at: another's may lie over these.
		for addr := serveGo(t); len(mapsWith(t, marker)) == 0; {
			if time.Since(began) > time.Minute {
				t.Fatal("no map holds a head")
			}
			client.get(LoadCall{Addr: addr, Requests: 20, Connections: 2, Kinds: kinds})
		}
	})
}

// mapsWith returns the maps of this process in which there is a text, by name, with what is around it.
func mapsWith(t *testing.T, text string) map[string]string {
	t.Helper()
	found := make(map[string]string)
	for _, id := range ownMaps(t) {
		m, err := ebpf.NewMapFromID(id)
		if err != nil {
			t.Fatal(err)
		}
		info, err := m.Info()
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains([]ebpf.MapType{ebpf.RingBuf, ebpf.ProgramArray, ebpf.Queue}, m.Type()) {
			continue // numbers of processes and slots; nothing
		}
		var key []byte
		entries := m.Iterate()
		for {
			var more bool
			var values [][]byte
			if isPerCPU(m.Type()) {
				more = entries.Next(&key, &values)
			} else {
				var value []byte
				more = entries.Next(&key, &value)
				values = [][]byte{value}
			}
			if !more {
				break
			}
			for _, v := range append(values, key) {
				if i := bytes.Index(v, []byte(text)); i >= 0 {
					found[info.Name] = string(v[max(0, i-16):min(len(v), i+32)])
				}
			}
		}
		if err := entries.Err(); err != nil && !errors.Is(err, ebpf.ErrIterationAborted) {
			t.Fatalf("%s: %v", info.Name, err)
		}
		_ = m.Close()
	}
	return found
}

func isPerCPU(kind ebpf.MapType) bool {
	return slices.Contains([]ebpf.MapType{ebpf.PerCPUArray, ebpf.PerCPUHash, ebpf.LRUCPUHash}, kind)
}

// ownMaps are the ids of the maps that the programs of this process use: it does not hold all of them itself.
func ownMaps(t *testing.T) (ids []ebpf.MapID) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fdinfo")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := os.ReadFile("/proc/self/fdinfo/" + e.Name())
		if err != nil {
			continue // the directory's own
		}
		for line := range strings.Lines(string(info)) {
			value, ok := strings.CutPrefix(line, "prog_id:")
			if !ok {
				continue
			}
			id, err := strconv.ParseUint(strings.TrimSpace(value), 10, 32)
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, mapsOf(t, ebpf.ProgramID(id))...)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

func mapsOf(t *testing.T, id ebpf.ProgramID) []ebpf.MapID {
	t.Helper()
	p, err := ebpf.NewProgramFromID(id)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	info, err := p.Info()
	if err != nil {
		t.Fatal(err)
	}
	ids, _ := info.MapIDs()
	return ids
}
