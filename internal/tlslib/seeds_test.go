package tlslib

import (
	"encoding/binary"
	"testing"
)

// smallGo is a program of Go as small as its tables let it be: three functions with the same code.
func smallGo() []byte {
	le := binary.LittleEndian
	text := "\x49\x3b\x66\x10\x76\x01\xc3\xe8\x00\x00\x00\x00\xeb\xf2\xcc\xcc" // cmp, jbe 7, ret, call, jmp 0
	names := []byte{0}
	var at []uint32
	for _, r := range goRoles {
		at = append(at, uint32(len(names)))
		names = append(append(names, r.name...), 0)
	}
	table := make([]byte, pclnHeader)
	le.PutUint32(table, pclnMagic120)
	table[6], table[7] = 1, 8
	le.PutUint64(table[8:], uint64(len(at)))
	le.PutUint64(table[32:], pclnHeader)
	le.PutUint64(table[40:], uint64(pclnHeader+len(names)))
	table = append(table, names...)
	le.PutUint64(table[64:], uint64(len(table)))
	functab := make([]byte, 8*len(at)+4)
	for i, name := range at {
		le.PutUint32(functab[8*i:], uint32(16*i))
		le.PutUint32(functab[8*i+4:], uint32(len(functab)))
		functab = le.AppendUint32(le.AppendUint32(functab, uint32(16*i)), name)
	}
	le.PutUint32(functab[8*len(at):], uint32(16*len(at)))
	table = append(table, functab...)

	code := []byte(text + text + text)
	tableAt := uint64(base + (codeAt+len(code)+7)&^7)
	module := make([]byte, moduleText+16)
	le.PutUint64(module, tableAt)
	le.PutUint64(module[moduleNames:], tableAt+pclnHeader)
	le.PutUint64(module[moduleMinPC:], base+codeAt)
	le.PutUint64(module[moduleText:], base+codeAt)
	return elfFile{text: code, sections: []madeSection{{".gopclntab", 1, 0, table}, {".go.module", 1, 0, module}}}.bytes()
}

// smallShared is a file whose symbols are in a dynamic section with the older hash table.
func smallShared() []byte {
	le := binary.LittleEndian
	text := "\x55\x5d\xc3"
	table, names := symtab(len(text), "SSL_read", "SSL_write", "SSL_free")
	file := elfFile{text: []byte(text), sections: []madeSection{
		{".dynsym", 11, 2, table}, {".dynstr", 3, 0, names},
		{".hash", 5, 1, le.AppendUint32(le.AppendUint32(nil, 1), uint32(len(table)/symSize))},
		{".dynamic", 6, 2, make([]byte, 80)},
	}}.bytes()
	img, err := openImage(newSource(readerAt(file), int64(len(file))))
	if err != nil {
		panic(err)
	}
	dynamic, _ := img.section(".dynamic")
	entry := file[dynamic.offset:]
	for i, s := range []struct {
		tag  uint64
		name string
	}{{dtSymtab, ".dynsym"}, {dtStrtab, ".dynstr"}, {dtHash, ".hash"}} {
		target, _ := img.section(s.name)
		le.PutUint64(entry[16*i:], s.tag)
		le.PutUint64(entry[16*i+8:], target.address)
	}
	le.PutUint64(entry[48:], dtStrsz)
	le.PutUint64(entry[56:], uint64(len(names)))
	// The section is the dynamic segment too: the program header table has room for one more.
	p := file[ehdrSize+phdrSize:]
	le.PutUint32(p, ptDynamic)
	le.PutUint64(p[8:], dynamic.offset)
	le.PutUint64(p[32:], dynamic.size)
	le.PutUint16(file[56:], 2)
	return file
}

// readerAt reads from memory.
type readerAt []byte

func (r readerAt) ReadAt(buf []byte, at int64) (int, error) { return copy(buf, r[at:]), nil }

// TestSeeds: the fuzz targets begin with files in which libraries are found.
func TestSeeds(t *testing.T) {
	for _, test := range []struct {
		name string
		file []byte
		kind Kind
	}{{"Go", smallGo(), Go}, {"shared", smallShared(), OpenSSL}} {
		found, err := inspectBytes(test.file)
		if err != nil || found.Libraries[0].Kind != test.kind || len(found.Libraries[0].Functions) != 3 {
			t.Errorf("%s: %+v, %v", test.name, found, err)
		}
	}
}
