package tlslib

import (
	"bytes"
	"io"
)

// mark is a text that a library leaves in what links it statically. It comes from the library's own
// code, not from headers that callers include: nginx holds "OpenSSL 3.0.19" without holding OpenSSL.
type mark struct {
	text, library string
	reason        Reason
}

// marks in the order of trust: forks first, since they have much of their origin's text.
var marks = []mark{
	{"AWS-LC FIPS", "aws-lc", NoSymbols},
	{"aws-lc/ssl/", "aws-lc", NoSymbols},
	{"boringssl/src/ssl/", "boringssl", NoSymbols},
	{"boringssl/ssl/", "boringssl", NoSymbols},
	{"ssl/ssl_lib.cc", "boringssl", NoSymbols},
	{"LibreSSL ", "libressl", NoSymbols},
	{"ssl/ssl_lib.c\x00", "openssl", NoSymbols},
	{"ssl_lib.c\x00", "openssl", NoSymbols},
	{"GNUTLS_DEBUG_LEVEL", "gnutls", NoSymbols},
	{"/rustls-0.", "rustls", UnknownLibrary},
	{"/rustls/src/", "rustls", UnknownLibrary},
	{"s2n_connection", "s2n-tls", UnknownLibrary},
	{"SSL - Bad input parameters to function", "mbedtls", UnknownLibrary},
	{"mbedtls_ssl", "mbedtls", UnknownLibrary},
	{"wolfSSL", "wolfssl", UnknownLibrary},
	{"libssl3.so", "nss", UnknownLibrary},
	{"bearssl", "bearssl", UnknownLibrary},
	// The label of the NSS key log format (draft-ietf-tls-keylogfile), which all but the smallest
	// libraries can write.
	{"CLIENT_HANDSHAKE_TRAFFIC_SECRET", "unknown", UnknownLibrary},
}

// maxExplain bounds what Explain searches, in bytes: the first data of a large program. Strings of
// code come before tables.
const maxExplain = 96 << 20

// Explain says why Inspect may have answered [NoTLS]: it searches the file's data for texts that
// TLS libraries leave. It reads all data of the file and is for callers who know that it uses TLS. The
// error is never nil: [NoSymbols] or [UnknownLibrary] with a library's name, NoTLS, or that of a
// file that cannot be read.
func Explain(file io.ReaderAt, size int64) error {
	img, err := openImage(newSource(file, size))
	if err != nil {
		return err
	}
	img.left = min(img.left, maxExplain)
	best := len(marks)
	for _, s := range img.segments {
		if s.kind != ptLoad || s.flags&pfExecute != 0 {
			continue
		}
		s.size = min(s.size, img.left)
		err := img.each("search for texts", s.extent, 64, func(_ uint64, piece []byte) bool {
			best = bestMark(piece, best)
			return best > 0
		})
		if err != nil {
			return err
		}
	}
	if best == len(marks) {
		return &Error{Reason: NoTLS}
	}
	return &Error{Reason: marks[best].reason, Library: marks[best].library}
}

// bestMark returns the first mark before that one that is in the piece, or that one.
func bestMark(piece []byte, best int) int {
	for i, m := range marks[:best] {
		if bytes.Contains(piece, []byte(m.text)) {
			return i
		}
	}
	return best
}
