package vm

import (
	"encoding/gob"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cavaliergopher/cpio"

	"github.com/fathomhq/fathom/test/guests/wire"
)

// entry is what an archive says of a path.
type entry struct {
	mode    cpio.FileMode
	content string
}

// unpackCpio reads an archive as the kernel does, which makes no folder that is not in it.
func unpackCpio(t *testing.T, name string) map[string]entry {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all := map[string]entry{}
	for r := cpio.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if h.Mode&cpio.ModeType == cpio.TypeSymlink { // the reader keeps the target apart
			b = []byte(h.Linkname)
		}
		if dir := path.Dir(h.Name); dir != "." && all[dir].mode&cpio.ModeType != cpio.TypeDir {
			t.Errorf("%s comes before the folder that it is in", h.Name)
		}
		if _, twice := all[h.Name]; twice {
			t.Errorf("%s is there twice", h.Name)
		}
		all[h.Name] = entry{h.Mode, string(b)}
	}
}

func TestInitramfs(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string, mode os.FileMode) string {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return name
	}
	binary := write("build/init", "the init", 0o755)
	write("tree/a/b", "odd", 0o644)
	write("tree/c", "", 0o600)
	if err := os.Symlink("c", filepath.Join(dir, "tree/link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(binary, filepath.Join(dir, "followed")); err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(dir, "initrd")
	plan := wire.Plan{Time: time.Unix(1e9, 0), Tasks: []wire.Task{{Args: []string{"/work/x", "y"}}}}
	files := Files{
		"/init": binary, "/work": filepath.Join(dir, "tree"), "/work/deep/inside/x": filepath.Join(dir, "followed"),
	}
	modules := []module{{"b", []byte("first")}, {"a", []byte("second")}}
	if err := writeInitramfs(archive, files, modules, plan); err != nil {
		t.Fatal(err)
	}
	got := unpackCpio(t, archive)
	for name, want := range map[string]entry{
		"init":                   {cpio.TypeReg | 0o755, "the init"},
		"work":                   {cpio.TypeDir | 0o755, ""},
		"work/a/b":               {cpio.TypeReg | 0o644, "odd"},
		"work/c":                 {cpio.TypeReg | 0o600, ""},
		"work/link":              {cpio.TypeSymlink | 0o777, "c"},
		"work/deep/inside/x":     {cpio.TypeReg | 0o755, "the init"},
		"guest/modules/000-b.ko": {cpio.TypeReg | 0o644, "first"},
		"guest/modules/001-a.ko": {cpio.TypeReg | 0o644, "second"},
		"out":                    {cpio.TypeDir | 0o755, ""},
		"etc/hosts":              {cpio.TypeReg | 0o644, etc["/etc/hosts"]},
	} {
		if got[name] != want {
			t.Errorf("%s: got %v, want %v", name, got[name], want)
		}
	}
	checkPlan(t, got[inArchive(wire.PlanFile)].content, plan)
}

// checkPlan compares what init will read.
func checkPlan(t *testing.T, encoded string, want wire.Plan) {
	t.Helper()
	var got wire.Plan
	if err := gob.NewDecoder(strings.NewReader(encoded)).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if !got.Time.Equal(want.Time) || len(got.Tasks) != 1 || !slices.Equal(got.Tasks[0].Args, want.Tasks[0].Args) {
		t.Errorf("plan: got %v, want %v", got, want)
	}
	if modules := []string{"/guest/modules/000-b.ko", "/guest/modules/001-a.ko"}; !slices.Equal(got.Modules, modules) {
		t.Errorf("modules: got %v, want %v", got.Modules, modules)
	}
}
