package vm

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"
)

var elf = []byte("\x7fELF" + strings.Repeat("a kernel, ", 1000))

// packers compress in the ways in which distributions do.
var packers = map[string]func(io.Writer) (io.WriteCloser, error){
	"zstd": func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) },
	"xz":   func(w io.Writer) (io.WriteCloser, error) { return xz.NewWriter(w) },
	"gzip": func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil },
	"lz4": func(w io.Writer) (io.WriteCloser, error) {
		l := lz4.NewWriter(w)
		return l, l.Apply(lz4.LegacyOption(true))
	},
}

func pack(t *testing.T, how string, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := packers[how](&b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// bzImage makes an x86 kernel of a payload that is compressed in that way.
func bzImage(t *testing.T, how string, payload []byte) []byte {
	t.Helper()
	packed := pack(t, how, payload)
	if how != "gzip" {
		packed = binary.LittleEndian.AppendUint32(packed, uint32(len(payload)))
	}
	const setups, stub = 3, 777 // sectors after the first, and code before the payload
	b := make([]byte, (1+setups)*512+stub)
	b[0x1f1] = setups
	copy(b[0x202:], "HdrS")
	binary.LittleEndian.PutUint32(b[0x248:], stub)
	binary.LittleEndian.PutUint32(b[0x24c:], uint32(len(packed)))
	return append(append(b, packed...), "what follows the payload"...)
}

func TestUnpackBzImage(t *testing.T) {
	for how := range packers {
		t.Run(how, func(t *testing.T) {
			got, err := unpackBzImage(bzImage(t, how, elf))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, elf) {
				t.Errorf("got %d bytes, want %d others", len(got), len(elf))
			}
		})
	}
	whole := bzImage(t, "gzip", elf)
	for name, b := range map[string][]byte{
		"empty":         nil,
		"no header":     make([]byte, 4096),
		"cut":           whole[:len(whole)-100],
		"no ELF inside": bzImage(t, "zstd", []byte("something else")),
		"another way":   append(whole[:4*512+777:4*512+777], make([]byte, len(whole))...),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := unpackBzImage(b); err == nil {
				t.Error("no error")
			}
		})
	}
}

func TestArchOf(t *testing.T) {
	for kernel, want := range map[string]string{"6.12": "amd64", "arm64-6.12": "arm64"} {
		if got := ArchOf(kernel); got != want {
			t.Errorf("%s: got %s, want %s", kernel, got, want)
		}
	}
}

func TestMajorVersion(t *testing.T) {
	for text, want := range map[string]int{
		"QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)\nCopyright": 10,
		"QEMU emulator version 7.2.19":                                   7,
		"something else":                                                 0,
	} {
		if got := majorVersion(text); got != want {
			t.Errorf("%q: got %d, want %d", text, got, want)
		}
	}
}
