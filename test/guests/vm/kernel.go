package vm

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"
)

// Kernel is a distribution's kernel, as scripts/kernels.sh leaves it.
type Kernel struct {
	Name string // such as 6.12 or arm64-6.1
	Arch string // as Go names it
	dir  string
}

// FindKernel finds a kernel by its name.
func FindKernel(name string) (*Kernel, error) {
	cache, err := Cache()
	if err != nil {
		return nil, err
	}
	k := &Kernel{Name: name, Arch: ArchOf(name), dir: filepath.Join(cache, name)}
	if _, err := os.Stat(k.packed()); err != nil {
		return nil, fmt.Errorf("there is no kernel %s; scripts/kernels.sh %s fetches it: %w", name, name, err)
	}
	return k, nil
}

// ArchOf returns the architecture that is in the name of a kernel, as Go names it.
func ArchOf(kernel string) string {
	if arch, _, ok := strings.Cut(kernel, "-"); ok {
		return arch
	}
	return "amd64"
}

// Cache is the folder that scripts/kernels.sh fetches into.
func Cache() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the kernels: %w", err)
	}
	return filepath.Join(dir, "fathom-kernels"), nil
}

func (k *Kernel) packed() string     { return filepath.Join(k.dir, "vmlinuz") }
func (k *Kernel) modulesDir() string { return filepath.Join(k.dir, "modules") }

// image returns the file that QEMU boots. On amd64 that is the uncompressed vmlinux, which is
// kept: QEMU enters it through its PVH note, and the guest is spared the boot loader and seconds of
// decompression. On arm64 the packages' file is no compressed one.
func (k *Kernel) image() (string, error) {
	if k.Arch != "amd64" {
		return k.packed(), nil
	}
	vmlinux := filepath.Join(k.dir, "vmlinux")
	if _, err := os.Stat(vmlinux); err == nil {
		return vmlinux, nil
	}
	bzImage, err := os.ReadFile(k.packed())
	if err != nil {
		return "", err
	}
	b, err := unpackBzImage(bzImage)
	if err != nil {
		return "", fmt.Errorf("unpack %s: %w", k.packed(), err)
	}
	return vmlinux, writeWhole(vmlinux, b)
}

// writeWhole writes a file that others see whole or not at all.
func writeWhole(name string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.Write(b)
	return errors.Join(err, f.Close(), os.Rename(f.Name(), name))
}

// unpackBzImage returns the ELF file inside an x86 kernel. The offsets are those of the boot
// protocol, version 2.08 (Documentation/arch/x86/boot.rst).
func unpackBzImage(b []byte) ([]byte, error) {
	const setupSects, magic, payloadOffset, payloadLength = 0x1f1, 0x202, 0x248, 0x24c
	if len(b) < payloadLength+4 || string(b[magic:magic+4]) != "HdrS" {
		return nil, errors.New("it is no bzImage")
	}
	setup := (int(b[setupSects]) + 1) * 512
	offset := setup + int(binary.LittleEndian.Uint32(b[payloadOffset:]))
	length := int(binary.LittleEndian.Uint32(b[payloadLength:]))
	if length < 4 || offset > len(b) || length > len(b)-offset {
		return nil, errors.New("its payload is not inside it")
	}
	payload := b[offset : offset+length]
	// The unpacked size follows what is compressed (scripts/Makefile.lib, size_append), except
	// after gzip, which ends with it anyway.
	size := binary.LittleEndian.Uint32(payload[length-4:])
	r, err := decompress(payload)
	if err != nil {
		return nil, err
	}
	vmlinux := make([]byte, size)
	if _, err := io.ReadFull(r, vmlinux); err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(vmlinux, []byte("\x7fELF")) {
		return nil, errors.New("its payload is no ELF file")
	}
	return vmlinux, nil
}

// decompress reads what is compressed in one of the ways in which kernels and modules are.
func decompress(b []byte) (io.Reader, error) {
	r := bytes.NewReader(b)
	switch {
	case bytes.HasPrefix(b, []byte("\x28\xb5\x2f\xfd")):
		return zstd.NewReader(r)
	case bytes.HasPrefix(b, []byte("\x02!L\x18")): // the legacy frame
		return lz4.NewReader(r), nil
	case bytes.HasPrefix(b, []byte("\xfd7zXZ\x00")):
		return xz.NewReader(r)
	case bytes.HasPrefix(b, []byte("\x1f\x8b\x08")):
		return gzip.NewReader(r)
	case bytes.HasPrefix(b, []byte("\x7fELF")):
		return r, nil
	}
	return nil, fmt.Errorf("compressed in an unknown way: % x", b[:min(len(b), 6)])
}
