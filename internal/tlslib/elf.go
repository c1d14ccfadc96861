package tlslib

import (
	"bytes"
	"encoding/binary"
)

// Numbers of the ELF specification (System V ABI, chapters 4 and 5).
const (
	elfMagic    = "\x7fELF\x02\x01\x01" // 64 bits, little endian, version 1
	ehdrSize    = 64
	phdrSize    = 56
	shdrSize    = 64
	symSize     = 24
	typeExec    = 2
	typeDyn     = 3
	ptLoad      = 1
	ptDynamic   = 2
	ptNote      = 4
	pfExecute   = 1
	pfWrite     = 2
	shtSymtab   = 2
	shtNobits   = 8
	maxSegments = 256  // ld makes about a dozen
	maxSections = 4096 // a linked file has some forty; more means an object file
)

// Machine is a processor, by its number in ELF.
type Machine uint16

// The machines whose code is understood.
const (
	AMD64 Machine = 62
	ARM64 Machine = 183
)

// segment is what of a program header is used.
type segment struct {
	kind, flags     uint32
	address, memory uint64
	extent
}

type section struct {
	name    string
	kind    uint32
	link    uint32
	address uint64
	extent
}

// image is an ELF file whose headers have been read.
type image struct {
	*source
	machine  Machine
	segments []segment
	sections []section // none if the file has no table of them
	analysed uint64    // bytes of code so far
}

// openImage reads the headers. A missing or strange table of sections is no error: what runs is
// described by the segments.
func openImage(s *source) (*image, error) {
	if s.size < ehdrSize {
		return nil, fail(Unsupported, "a file of %d bytes is no ELF file", s.size)
	}
	header, err := s.bytes("ELF header", 0, ehdrSize)
	if err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	if string(header[:len(elfMagic)]) != elfMagic {
		return nil, fail(Unsupported, "no ELF file of 64 bits and little endian")
	}
	img := &image{source: s, machine: Machine(le.Uint16(header[18:]))}
	if img.machine != AMD64 && img.machine != ARM64 {
		return nil, fail(Unsupported, "ELF machine %d", img.machine)
	}
	if kind := le.Uint16(header[16:]); kind != typeExec && kind != typeDyn {
		return nil, fail(Unsupported, "ELF type %d is no program and no shared library", kind)
	}
	if err := img.readSegments(le.Uint64(header[32:]), le.Uint16(header[54:]), le.Uint16(header[56:])); err != nil {
		return nil, err
	}
	img.readSections(le.Uint64(header[40:]), le.Uint16(header[58:]), le.Uint16(header[60:]), le.Uint16(header[62:]))
	return img, nil
}

func (img *image) readSegments(offset uint64, size, count uint16) error {
	if size != phdrSize || count == 0 || count > maxSegments {
		return fail(Malformed, "%d program headers of %d bytes", count, size)
	}
	table, err := img.bytes("program headers", offset, uint64(count)*phdrSize)
	if err != nil {
		return err
	}
	le := binary.LittleEndian
	for ; len(table) > 0; table = table[phdrSize:] {
		s := segment{
			kind: le.Uint32(table), flags: le.Uint32(table[4:]),
			address: le.Uint64(table[16:]), memory: le.Uint64(table[40:]),
			extent: extent{le.Uint64(table[8:]), le.Uint64(table[32:])},
		}
		switch s.kind {
		case ptLoad, ptDynamic, ptNote:
			if s.offset > img.size || s.size > img.size-s.offset || s.address+s.size < s.address {
				return fail(Malformed, "segment of %d bytes at %#x in a file of %d", s.size, s.offset, img.size)
			}
			img.segments = append(img.segments, s)
		}
	}
	return nil
}

func (img *image) readSections(offset uint64, size, count, names uint16) {
	if size != shdrSize || count == 0 || count > maxSections || names >= count {
		return
	}
	table, err := img.bytes("section headers", offset, uint64(count)*shdrSize)
	if err != nil {
		return
	}
	le := binary.LittleEndian
	strings := table[int(names)*shdrSize:]
	namesAt := extent{le.Uint64(strings[24:]), le.Uint64(strings[32:])}
	if namesAt.size > 1<<20 {
		return
	}
	text, err := img.bytes("section names", namesAt.offset, namesAt.size)
	if err != nil {
		return
	}
	for ; len(table) > 0; table = table[shdrSize:] {
		s := section{
			name: cString(text, le.Uint32(table)), kind: le.Uint32(table[4:]), link: le.Uint32(table[40:]),
			address: le.Uint64(table[16:]), extent: extent{le.Uint64(table[24:]), le.Uint64(table[32:])},
		}
		if s.kind == shtNobits || s.offset > img.size || s.size > img.size-s.offset {
			s.extent = extent{}
		}
		img.sections = append(img.sections, s)
	}
}

// section returns the first section of one of the names, in the names' order.
func (img *image) section(names ...string) (section, bool) {
	for _, name := range names {
		for _, s := range img.sections {
			if s.name == name && s.size > 0 {
				return s, true
			}
		}
	}
	return section{}, false
}

// locate returns where in the file the n bytes at a virtual address are, if one segment with all
// of the flags holds them.
func (img *image) locate(address, n uint64, flags uint32) (uint64, bool) {
	for _, s := range img.segments {
		if s.kind != ptLoad || s.flags&flags != flags || address < s.address {
			continue
		}
		if at := address - s.address; at <= s.size && n <= s.size-at {
			return s.offset + at, true
		}
	}
	return 0, false
}

// readAt fills buf from a virtual address.
func (img *image) readAt(what string, buf []byte, address uint64) error {
	offset, ok := img.locate(address, uint64(len(buf)), 0)
	if !ok {
		return fail(Malformed, "%s: no segment holds %d bytes at address %#x", what, len(buf), address)
	}
	return img.read(what, buf, offset)
}

// maxName bounds the names of sections and of needed libraries.
const maxName = 256

// cString returns the string at that position, empty if it has no end within maxName bytes.
func cString(text []byte, at uint32) string {
	if uint64(at) >= uint64(len(text)) {
		return ""
	}
	text = text[at:]
	if name, _, ended := bytes.Cut(text[:min(maxName, len(text))], []byte{0}); ended {
		return string(name)
	}
	return ""
}
