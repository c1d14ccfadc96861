package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"runtime/debug"
	"strings"
)

// document is a bill of materials in SPDX 2.3 (https://spdx.github.io/spdx-spec/v2.3/).
type document struct {
	Version           string         `json:"spdxVersion"`
	DataLicense       string         `json:"dataLicense"`
	ID                string         `json:"SPDXID"`
	Name              string         `json:"name"`
	DocumentNamespace string         `json:"documentNamespace"`
	CreationInfo      creation       `json:"creationInfo"`
	Packages          []spdxPackage  `json:"packages"`
	Files             []spdxFile     `json:"files"`
	Relationships     []relationship `json:"relationships"`
}

type creation struct {
	Created  string   `json:"created"`
	Creators []string `json:"creators"`
}

type spdxPackage struct {
	ID               string      `json:"SPDXID"`
	Name             string      `json:"name"`
	Version          string      `json:"versionInfo"`
	Supplier         string      `json:"supplier"`
	DownloadLocation string      `json:"downloadLocation"`
	FilesAnalyzed    bool        `json:"filesAnalyzed"`
	LicenseConcluded string      `json:"licenseConcluded"`
	LicenseDeclared  string      `json:"licenseDeclared"`
	Copyright        string      `json:"copyrightText"`
	Comment          string      `json:"comment,omitempty"`
	References       []reference `json:"externalRefs,omitempty"`
}

type reference struct {
	Category string `json:"referenceCategory"`
	Type     string `json:"referenceType"`
	Locator  string `json:"referenceLocator"`
}

type spdxFile struct {
	ID               string     `json:"SPDXID"`
	Name             string     `json:"fileName"`
	Types            []string   `json:"fileTypes"`
	Checksums        []checksum `json:"checksums"`
	LicenseConcluded string     `json:"licenseConcluded"`
	Copyright        string     `json:"copyrightText"`
}

type checksum struct {
	Algorithm string `json:"algorithm"`
	Value     string `json:"checksumValue"`
}

type relationship struct {
	Element string `json:"spdxElementId"`
	Type    string `json:"relationshipType"`
	Related string `json:"relatedSpdxElement"`
}

const (
	documentID = "SPDXRef-DOCUMENT"
	fathomID   = "SPDXRef-Package-fathom"
	programID  = "SPDXRef-File-fathom"
	unknown    = "NOASSERTION"
)

// billOfMaterials lists the modules that the Go toolchain recorded in the program, and the toolchain's own library.
func billOfMaterials(o options, info *debug.BuildInfo, program []byte) ([]byte, error) {
	sum := sha256.Sum256(program)
	hash := hex.EncodeToString(sum[:])
	d := document{
		Version: "SPDX-2.3", DataLicense: "CC0-1.0", ID: documentID,
		Name:              "fathom-" + o.tag + "-linux-" + setting(info, "GOARCH"),
		DocumentNamespace: "https://github.com/fathomhq/fathom/sbom/" + hash,
		CreationInfo:      creation{o.created.Format("2006-01-02T15:04:05Z"), []string{"Tool: fathom-deploy-image"}},
		Files: []spdxFile{{
			ID: programID, Name: "/fathom", Types: []string{"BINARY"}, Checksums: []checksum{{"SHA256", hash}},
			LicenseConcluded: unknown, Copyright: unknown,
		}},
		Relationships: []relationship{
			{documentID, "DESCRIBES", fathomID}, {fathomID, "CONTAINS", programID},
		},
	}
	fathom := module(fathomID, info.Main.Path, o.tag)
	fathom.LicenseDeclared = "Apache-2.0"
	fathom.Comment = "Commit " + o.revision
	d.Packages = append(d.Packages, fathom)
	dependencies := []*debug.Module{{Path: "stdlib", Version: strings.TrimPrefix(info.GoVersion, "go")}}
	for _, m := range append(dependencies, info.Deps...) {
		if m.Replace != nil {
			m = m.Replace
		}
		p := module("SPDXRef-Package-"+identifier(m.Path), m.Path, m.Version)
		if m.Sum != "" {
			p.Comment = "go.sum: " + m.Sum
		}
		d.Packages = append(d.Packages, p)
		d.Relationships = append(d.Relationships, relationship{fathomID, "DEPENDS_ON", p.ID})
	}
	return encode(d)
}

// module describes a Go module: its purl (https://github.com/package-url/purl-spec) is what scanners look for.
func module(id, path, version string) spdxPackage {
	return spdxPackage{
		ID: id, Name: path, Version: version, Supplier: unknown, DownloadLocation: unknown,
		LicenseConcluded: unknown, LicenseDeclared: unknown, Copyright: unknown,
		References: []reference{{"PACKAGE-MANAGER", "purl", fmt.Sprintf("pkg:golang/%s@%s", path, version)}},
	}
}

var notInIdentifiers = regexp.MustCompile(`[^A-Za-z0-9.-]`)

// identifier makes the part of an SPDX identifier from a path.
func identifier(path string) string { return notInIdentifiers.ReplaceAllString(path, "-") }
