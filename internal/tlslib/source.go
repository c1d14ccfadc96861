package tlslib

import (
	"bytes"
	"errors"
	"io"
)

// maxRead bounds what is read of one file, in bytes. The largest known need is a program of
// 400 MB with a symbol table of 100 MB; a file that lies makes readers come back to the same bytes.
const maxRead = 256 << 20

// chunk is how much is read at once, and with it about what one file takes in memory. It is a
// multiple of the sizes of all tables' entries.
const chunk = 240 << 10

// source reads a file within its bounds and within a budget. Not for concurrent use.
type source struct {
	file io.ReaderAt
	size uint64
	left uint64 // of the budget
}

func newSource(file io.ReaderAt, size int64) *source {
	return &source{file: file, size: uint64(max(size, 0)), left: maxRead}
}

// read fills buf from offset on; what is the reader's name of that place.
func (s *source) read(what string, buf []byte, offset uint64) error {
	n := uint64(len(buf))
	if offset > s.size || n > s.size-offset {
		return fail(Malformed, "%s: %d bytes at %#x are beyond the file's end at %#x", what, n, offset, s.size)
	}
	if n > s.left {
		return fail(TooMuchWork, "%s: more than %d bytes read", what, maxRead)
	}
	s.left -= n
	if got, err := s.file.ReadAt(buf, int64(offset)); got < len(buf) {
		if errors.Is(err, io.EOF) {
			return fail(Malformed, "%s: the file ends at %#x", what, offset+uint64(got))
		}
		return fail(Unreadable, "%s: %w", what, err)
	}
	return nil
}

// bytes reads n bytes into memory of their own. The caller bounds n.
func (s *source) bytes(what string, offset, n uint64) ([]byte, error) {
	if n > s.size {
		return nil, fail(Malformed, "%s: %d bytes in a file of %d", what, n, s.size)
	}
	buf := make([]byte, n)
	return buf, s.read(what, buf, offset)
}

// extent is a part of the file.
type extent struct{ offset, size uint64 }

// each calls visit with the extent's bytes in pieces, each with its position in the extent.
// A piece repeats the last overlap bytes of the one before, so that nothing shorter than
// overlap + 1 is cut. It ends early when visit returns false.
func (s *source) each(what string, e extent, overlap int, visit func(at uint64, piece []byte) bool) error {
	if e.offset > s.size || e.size > s.size-e.offset {
		return fail(Malformed, "%s: %d bytes at %#x are beyond the file's end at %#x", what, e.size, e.offset, s.size)
	}
	buf := make([]byte, min(e.size, chunk))
	for at := uint64(0); at < e.size; {
		piece := buf[:min(e.size-at, chunk)]
		if err := s.read(what, piece, e.offset+at); err != nil {
			return err
		}
		if !visit(at, piece) || at+uint64(len(piece)) == e.size {
			return nil
		}
		at += uint64(len(piece) - overlap)
	}
	return nil
}

// text reads the NUL-terminated string at offset, of at most limit bytes.
func (s *source) text(what string, offset, limit uint64) (string, error) {
	if offset > s.size {
		return "", fail(Malformed, "%s at %#x is beyond the file's end", what, offset)
	}
	buf, err := s.bytes(what, offset, min(limit+1, s.size-offset))
	if err != nil {
		return "", err
	}
	text, _, ended := bytes.Cut(buf, []byte{0})
	if !ended {
		return "", fail(Malformed, "%s at %#x has no end", what, offset)
	}
	return string(text), nil
}

// window reads small things at ascending offsets through one large piece.
type window struct {
	*source
	at  uint64
	buf []byte
	mem []byte
}

// slice returns n bytes at offset, valid until the next call; n is at most 64.
func (w *window) slice(what string, offset, n uint64) ([]byte, error) {
	if offset >= w.at && offset-w.at <= uint64(len(w.buf)) && n <= uint64(len(w.buf))-(offset-w.at) {
		return w.buf[offset-w.at:][:n], nil
	}
	if offset > w.size || n > w.size-offset {
		return nil, fail(Malformed, "%s: %d bytes at %#x are beyond the file's end at %#x", what, n, offset, w.size)
	}
	if w.mem == nil {
		w.mem = make([]byte, chunk/4)
	}
	w.at, w.buf = offset, w.mem[:min(uint64(len(w.mem)), w.size-offset)]
	if err := w.read(what, w.buf, offset); err != nil {
		w.buf = nil
		return nil, err
	}
	return w.buf[:n], nil
}
