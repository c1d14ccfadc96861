package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func untar(t *testing.T, data []byte) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for r := tar.NewReader(bytes.NewReader(data)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

// An image says what it is called, and its configuration has the hash of its layer, by which containerd checks it.
func TestImage(t *testing.T) {
	file := filepath.Join(t.TempDir(), "hello")
	if err := os.WriteFile(file, []byte("program"), 0o600); err != nil {
		t.Fatal(err)
	}
	image, err := imageOf(program{"localhost/hello:dev", file})
	if err != nil {
		t.Fatal(err)
	}
	files := untar(t, image)
	var manifest []struct {
		Config           string
		RepoTags, Layers []string
	}
	if err := json.Unmarshal(files["manifest.json"], &manifest); err != nil {
		t.Fatal(err)
	}
	if manifest[0].RepoTags[0] != "localhost/hello:dev" {
		t.Errorf("called %v", manifest[0].RepoTags)
	}
	var config struct {
		Config struct{ Entrypoint []string }
		RootFS struct {
			DiffIDs []string `json:"diff_ids"`
		}
	}
	if err := json.Unmarshal(files[manifest[0].Config], &config); err != nil {
		t.Fatal(err)
	}
	layer := files[manifest[0].Layers[0]]
	if want := fmt.Sprintf("sha256:%x", sha256.Sum256(layer)); config.RootFS.DiffIDs[0] != want {
		t.Errorf("layer %v, want %s", config.RootFS.DiffIDs, want)
	}
	if got := untar(t, layer)["hello"]; config.Config.Entrypoint[0] != "/hello" || string(got) != "program" {
		t.Errorf("runs %v, which is %q", config.Config.Entrypoint, got)
	}
	if _, err := imageOf(program{"x", file + "x"}); err == nil {
		t.Error("a program that is not there makes an image")
	}
}
