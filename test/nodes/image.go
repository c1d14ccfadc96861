package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// imageOf makes an image, as `docker save` would write it, that holds one static program and runs it. (deploy/image
// makes Fathom's: with its licence, its bill of materials and its name on everything.)
func imageOf(p program) ([]byte, error) {
	data, err := os.ReadFile(p.file)
	if err != nil {
		return nil, err
	}
	name := filepath.Base(p.file)
	layer, err := archive(file{name, 0o755, data})
	if err != nil {
		return nil, err
	}
	config := encode(object{
		"architecture": runtime.GOARCH, "os": "linux",
		"config": object{"Entrypoint": []string{"/" + name}, "WorkingDir": "/"},
		"rootfs": object{"type": "layers", "diff_ids": []string{fmt.Sprintf("sha256:%x", sha256.Sum256(layer))}},
	})
	configName := fmt.Sprintf("%x.json", sha256.Sum256(config))
	return archive(
		file{"manifest.json", 0o644, encode([]object{{"Config": configName, "RepoTags": []string{p.reference}, "Layers": []string{"layer.tar"}}})},
		file{configName, 0o644, config},
		file{"layer.tar", 0o644, layer},
	)
}

// file is a file of an archive.
type file struct {
	name string
	mode int64
	data []byte
}

func archive(files ...file) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: f.name, Mode: f.mode, Size: int64(len(f.data))}); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.data); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return b.Bytes(), err
}
