package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"debug/buildinfo"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
)

// Media types of the OCI image specification.
const (
	indexType    = "application/vnd.oci.image.index.v1+json"
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	configType   = "application/vnd.oci.image.config.v1+json"
	layerType    = "application/vnd.oci.image.layer.v1.tar+gzip"
)

// blob is content that is addressed by its hash.
type blob []byte

func (b blob) hex() string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func (b blob) digest() string { return "sha256:" + b.hex() }

// descriptor points to a blob (descriptor.md of the specification).
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int               `json:"size"`
	Platform    *platform         `json:"platform,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

type platform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
}

func describe(mediaType string, b blob) descriptor {
	return descriptor{MediaType: mediaType, Digest: b.digest(), Size: len(b)}
}

// image is the image of one platform.
type image struct {
	arch                    string
	bill                    []byte // of materials
	layer, config, manifest blob
}

type manifest struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	Config        descriptor        `json:"config"`
	Layers        []descriptor      `json:"layers"`
	Annotations   map[string]string `json:"annotations"`
}

// config is what a runtime needs to know (config.md of the specification).
type config struct {
	Created      string    `json:"created"`
	Architecture string    `json:"architecture"`
	OS           string    `json:"os"`
	Config       execution `json:"config"`
	RootFS       rootFS    `json:"rootfs"`
	History      []history `json:"history"`
}

type execution struct {
	User         string              `json:"User"`
	ExposedPorts map[string]struct{} `json:"ExposedPorts"`
	Entrypoint   []string            `json:"Entrypoint"`
	Cmd          []string            `json:"Cmd"`
	WorkingDir   string              `json:"WorkingDir"`
	Labels       map[string]string   `json:"Labels"`
}

type rootFS struct {
	Type    string   `json:"type"`
	DiffIDs []string `json:"diff_ids"`
}

type history struct {
	Created   string `json:"created"`
	CreatedBy string `json:"created_by"`
}

// pack makes the image of a program. For which platform, the program says itself.
func pack(o options, name string) (*image, error) {
	program, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	info, err := buildinfo.Read(bytes.NewReader(program))
	if err != nil {
		return nil, err
	}
	if err := checkProgram(program, info); err != nil {
		return nil, err
	}
	licence, err := os.ReadFile(o.licence)
	if err != nil {
		return nil, err
	}
	m := &image{arch: setting(info, "GOARCH")}
	if m.bill, err = billOfMaterials(o, info, program); err != nil {
		return nil, err
	}
	layer := archive(o.created,
		file{"LICENSE", 0o644, licence},
		file{"fathom", 0o755, program},
		file{"sbom.spdx.json", 0o644, m.bill},
	)
	if m.layer, err = compress(layer); err != nil {
		return nil, err
	}
	if m.config, err = encode(o.config(m.arch, blob(layer).digest())); err != nil {
		return nil, err
	}
	m.manifest, err = encode(manifest{
		SchemaVersion: 2, MediaType: manifestType,
		Config: describe(configType, m.config), Layers: []descriptor{describe(layerType, m.layer)},
		Annotations: o.labels(),
	})
	return m, err
}

func setting(info *debug.BuildInfo, key string) string {
	for _, s := range info.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}

// checkProgram refuses what would not run in an empty file system.
func checkProgram(program []byte, info *debug.BuildInfo) error {
	if os := setting(info, "GOOS"); os != "linux" {
		return fmt.Errorf("built for %s, not for linux", os)
	}
	f, err := elf.NewFile(bytes.NewReader(program))
	if err != nil {
		return err
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return errors.New("not statically linked: build it with CGO_ENABLED=0")
		}
	}
	return f.Close()
}

func (o *options) config(arch, diffID string) config {
	created := o.created.Format("2006-01-02T15:04:05Z")
	return config{
		Created: created, Architecture: arch, OS: "linux",
		Config: execution{
			// Root without capabilities but those that the pod is given: added capabilities take effect for
			// root only. The chart runs the directory as another user.
			User:         "0:0",
			ExposedPorts: map[string]struct{}{"10777/tcp": {}},
			Entrypoint:   []string{"/fathom"},
			Cmd:          []string{"agent"},
			WorkingDir:   "/",
			Labels:       o.labels(),
		},
		RootFS:  rootFS{"layers", []string{diffID}},
		History: []history{{created, "go run ./deploy/image"}},
	}
}

// labels are also the annotations of manifests (annotations.md of the specification).
func (o *options) labels() map[string]string {
	const prefix = "org.opencontainers.image."
	return map[string]string{
		prefix + "title":         "Fathom",
		prefix + "description":   "HTTP latency and TCP health of every workload on a Linux host, counted in the kernel.",
		prefix + "url":           "https://github.com/fathomhq/fathom",
		prefix + "source":        "https://github.com/fathomhq/fathom",
		prefix + "documentation": "https://github.com/fathomhq/fathom/blob/main/docs/kubernetes.md",
		prefix + "vendor":        "The Fathom authors",
		prefix + "licenses":      "Apache-2.0",
		prefix + "version":       o.tag,
		prefix + "revision":      o.revision,
		prefix + "created":       o.created.Format("2006-01-02T15:04:05Z"),
	}
}

func compress(data []byte) (blob, error) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	_, err = w.Write(data)
	err = errors.Join(err, w.Close()) // which writes the end
	return b.Bytes(), err
}

// encode writes JSON: map keys in order, so always the same.
func encode(v any) (blob, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(v)
	return b.Bytes(), err
}
