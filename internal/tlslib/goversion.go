package tlslib

import (
	"bytes"
	"encoding/binary"
)

// goVersion returns the toolchain's version from .go.buildinfo, empty if it is not there; see
// debug/buildinfo: a magic of 14 bytes, the pointers' size, flags of which 2 says that the strings
// are inline, and at 32 the version with its length before it.
func (img *image) goVersion() string {
	s, ok := img.section(".go.buildinfo")
	if !ok {
		return ""
	}
	info, err := img.bytes("build info", s.offset, min(s.size, 128))
	if err != nil || len(info) < 33 || !bytes.HasPrefix(info, []byte("\xff Go buildinf:")) || info[15]&2 == 0 {
		return ""
	}
	n, used := binary.Uvarint(info[32:])
	if used <= 0 || n > uint64(len(info)-32-used) {
		return ""
	}
	return string(info[32+used:][:n])
}
