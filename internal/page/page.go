// Package page is the agent's own page: what a browser shows of the last minutes, for people without
// Grafana. Its files are in the program, and a browser that shows it asks nobody but the agent.
package page

import (
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strings"
)

// policy lets the page load from the agent alone, and nobody frame it.
// https://www.w3.org/TR/CSP3/
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

//go:generate go run ./gen -o api.d.ts

//go:embed assets
var embedded embed.FS

// Options are what the page shows beside the history.
type Options struct {
	Version string
	Queries []Query
}

// Query is an example in PromQL, with what it shows.
type Query struct{ Shows, Query string }

// Register adds the page at / and its files below /assets/ to a mux.
func Register(mux *http.ServeMux, o Options) error {
	assets, err := read(embedded)
	if err != nil {
		return err
	}
	index, err := document(assets, o)
	if err != nil {
		return err
	}
	mux.Handle("GET /{$}", index)
	for name, a := range assets {
		mux.Handle("GET /assets/"+name, a)
	}
	return nil
}

// read returns the embedded files that are served, by their path below assets. index.html is a
// template and licences are for readers of the repository.
func read(files fs.FS) (map[string]*asset, error) {
	served := make(map[string]*asset)
	err := fs.WalkDir(files, "assets", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		contentType, ok := contentTypes[path.Ext(file)]
		if !ok {
			return nil
		}
		content, err := fs.ReadFile(files, file)
		if err != nil {
			return err
		}
		served[strings.TrimPrefix(file, "assets/")] = newAsset(contentType, content)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the page: %w", err)
	}
	return served, nil
}

// document returns index.html with its modules, which a browser then fetches at once instead of one
// import after the other.
func document(assets map[string]*asset, o Options) (*asset, error) {
	index, err := template.ParseFS(embedded, "assets/index.html")
	if err != nil {
		return nil, fmt.Errorf("read the page: %w", err)
	}
	var modules []string
	for name := range assets {
		if path.Ext(name) == ".js" {
			modules = append(modules, "assets/"+name)
		}
	}
	slices.Sort(modules)
	var b strings.Builder
	err = index.Execute(&b, struct {
		Options
		Modules []string
	}{o, modules})
	if err != nil {
		return nil, fmt.Errorf("write the page: %w", err)
	}
	return newAsset("text/html; charset=utf-8", []byte(b.String())), nil
}
