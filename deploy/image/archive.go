package main

import (
	"archive/tar"
	"bytes"
	"path"
	"time"
)

// file is a file of an archive.
type file struct {
	name string
	mode int64
	data []byte
}

// archive packs files, and the directories that they are in: all root's, and of one time.
func archive(t time.Time, files ...file) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	directories := map[string]bool{".": true}
	for _, f := range files {
		addDirectory(w, t, path.Dir(f.name), directories)
		add(w, tar.Header{Typeflag: tar.TypeReg, Name: f.name, Mode: f.mode, Size: int64(len(f.data)), ModTime: t}, f.data)
	}
	_ = w.Close() // as for add
	return b.Bytes()
}

func addDirectory(w *tar.Writer, t time.Time, name string, have map[string]bool) {
	if have[name] {
		return
	}
	have[name] = true
	addDirectory(w, t, path.Dir(name), have)
	add(w, tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755, ModTime: t}, nil)
}

// add cannot fail: memory takes what is written, and the sizes are right.
func add(w *tar.Writer, h tar.Header, data []byte) {
	h.Format = tar.FormatUSTAR
	_ = w.WriteHeader(&h)
	_, _ = w.Write(data)
}

type index struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	Manifests     []descriptor      `json:"manifests"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

// ociArchive returns the images as an image layout (image-layout.md of the OCI image specification).
func ociArchive(o options, images []*image) []byte {
	all := index{SchemaVersion: 2, MediaType: indexType, Annotations: o.labels()}
	var files []file
	keep := func(b blob) { files = append(files, file{"blobs/sha256/" + b.hex(), 0o644, b}) }
	for _, m := range images {
		d := describe(manifestType, m.manifest)
		d.Platform = &platform{m.arch, "linux"}
		all.Manifests = append(all.Manifests, d)
		keep(m.layer)
		keep(m.config)
		keep(m.manifest)
	}
	platforms := mustEncode(all)
	keep(platforms)
	entry := describe(indexType, platforms)
	entry.Annotations = map[string]string{
		"org.opencontainers.image.ref.name": o.tag,
		"io.containerd.image.name":          o.name + ":" + o.tag, // what ctr calls it
	}
	head := []file{
		{"oci-layout", 0o644, []byte(`{"imageLayoutVersion":"1.0.0"}`)},
		{"index.json", 0o644, mustEncode(index{SchemaVersion: 2, MediaType: indexType, Manifests: []descriptor{entry}})},
	}
	return archive(o.created, append(head, files...)...)
}

// dockerArchive returns one image as `docker save` would.
func dockerArchive(o options, m *image) []byte {
	config, layer := m.config.hex()+".json", m.layer.hex()+".tar.gz"
	list := []struct {
		Config   string
		RepoTags []string
		Layers   []string
	}{{config, []string{o.name + ":" + o.tag}, []string{layer}}}
	return archive(o.created,
		file{"manifest.json", 0o644, mustEncode(list)},
		file{config, 0o644, m.config},
		file{layer, 0o644, m.layer},
	)
}

// mustEncode encodes what is made of strings and numbers, which never fails.
func mustEncode(v any) blob {
	b, err := encode(v)
	if err != nil {
		panic(err)
	}
	return b
}
