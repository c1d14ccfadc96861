package tlslib

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// disassembled is an instruction as objdump sees it.
type disassembled struct {
	at, size int // relative to the function
	text     string
}

// objdump disassembles n bytes at a virtual address.
func objdump(t *testing.T, path string, address, n uint64) []disassembled {
	t.Helper()
	out, err := exec.Command(need(t, "objdump"), "-d", "-w", "-j", ".text", fmt.Sprintf("--start-address=%#x", address),
		fmt.Sprintf("--stop-address=%#x", address+n), path).Output()
	if err != nil {
		t.Fatalf("objdump %s: %v", path, err)
	}
	var all []disassembled
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		fields := strings.Split(lines.Text(), "\t")
		if len(fields) < 3 {
			continue
		}
		at, err := strconv.ParseUint(strings.Trim(fields[0], " :"), 16, 64)
		if err != nil {
			continue
		}
		all = append(all, disassembled{int(at - address), len(strings.Fields(fields[1])), fields[2]})
	}
	if len(all) == 0 {
		t.Fatalf("objdump shows nothing of %s at %#x", path, address)
	}
	return all
}

// isReturn says whether objdump calls the instruction a return.
func (d disassembled) isReturn() bool {
	words := strings.Fields(d.text)
	return words[0] == "ret" || len(words) > 1 && words[1] == "ret" // such as "repz ret"
}

// TestObjdump holds the listing of each function against objdump's: the same instructions where code
// was reached, and the same returns.
func TestObjdump(t *testing.T) {
	need(t, "objdump")
	paths := []string{"/usr/bin/node", filepath.Join("/", multiarch, "libssl.so.3"), filepath.Join("/", multiarch, "libgnutls.so.30")}
	if cache, err := os.UserCacheDir(); err == nil {
		fetched, _ := filepath.Glob(filepath.Join(cache, "fathom-tlslibs/*-amd64", multiarch, "lib[sg]*.so.*"))
		paths = append(paths, fetched...)
	}
	paths = append(paths, goVariants[0].build(t))
	for _, path := range paths {
		found, err := inspect(t, path)
		if err != nil {
			t.Logf("%s: %v", path, err)
			continue
		}
		for _, l := range found.Libraries {
			for _, f := range l.Functions {
				t.Run(filepath.Base(path)+" "+f.Symbol, func(t *testing.T) { compareListing(t, path, l.Kind, f) })
			}
		}
	}
}

func compareListing(t *testing.T, path string, kind Kind, f Function) {
	code := make([]byte, f.Size)
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.ReadAt(code, int64(f.Offset)); err != nil {
		t.Fatal(err)
	}
	l := isas[AMD64].trace(code)
	if kind == Go {
		l = isas[AMD64].sweep(code)
	}
	theirs := make(map[int]disassembled)
	returns := 0
	for _, d := range objdump(t, path, f.Address, f.Size) {
		theirs[d.at] = d
		if d.isReturn() {
			returns++
		}
	}
	if kind == Go && len(theirs) != len(l.insts) {
		t.Errorf("%d instructions, objdump has %d", len(l.insts), len(theirs))
	}
	for _, i := range l.insts {
		d, ok := theirs[i.at]
		if !ok || d.size != i.size || d.isReturn() != (i.flow == flowReturn) {
			t.Errorf("%+v, objdump has %+v", i, d)
		}
	}
	if l.opaque == "" && len(l.returns()) != returns {
		t.Errorf("%d returns, objdump has %d", len(l.returns()), returns)
	}
	for _, site := range append(f.Exits, f.Entry) {
		d, ok := theirs[int(site.Offset-f.Offset)]
		if !ok {
			t.Errorf("objdump knows no instruction at %#x", site.Offset)
		}
		if cheap := strings.HasPrefix(d.text, "push") || strings.HasPrefix(d.text, "j") || strings.HasPrefix(d.text, "call"); cheap != site.Emulated {
			t.Errorf("%q: emulated %v", d.text, site.Emulated)
		}
	}
}

// TestDecodeX86 holds the sizes and targets of all instructions of a library against objdump's.
func TestDecodeX86(t *testing.T) {
	path := host(t, filepath.Join("/", multiarch, "libssl.so.3"))
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
	unknown, all := 0, objdump(t, path, text.address, text.size)
	for _, d := range all {
		i, ok := decodeX86(code, d.at)
		switch {
		case !ok:
			unknown++
		case i.size != d.size:
			t.Errorf("%+v, objdump has %+v", i, d)
		case d.isReturn() != (i.flow == flowReturn):
			t.Errorf("%+v, objdump has %+v", i, d)
		case strings.HasPrefix(d.text, "j") && !strings.Contains(d.text, "*"):
			target, err := strconv.ParseUint(strings.Fields(d.text)[1], 16, 64)
			if err != nil || int(target-text.address) != i.target || i.flow != flowBranch && i.flow != flowJump {
				t.Errorf("%+v, objdump has %+v", i, d)
			}
		}
	}
	t.Logf("%d instructions, %d unknown", len(all), unknown)
	if unknown > len(all)/100 {
		t.Errorf("%d of %d instructions are unknown", unknown, len(all))
	}
}
