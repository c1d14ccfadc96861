package tlslib

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/arch/arm64/arm64asm"
)

// TestDecodeARM64 holds the instructions of a library, and those of a program of Go, against another
// decoder: where they lead, and that what they change is in the set.
func TestDecodeARM64(t *testing.T) {
	paths := []string{goVariant{toolchain: "local", arch: "arm64", mode: "exe"}.build(t)}
	if cache, err := os.UserCacheDir(); err == nil {
		fetched, _ := filepath.Glob(filepath.Join(cache, "fathom-tlslibs/*-arm64/usr/lib/aarch64-linux-gnu/lib[sg]*s*l*.so.*"))
		paths = append(paths, fetched...)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			file, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			info, err := file.Stat()
			if err != nil {
				t.Fatal(err)
			}
			img, err := openImage(newSource(file, info.Size()))
			if err != nil {
				t.Fatal(err)
			}
			text, _ := img.section(".text")
			code, err := img.bytes("text", text.offset, text.size)
			if err != nil {
				t.Fatal(err)
			}
			known := 0
			for at := 0; at+4 <= len(code) && !t.Failed(); at += 4 {
				theirs, err := arm64asm.Decode(code[at:])
				if err != nil {
					continue
				}
				known++
				ours, ok := decodeARM64(code, at)
				if !ok {
					t.Errorf("%#x: unknown, the other has %v", at, theirs)
				}
				compareARM64(t, ours, theirs)
			}
			t.Logf("%d of %d instructions compared", known, len(code)/4)
		})
	}
}

func compareARM64(t *testing.T, ours inst, theirs arm64asm.Inst) {
	want := map[arm64asm.Op]flow{
		arm64asm.B: flowJump, arm64asm.BL: flowCall, arm64asm.BLR: flowCall, arm64asm.BR: flowIndirect, arm64asm.RET: flowReturn,
		arm64asm.CBZ: flowBranch, arm64asm.CBNZ: flowBranch, arm64asm.TBZ: flowBranch, arm64asm.TBNZ: flowBranch,
		arm64asm.BRK: flowStop, arm64asm.SVC: flowCall,
	}[theirs.Op]
	if _, conditional := theirs.Args[0].(arm64asm.Cond); conditional && theirs.Op == arm64asm.B {
		want = flowBranch
	}
	if ours.flow != want {
		t.Errorf("%+v, the other has %v", ours, theirs)
	}
	for _, a := range theirs.Args {
		if to, ok := a.(arm64asm.PCRel); ok && ours.direct && ours.at+int(to) != ours.target {
			t.Errorf("%+v, the other has %v", ours, theirs)
		}
	}
	for i, a := range theirs.Args {
		if ours.writes&changed(theirs, i, a) != changed(theirs, i, a) {
			t.Errorf("%+v leaves out what %v changes", ours, theirs)
		}
	}
}

// changed returns the register that an operand names, if the instruction changes it.
func changed(x arm64asm.Inst, i int, a arm64asm.Arg) regs {
	op := x.Op.String()
	loads := strings.HasPrefix(op, "LD")
	switch a := a.(type) {
	case arm64asm.MemImmediate:
		if a.Mode == arm64asm.AddrPreIndex || a.Mode == arm64asm.AddrPostIndex {
			return general(arm64asm.Reg(a.Base))
		}
	case arm64asm.RegSP:
		if i == 0 && op != "CMN" && op != "CMP" {
			return general(arm64asm.Reg(a))
		}
	case arm64asm.Reg:
		switch op {
		case "CMP", "CMN", "TST", "CCMP", "CCMN", "CBZ", "CBNZ", "TBZ", "TBNZ", "BR", "RET", "MSR", "PRFM", "FCMP", "FCMPE":
			return 0
		}
		if i == 0 && !strings.HasPrefix(op, "ST") || loads && i == 1 && strings.HasPrefix(op, "LDP") {
			return general(a)
		}
	}
	return 0
}

func general(r arm64asm.Reg) regs {
	switch {
	case r >= arm64asm.W0 && r <= arm64asm.W30:
		return 1 << (r - arm64asm.W0)
	case r >= arm64asm.X0 && r <= arm64asm.X30:
		return 1 << (r - arm64asm.X0)
	case r == arm64asm.SP || r == arm64asm.WSP:
		return 1 << stackRegister
	}
	return 0
}
