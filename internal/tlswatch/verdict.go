package tlswatch

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"github.com/fathomhq/fathom/internal/tlslib"
)

// suspicious are parts of the names of libraries that speak TLS, other than those that are known.
var suspicious = []string{"ssl", "tls", "tcnative", "conscrypt", "libnode", "nss3", "nghttp", "quic"}

// speaksTLS tells whether a file may be the one that speaks the process's TLS. It decides only which
// files are searched for the reason of a failure.
func (s seen) speaksTLS() bool {
	if s.executable {
		return true
	}
	name := strings.ToLower(s.base())
	for _, part := range suspicious {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

// reasons in the order in which they are told: what is certain first.
var reasons = []Opaque{NoSymbols, Java, NotPermitted, ELF, UnknownLibrary}

// opaque says why no library of a process is probed. It is called for processes that are known to speak
// TLS. explain is [inspected.explained] of the file.
func (v *view) opaque(ctx context.Context, explain func(context.Context, seen) error) Opaque {
	found := map[Opaque]bool{Java: v.java}
	for _, s := range v.files {
		if !s.speaksTLS() && !errors.Is(s.err, fs.ErrPermission) {
			continue
		}
		err := s.err
		if e, ok := errors.AsType[*tlslib.Error](err); ok && e.Reason == tlslib.NoTLS && !v.java {
			err = explain(ctx, s)
		}
		found[opaqueOf(err)] = true
	}
	for _, reason := range reasons {
		if found[reason] {
			return reason
		}
	}
	return UnknownLibrary
}

// opaqueOf maps an error of locating, inspecting or attaching to what is told.
func opaqueOf(err error) Opaque {
	if errors.Is(err, fs.ErrPermission) {
		return NotPermitted
	}
	e, ok := errors.AsType[*tlslib.Error](err)
	if !ok {
		return UnknownLibrary
	}
	switch e.Reason {
	case tlslib.NoSymbols, tlslib.Unprobeable:
		return NoSymbols
	case tlslib.Malformed, tlslib.TooMuchWork, tlslib.Unreadable:
		return ELF
	}
	return UnknownLibrary
}

// explainer explains files of a process. They are located anew: a look does not keep files without
// libraries open.
func explainer(g guard, p procdir) func(context.Context, seen) error {
	return func(ctx context.Context, s seen) error {
		mine, err := p.duplicate()
		if err != nil {
			return err
		}
		_, err = within(ctx, g, explainPatience, func(ctx context.Context) (struct{}, error) {
			defer mine.close()
			file, err := mine.locate(s.mapping)
			if err != nil {
				return struct{}{}, err
			}
			defer file.close()
			return struct{}{}, s.entry.explained(ctx, file)
		}, func(struct{}) {})
		if errors.Is(err, errBusy) {
			mine.close()
		}
		return err
	}
}
