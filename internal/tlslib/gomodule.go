package tlslib

import "encoding/binary"

// Offsets in runtime.moduledata (runtime/symtab.go), the same from Go 1.18 to 1.26: it begins
// with the address of the pclntab's header; the slice of the names comes next.
const (
	moduleNames = 8
	moduleMinPC = 160
	moduleText  = 176
)

// relocRelative are R_X86_64_RELATIVE and R_AARCH64_RELATIVE of the psABIs: the word is to be
// the load address plus the addend.
var relocRelative = map[Machine]uint32{AMD64: 8, ARM64: 1027}

const relaSize = 24

// findText sets where the text begins. The header's own field is not used: it is 0 since Go 1.26,
// and in a PIE the linker may leave it to be relocated. Nor is the section .text: with external
// linking other code comes first in it. The moduledata is found by its first two words, the
// addresses of the table and of its names, which no other data has side by side.
func (t *pclntab) findText() error {
	if done, err := t.textFromData(); done || err != nil {
		return err
	}
	done, err := t.textFromRelocations()
	if err == nil && !done {
		err = fail(Unsupported, "no moduledata for the pclntab at address %#x", t.address)
	}
	return err
}

// textFromData looks for the moduledata where its words are in the file.
func (t *pclntab) textFromData() (bool, error) {
	le := binary.LittleEndian
	var text, first uint64
	found := false
	for _, s := range t.img.segments {
		if s.kind != ptLoad || s.flags&pfWrite == 0 {
			continue
		}
		err := t.img.each("search for moduledata", s.extent, moduleText, func(_ uint64, piece []byte) bool {
			for ; len(piece) >= moduleText+8; piece = piece[8:] {
				if le.Uint64(piece) == t.address && le.Uint64(piece[moduleNames:]) == t.names {
					text, first, found = le.Uint64(piece[moduleText:]), le.Uint64(piece[moduleMinPC:]), true
					return false
				}
			}
			return true
		})
		if err != nil {
			return false, err
		}
		if found {
			return true, t.setText(text, first)
		}
	}
	return false, nil
}

// textFromRelocations looks for it where the words are left to the dynamic linker. The entries
// of one moduledata need not be in order, so that the table is read twice.
func (t *pclntab) textFromRelocations() (bool, error) {
	tables, err := t.relocations()
	if err != nil {
		return false, err
	}
	var candidates []uint64
	words := make(map[uint64]uint64)
	err = t.eachRelative(tables, func(where, value uint64) {
		if value == t.address && len(candidates) < 64 {
			candidates = append(candidates, where)
			for _, at := range []uint64{moduleNames, moduleMinPC, moduleText} {
				words[where+at] = 0
			}
		}
	})
	if err != nil || len(candidates) == 0 {
		return false, err
	}
	err = t.eachRelative(tables, func(where, value uint64) {
		if _, ok := words[where]; ok {
			words[where] = value
		}
	})
	for _, at := range candidates {
		if err == nil && words[at+moduleNames] == t.names {
			return true, t.setText(words[at+moduleText], words[at+moduleMinPC])
		}
	}
	return false, err
}

// relocations returns the dynamic relocations: those of the dynamic section.
func (t *pclntab) relocations() (extent, error) {
	d, err := t.img.readDynamic()
	if err != nil || d.relocs == 0 {
		return extent{}, err
	}
	size := d.relocsSize - d.relocsSize%relaSize
	offset, ok := t.img.locate(d.relocs, size, 0)
	if !ok {
		return extent{}, fail(Malformed, "%d bytes of relocations at address %#x", size, d.relocs)
	}
	return extent{offset, size}, nil
}

func (t *pclntab) eachRelative(table extent, visit func(where, value uint64)) error {
	le := binary.LittleEndian
	kind := relocRelative[t.img.machine]
	return t.img.each("relocations", table, 0, func(_ uint64, piece []byte) bool {
		for ; len(piece) >= relaSize; piece = piece[relaSize:] {
			if le.Uint32(piece[8:]) == kind {
				visit(le.Uint64(piece), le.Uint64(piece[16:]))
			}
		}
		return true
	})
}

// setText takes what the moduledata says, if it agrees with the table: its lowest address of
// code is the first function's.
func (t *pclntab) setText(text, first uint64) error {
	entry := make([]byte, 4)
	if err := t.img.readAt("functab", entry, t.functab); err != nil {
		return err
	}
	if text+uint64(binary.LittleEndian.Uint32(entry)) != first {
		return fail(Malformed, "moduledata: text at %#x, first function at %#x", text, first)
	}
	if _, ok := t.img.locate(text, 1, pfExecute); !ok {
		return fail(Malformed, "moduledata: text at %#x is not executable", text)
	}
	t.text = text
	return nil
}
