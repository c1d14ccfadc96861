package tlslib

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
)

// FuzzInspect: no file makes Inspect or Explain panic, answer without an error or a library, name a
// place outside the file, or go on without end.
func FuzzInspect(f *testing.F) {
	f.Add(openSSL("\x55\x5d\xc3").bytes())
	f.Add(openSSL("\xf3\x0f\x1e\xfa\x31\xff\x85\xff\x74\x01\xc3\xff\xe0", "SSL_write_ex", "SSL_write_ex2").bytes())
	f.Add(elfFile{text: []byte{0xfd, 0x7b, 0xbf, 0xa9, 0xc0, 0x03, 0x5f, 0xd6}, machine: ARM64}.bytes())
	f.Add(smallGo())
	f.Add(smallShared())
	f.Fuzz(func(t *testing.T, file []byte) {
		if err := Explain(bytes.NewReader(file), int64(len(file))); err == nil {
			t.Error("Explain explained nothing")
		}
		found, err := inspectBytes(file)
		if err != nil {
			return
		}
		for _, l := range found.Libraries {
			for _, fn := range l.Functions {
				for _, s := range append(fn.Exits, fn.Entry, fn.UretprobeAt) {
					if s.Offset >= uint64(len(file)) {
						t.Errorf("%s: %+v in a file of %d bytes", fn.Symbol, s, len(file))
					}
				}
				if fn.Role.Returns() && fn.Uretprobe != (len(fn.Exits) == 0) || fn.Uretprobe && l.Kind == Go {
					t.Errorf("%+v", fn)
				}
			}
		}
	})
}

// FuzzCode runs the analysis on any code, and a call through it: whatever way the call takes, it passes
// as many exits as it makes returns.
func FuzzCode(f *testing.F) {
	f.Add([]byte{0x55, 0x5d, 0xc3}, []byte{0})
	f.Add([]byte("\x31\xff\xb8\x01\x00\x00\x00\x85\xff\x74\x01\xc3\xc3"), []byte{1, 0, 1})
	f.Add([]byte("\x89\xd8\x48\x8b\x54\x24\x08\x64\x48\x2b\x14\x25\x28\x00\x00\x00\x75\x01\xc3\xe8\x00\x10\x00\x00"), []byte{1})
	for _, a := range accessors {
		code, err := hex.DecodeString(strings.ReplaceAll(a.code, " ", ""))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(code, []byte{})
	}
	f.Fuzz(func(t *testing.T, code, choices []byte) {
		if len(code) > 4096 {
			return
		}
		for machine, step := range steps {
			a := accessor{code: code, step: step}
			a.run(0, start(machine))
			for _, p := range append(a.found, a.returned...) {
				if p.First < 0 || p.First > maxOffset || p.Second < 0 || p.Second > maxOffset {
					t.Errorf("machine %v: %+v", machine, p)
				}
			}
		}
		for _, m := range isas {
			m.sweep(code)
			l := m.trace(code)
			entry, why := l.entry(m.kept(RoleRead), false)
			if why != "" || !l.enumerable() {
				continue
			}
			g := newGraph(l)
			walk(t, g, entry, g.exits(m.result, entry), m.result, choices)
		}
	})
}

// walk takes a way through the function as the choices say.
func walk(t *testing.T, g *graph, entry int, exits []int, result regs, choices []byte) {
	isExit := make(map[int]bool)
	for _, exit := range exits {
		isExit[exit] = true
	}
	entries, passed := 0, 0
	for at, step := 0, 0; step < 2000; step++ {
		if passed > 0 && g.insts[at].writes&result != 0 {
			t.Fatalf("the result changes at %d, after an exit", g.insts[at].at)
		}
		if isExit[at] {
			passed++
		}
		if at == entry {
			entries++
		}
		if g.insts[at].flow == flowReturn {
			if passed != 1 || entries != 1 {
				t.Fatalf("%d entries and %d exits in one call", entries, passed)
			}
			return
		}
		next := g.next[at]
		if len(next) == 0 {
			return
		}
		choice := 0
		if len(choices) > 0 {
			choice = int(choices[step%len(choices)])
		}
		at = next[choice%len(next)]
	}
}
