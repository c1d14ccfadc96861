package tlslib

import (
	"errors"
	"fmt"
)

// Reason says why a file's TLS cannot be read. Its text is fit for a metric's label.
type Reason string

// The reasons.
const (
	// NoTLS: the file has none of the known functions. Explain may know more.
	NoTLS Reason = "no_tls"
	// NoSymbols: there is a library of a known kind, but its functions cannot be found, as in
	// a program that was linked statically and stripped.
	NoSymbols Reason = "no_symbols"
	// UnknownLibrary: there is a TLS library whose API is not known here.
	UnknownLibrary Reason = "unknown_library"
	// Unprobeable: a function was found, and there is no place in it for a probe.
	Unprobeable Reason = "unprobeable"
	// Unsupported: not a 64-bit little-endian ELF file for x86-64 or arm64, or a Go version
	// whose tables are not known.
	Unsupported Reason = "unsupported"
	// Malformed: the file contradicts itself or ELF.
	Malformed Reason = "malformed"
	// TooMuchWork: the file would take more reading than a file is worth.
	TooMuchWork Reason = "too_much_work"
	// Unreadable: reading failed.
	Unreadable Reason = "unreadable"
)

// Error is the error of Inspect and Explain.
type Error struct {
	Reason  Reason
	Library string // its name, where one was recognised
	Err     error  // what and where
}

func (e *Error) Error() string {
	text := string(e.Reason)
	if e.Library != "" {
		text += ": " + e.Library
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

// fail makes an [Error]; format and args are those of fmt.Errorf.
func fail(reason Reason, format string, args ...any) error {
	return &Error{Reason: reason, Err: fmt.Errorf(format, args...)}
}

// inLibrary adds the library's name to an error.
func inLibrary(err error, kind Kind) error {
	if e, ok := errors.AsType[*Error](err); ok && e.Library == "" {
		return &Error{Reason: e.Reason, Library: kind.String(), Err: e.Err}
	}
	return err
}

// IsNoTLS tells whether an error says that the file has no TLS library, as far as is known.
func IsNoTLS(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Reason == NoTLS
}
