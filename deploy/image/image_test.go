package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// programs builds the smallest program for both platforms.
func programs(t *testing.T) (names []string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":  "module example.org/small\n\ngo 1.26\n",
		"main.go": "package main\n\nfunc main() {}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, arch := range []string{"amd64", "arm64"} {
		name := filepath.Join(dir, "small-"+arch)
		cmd := exec.Command("go", "build", "-buildvcs=false", "-trimpath", "-ldflags=-s -w", "-o", name, ".")
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		names = append(names, name)
	}
	return names
}

// untar returns the files of an archive, and checks that nothing of this machine is in it.
func untar(t *testing.T, data []byte) map[string][]byte {
	t.Helper()
	files := make(map[string][]byte)
	for r := tar.NewReader(bytes.NewReader(data)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Gid != 0 || h.Uname != "" || h.ModTime.UTC().Format("2006-01-02") != "2026-11-22" {
			t.Errorf("%s: user %d %q, time %s", h.Name, h.Uid, h.Uname, h.ModTime)
		}
		if h.Typeflag == tar.TypeReg {
			if files[h.Name], err = io.ReadAll(r); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func decode[T any](t *testing.T, data []byte) (v T) {
	t.Helper()
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatalf("%v\n%s", err, data)
	}
	return v
}

// follow returns the blob that a descriptor points to.
func follow(t *testing.T, files map[string][]byte, d descriptor) []byte {
	t.Helper()
	data := files["blobs/sha256/"+strings.TrimPrefix(d.Digest, "sha256:")]
	if len(data) != d.Size || blob(data).digest() != d.Digest {
		t.Fatalf("%+v points to %d bytes with %s", d, len(data), blob(data).digest())
	}
	return data
}

func TestImage(t *testing.T) {
	built := programs(t)
	make := func() map[string][]byte {
		dir := t.TempDir()
		args := append([]string{"-tag", "v1.2.3", "-revision", "abc", "-created", "2026-11-22T20:24:30+02:00", "-licence", "../../LICENSE", "-dir", dir}, built...)
		if err := run(args, io.Discard); err != nil {
			t.Fatal(err)
		}
		files := map[string][]byte{}
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if files[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
				t.Fatal(err)
			}
		}
		return files
	}
	out := make()
	for name, again := range make() {
		if !bytes.Equal(again, out[name]) {
			t.Errorf("%s differs when made again", name)
		}
	}
	layout := untar(t, out["fathom.oci.tar"])
	top := decode[index](t, layout["index.json"])
	if top.Manifests[0].Annotations["io.containerd.image.name"] != "fathomhq/fathom:v1.2.3" {
		t.Errorf("named %v", top.Manifests[0].Annotations)
	}
	all := decode[index](t, follow(t, layout, top.Manifests[0]))
	for i, arch := range []string{"amd64", "arm64"} {
		if *all.Manifests[i].Platform != (platform{arch, "linux"}) {
			t.Fatalf("platform %v", all.Manifests[i].Platform)
		}
		m := decode[manifest](t, follow(t, layout, all.Manifests[i]))
		program, err := os.ReadFile(built[i])
		if err != nil {
			t.Fatal(err)
		}
		checkImage(t, arch, program, follow(t, layout, m.Config), follow(t, layout, m.Layers[0]))

		docker := untar(t, out["fathom-"+arch+".docker.tar"])
		list := decode[[]struct {
			Config           string
			RepoTags, Layers []string
		}](t, docker["manifest.json"])
		if !slices.Equal(list[0].RepoTags, []string{"fathomhq/fathom:v1.2.3"}) {
			t.Errorf("tags %v", list[0].RepoTags)
		}
		checkImage(t, arch, program, docker[list[0].Config], docker[list[0].Layers[0]])
		checkBill(t, out["fathom-"+arch+".spdx.json"])
	}
}

func checkImage(t *testing.T, arch string, program, configText, layer []byte) {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(layer))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	c := decode[config](t, configText)
	if c.Architecture != arch || c.OS != "linux" || !slices.Equal(c.RootFS.DiffIDs, []string{blob(plain).digest()}) || c.Created != "2026-11-22T18:24:30Z" {
		t.Errorf("config %+v", c)
	}
	if !slices.Equal(c.Config.Entrypoint, []string{"/fathom"}) || !slices.Equal(c.Config.Cmd, []string{"agent"}) || c.Config.User != "0:0" ||
		c.Config.Labels["org.opencontainers.image.revision"] != "abc" {
		t.Errorf("execution %+v", c.Config)
	}
	files := untar(t, plain)
	if !bytes.Equal(files["fathom"], program) || len(files) != 3 || len(files["LICENSE"]) == 0 {
		t.Errorf("%d files, the program has %d bytes", len(files), len(files["fathom"]))
	}
	checkBill(t, files["sbom.spdx.json"])
}

func checkBill(t *testing.T, text []byte) {
	t.Helper()
	d := decode[document](t, text)
	ids := make(map[string]bool)
	for _, p := range d.Packages {
		if ids[p.ID] || p.Name == "" || p.Version == "" || len(p.References) != 1 {
			t.Errorf("package %+v", p)
		}
		ids[p.ID] = true
	}
	for _, f := range d.Files {
		ids[f.ID] = true
	}
	for _, r := range d.Relationships {
		if !ids[r.Related] || (!ids[r.Element] && r.Element != documentID) {
			t.Errorf("relationship %+v", r)
		}
	}
	if len(d.Packages) != 2 || d.Packages[0].Name != "example.org/small" || d.Packages[1].Name != "stdlib" {
		t.Errorf("packages %+v", d.Packages)
	}
}

// What would not run in an empty file system makes no image.
func TestRefused(t *testing.T) {
	for _, args := range [][]string{
		{},
		{"image_test.go"},
		{"-created", "yesterday", "x"},
		{"-licence", "../../LICENSE", "/bin/sh"}, // no Go
	} {
		if err := run(append([]string{"-dir", t.TempDir()}, args...), io.Discard); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
	dynamic := filepath.Join(t.TempDir(), "dynamic")
	source := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(source, []byte("package main\n\nimport \"C\"\n\nfunc main() {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath("gcc"); err != nil {
		return // nothing can be linked dynamically here
	}
	cmd := exec.Command("go", "build", "-o", dynamic, source)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	err := run([]string{"-licence", "../../LICENSE", "-dir", t.TempDir(), dynamic}, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "not statically linked") {
		t.Errorf("a dynamically linked program: %v", err)
	}
}
