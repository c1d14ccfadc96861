package tlslib

import (
	"encoding/binary"
	"encoding/hex"
)

// maxNotes bounds a segment of notes; those of a program have some hundred bytes.
const maxNotes = 64 << 10

// note is one of the notes that linkers leave; see the System V ABI, "Note Section".
type note struct {
	name string // with its NULs
	kind uint32
	text []byte
}

// Types of notes: NT_GNU_BUILD_ID of elf.h, ELF_NOTE_GOBUILDID_TAG of cmd/link/internal/ld/elf.go.
const (
	noteGNUBuildID = 3
	noteGoBuildID  = 4
	gnuNote        = "GNU\x00"
	goNote         = "Go\x00\x00"
)

// notes returns what can be read of the notes. They name the file in logs and caches, so that
// strange ones are no reason to fail.
func (img *image) notes() []note {
	var found []note
	for _, s := range img.segments {
		if s.kind != ptNote || s.size > maxNotes {
			continue
		}
		text, err := img.bytes("notes", s.offset, s.size)
		if err != nil {
			continue
		}
		for len(text) >= 12 {
			var n note
			n, text = splitNote(text)
			found = append(found, n)
		}
	}
	return found
}

// splitNote takes the first note off; notes has 12 bytes at least. A note that is longer than
// what there is ends the notes.
func splitNote(notes []byte) (first note, rest []byte) {
	le := binary.LittleEndian
	nameSize, textSize := uint64(le.Uint32(notes)), uint64(le.Uint32(notes[4:]))
	kind, notes := le.Uint32(notes[8:]), notes[12:]
	nameRoom := (nameSize + 3) &^ 3
	if nameRoom > uint64(len(notes)) || textSize > uint64(len(notes))-nameRoom {
		return note{}, nil
	}
	textRoom := min((textSize+3)&^3, uint64(len(notes))-nameRoom)
	return note{string(notes[:nameSize]), kind, notes[nameRoom:][:textSize]}, notes[nameRoom+textRoom:]
}

// buildID returns the GNU build id in hexadecimal, else Go's as it is, else nothing.
func (img *image) buildID() string {
	goID := ""
	for _, n := range img.notes() {
		switch {
		case n.name == gnuNote && n.kind == noteGNUBuildID:
			return hex.EncodeToString(n.text)
		case n.name == goNote && n.kind == noteGoBuildID:
			goID = string(n.text)
		}
	}
	return goID
}

// isGo says whether Go's linker marked the file. One of the marks is enough: the note falls away
// with -ldflags=-buildid=, the sections where somebody took their table off.
func (img *image) isGo() bool {
	for _, n := range img.notes() {
		if n.name == goNote {
			return true
		}
	}
	_, marked := img.section(".go.buildinfo", ".gopclntab", ".data.rel.ro.gopclntab")
	return marked
}
