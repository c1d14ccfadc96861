package tlslib

import (
	"bytes"
	"encoding/binary"
)

// Go's functions are found in the table that its runtime unwinds stacks with, which stays in
// stripped programs: runtime/symtab.go, pcHeader, and cmd/link/internal/ld/pcln.go. Since Go 1.18
// its positions are relative to where the text begins, and that is known from the moduledata.

// Sizes and magic numbers of internal/abi/symtab.go.
const (
	pclnMagic118  = 0xfffffff0 // Go 1.18 and 1.19
	pclnMagic120  = 0xfffffff1 // since Go 1.20
	pclnHeader    = 72
	maxFunctions  = 4 << 20
	functabEntry  = 8 // offset of the function from the text, of its data in the table
	funcNameField = 4 // in funcdata, after the function's offset
)

// pclntab is Go's table of functions.
type pclntab struct {
	img       *image
	address   uint64 // of its header
	functions uint64
	text      uint64 // address that functions' offsets count from
	names     uint64 // address of the names
	namesSize uint64
	functab   uint64 // address of the functions' offsets
}

// readPclntab finds the table and where the text begins.
func (img *image) readPclntab() (*pclntab, error) {
	address, err := img.findPclntab()
	if err != nil {
		return nil, err
	}
	t := &pclntab{img: img, address: address}
	if err := t.parse(); err != nil {
		return nil, err
	}
	return t, t.findText()
}

// findPclntab returns the table's address: by its section, or, where external linking has merged
// that with others (PIE up to Go 1.25), by looking for the header.
func (img *image) findPclntab() (uint64, error) {
	if s, ok := img.section(".gopclntab", ".data.rel.ro.gopclntab"); ok {
		return s.address, nil
	}
	for _, s := range img.segments {
		if s.kind != ptLoad || s.flags&pfExecute != 0 {
			continue
		}
		var found uint64
		err := img.each("search for pclntab", s.extent, 7, func(at uint64, piece []byte) bool {
			i := img.headerIn(piece, s.address+at)
			if i >= 0 {
				found = s.address + at + uint64(i)
			}
			return i < 0
		})
		if err != nil || found != 0 {
			return found, err
		}
	}
	return 0, &Error{Reason: NoSymbols, Library: Go.String()}
}

// headerIn returns where in the piece, which is at that address, the table's header begins, or -1.
func (img *image) headerIn(piece []byte, address uint64) int {
	for from := 0; ; from++ {
		next := bytes.Index(piece[from:], []byte{0xff, 0xff, 0xff, 0, 0})
		if next < 0 {
			return -1
		}
		from += next
		if from > 0 && len(piece)-from >= 7 && img.isHeader(piece[from-1:]) && (address+uint64(from-1))%8 == 0 {
			return from - 1
		}
	}
}

// isHeader says whether a table of a known version for this machine begins here. There are 8
// bytes at least: the magic number, two zeros, the smallest size of an instruction, and that of
// a pointer.
func (img *image) isHeader(text []byte) bool {
	quantum := byte(1)
	if img.machine == ARM64 {
		quantum = 4
	}
	magic := binary.LittleEndian.Uint32(text)
	return (magic == pclnMagic118 || magic == pclnMagic120) &&
		text[4] == 0 && text[5] == 0 && text[6] == quantum && text[7] == 8
}

func (t *pclntab) parse() error {
	header := make([]byte, pclnHeader)
	if err := t.img.readAt("pclntab", header, t.address); err != nil {
		return err
	}
	if !t.img.isHeader(header) {
		return fail(Unsupported, "pclntab that begins with % x", header[:8])
	}
	le := binary.LittleEndian
	t.functions = le.Uint64(header[8:])
	names, files := le.Uint64(header[32:]), le.Uint64(header[40:])
	t.names, t.functab = t.address+names, t.address+le.Uint64(header[64:])
	if t.functions == 0 || t.functions > maxFunctions || files < names || files-names > 1<<30 {
		return fail(Malformed, "pclntab of %d functions with names from %#x to %#x", t.functions, names, files)
	}
	t.namesSize = files - names // the table of compilation units comes next
	return nil
}

// goFunction is a function of Go's table: the addresses where it begins and the next one does.
type goFunction struct{ address, end uint64 }

// find returns those of the functions that the program has, by name.
func (t *pclntab) find(names []string) (map[string]goFunction, error) {
	at, ok := t.img.locate(t.names, t.namesSize, 0)
	if !ok {
		return nil, fail(Malformed, "pclntab: names at address %#x", t.names)
	}
	positions, err := t.img.findNames(extent{at, t.namesSize}, names)
	if err != nil || len(positions) == 0 {
		return nil, err
	}
	functab, ok := t.img.locate(t.functab, (t.functions+1)*functabEntry, 0)
	if !ok {
		return nil, fail(Malformed, "pclntab: %d functions at address %#x", t.functions, t.functab)
	}
	found := make(map[string]goFunction)
	table, data := window{source: t.img.source}, window{source: t.img.source}
	le := binary.LittleEndian
	for i := range t.functions {
		entry, err := table.slice("functab", functab+i*functabEntry, 2*functabEntry-4)
		if err != nil {
			return nil, err
		}
		name, err := data.slice("funcdata", functab+uint64(le.Uint32(entry[4:]))+funcNameField, 4)
		if err != nil {
			return nil, err
		}
		// A name that the end of another one spells is never pointed to: Go shares no tails.
		if name, ok := positions[le.Uint32(name)]; ok {
			found[name] = goFunction{t.text + uint64(le.Uint32(entry)), t.text + uint64(le.Uint32(entry[8:]))}
		}
	}
	return found, nil
}
