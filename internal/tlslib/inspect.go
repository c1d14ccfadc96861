package tlslib

import (
	"io"
	"slices"
)

// Inspect looks for TLS libraries in an ELF file of that size. It reads little of a file without
// symbols, and at most 256 MiB. The error is an [*Error]: there is none only if each function that was
// found can be probed. It may be called for several files at once.
func Inspect(file io.ReaderAt, size int64) (*File, error) {
	img, err := openImage(newSource(file, size))
	if err != nil {
		return nil, err
	}
	libraries, err := img.libraries()
	if err != nil {
		return nil, err
	}
	if len(libraries) == 0 {
		return nil, &Error{Reason: NoTLS}
	}
	return &File{BuildID: img.buildID(), Machine: img.machine, Libraries: libraries}, nil
}

func (img *image) libraries() ([]Library, error) {
	d, err := img.readDynamic()
	if err != nil {
		return nil, err
	}
	found, err := img.cLibraries(d)
	if err != nil || !img.isGo() {
		return found, err
	}
	goLibrary, err := img.goLibrary()
	if err != nil || goLibrary == nil {
		return found, err
	}
	return append(found, *goLibrary), nil
}

// cLibraries looks among the exported functions, and if no library is there, among all symbols
// that the file still has.
func (img *image) cLibraries(d *dynamic) ([]Library, error) {
	exported, err := img.dynamicSymbols(d, wantedNames())
	if err != nil {
		return nil, err
	}
	libraries, err := img.fromSymbols(d, exported)
	if err != nil || len(libraries) > 0 {
		return libraries, err
	}
	all, err := img.staticSymbols(wantedNames())
	if err != nil {
		return nil, err
	}
	libraries, err = img.fromSymbols(d, all)
	if err != nil || len(libraries) > 0 {
		return libraries, err
	}
	for _, s := range append(exported, all...) {
		if name, ok := foreign[s.name]; ok {
			return nil, &Error{Reason: UnknownLibrary, Library: name}
		}
	}
	return nil, nil
}

func (img *image) fromSymbols(d *dynamic, all symbols) ([]Library, error) {
	var found []Library
	for _, a := range apis {
		if slices.ContainsFunc(a.wraps, d.needs) {
			continue
		}
		library := Library{Kind: a.kind, Version: d.soname}
		for _, r := range a.roles {
			for _, s := range all.get(r.name) {
				f, err := img.cFunction(s, r.role)
				if err != nil {
					return nil, inLibrary(err, a.kind)
				}
				library.Functions = append(library.Functions, f)
			}
		}
		if err := img.dropForwards(&library, a); err != nil {
			return nil, err
		}
		for _, s := range all.get(a.random) {
			library.Random = append(library.Random, img.places(s)...)
		}
		for _, s := range all.get(a.server) {
			library.Server = img.flagPlace(s)
		}
		if library.complete() {
			found = append(found, library)
		}
	}
	return found, nil
}

// complete says whether plaintext of both directions is seen. A program may define SSL_read alone for
// reasons of its own.
func (l Library) complete() bool {
	return slices.ContainsFunc(l.Functions, func(f Function) bool { return f.Role == RoleRead }) &&
		slices.ContainsFunc(l.Functions, func(f Function) bool { return f.Role == RoleWrite })
}
