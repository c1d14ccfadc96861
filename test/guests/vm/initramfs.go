package vm

import (
	"bufio"
	"bytes"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/cavaliergopher/cpio"

	"github.com/fathomhq/fathom/test/guests/wire"
)

// Files says what is at a path of the guest: the path of a file or of a folder on the host, the
// latter with all that is in it.
type Files map[string]string

// etc is what programs look up by name.
var etc = map[string]string{
	"/etc/passwd": "root:x:0:0:root:/root:/bin/false\nnobody:x:65534:65534:nobody:/:/bin/false\n",
	"/etc/group":  "root:x:0:\nnogroup:x:65534:\n",
	"/etc/hosts":  "127.0.0.1 localhost\n::1 localhost\n",
}

// initramfs writes an archive that a kernel unpacks into its root file system.
type initramfs struct {
	w     *cpio.Writer
	known map[string]bool
}

// writeInitramfs writes what a guest with the plan and the modules needs.
func writeInitramfs(name string, files Files, modules []module, plan wire.Plan) (err error) {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	buffered := bufio.NewWriter(f)
	defer func() { err = errors.Join(err, buffered.Flush(), f.Close()) }()

	a := &initramfs{w: cpio.NewWriter(buffered), known: map[string]bool{"/": true}}
	for _, dir := range []string{"/bin", "/root", "/dev", "/tmp", wire.Work, wire.Out} {
		if err := a.dir(dir); err != nil {
			return err
		}
	}
	for name, text := range etc {
		if err := a.file(name, 0o644, []byte(text)); err != nil {
			return err
		}
	}
	for i, m := range modules {
		file := fmt.Sprintf("/guest/modules/%03d-%s.ko", i, m.name)
		if err := a.file(file, 0o644, m.data); err != nil {
			return err
		}
		plan.Modules = append(plan.Modules, file)
	}
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(plan); err != nil {
		return err
	}
	if err := a.file(wire.PlanFile, 0o644, b.Bytes()); err != nil {
		return err
	}
	for to, from := range files {
		if err := a.tree(to, from); err != nil {
			return fmt.Errorf("put %s into the guest: %w", from, err)
		}
	}
	return a.w.Close()
}

// dir adds a folder, and those that it is in: the kernel makes none by itself.
func (a *initramfs) dir(name string) error {
	if a.known[name] {
		return nil
	}
	if err := a.dir(path.Dir(name)); err != nil {
		return err
	}
	a.known[name] = true
	return a.w.WriteHeader(&cpio.Header{Name: inArchive(name), Mode: cpio.TypeDir | 0o755, Links: 2})
}

func (a *initramfs) file(name string, mode fs.FileMode, content []byte) error {
	return a.stream(name, mode, int64(len(content)), bytes.NewReader(content))
}

func (a *initramfs) stream(name string, mode fs.FileMode, size int64, r io.Reader) error {
	if err := a.dir(path.Dir(name)); err != nil {
		return err
	}
	h := &cpio.Header{Name: inArchive(name), Mode: cpio.TypeReg | cpio.FileMode(mode.Perm()), Links: 1, Size: size}
	if err := a.w.WriteHeader(h); err != nil {
		return err
	}
	_, err := io.Copy(a.w, r)
	return err
}

func (a *initramfs) link(name, target string) error {
	h := &cpio.Header{Name: inArchive(name), Mode: cpio.TypeSymlink | 0o777, Links: 1, Size: int64(len(target))}
	if err := a.w.WriteHeader(h); err != nil {
		return err
	}
	_, err := io.WriteString(a.w, target)
	return err
}

// tree adds a file or a folder of the host with all that is in it.
func (a *initramfs) tree(to, from string) error {
	from, err := filepath.EvalSymlinks(from)
	if err != nil {
		return err
	}
	return filepath.WalkDir(from, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		inside, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		at := path.Join(to, filepath.ToSlash(inside))
		switch {
		case entry.IsDir():
			return a.dir(at)
		case entry.Type() == fs.ModeSymlink:
			target, err := os.Readlink(name)
			if err != nil {
				return err
			}
			return a.link(at, target)
		case entry.Type().IsRegular():
			return a.copy(at, name)
		}
		return nil // sockets, devices
	})
}

func (a *initramfs) copy(to, from string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return a.stream(to, info.Mode(), info.Size(), f)
}

func inArchive(name string) string { return strings.TrimPrefix(name, "/") }
