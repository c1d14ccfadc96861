package tlslib

import (
	"encoding/binary"
	"strings"
)

// Tags of the dynamic section; System V ABI, "Dynamic Section", and elf.h of glibc.
const (
	dtNeeded  = 1
	dtHash    = 4
	dtStrtab  = 5
	dtSymtab  = 6
	dtRela    = 7
	dtRelaSz  = 8
	dtStrsz   = 10
	dtSoname  = 14
	dtGNUHash = 0x6ffffef5
)

// maxDynamic bounds the dynamic section; large programs have some 4 KB of it.
const maxDynamic = 64 << 10

// dynamic is the part of the dynamic section that is used. Addresses are virtual; 0 is none.
type dynamic struct {
	img                           *image
	hash, gnuHash, strtab, symtab uint64
	strsz                         uint64
	relocs, relocsSize            uint64
	soname                        string
	needed                        []string
}

// readDynamic returns the dynamic section; of a static program an empty one.
func (img *image) readDynamic() (*dynamic, error) {
	d := &dynamic{img: img}
	for _, s := range img.segments {
		if s.kind != ptDynamic {
			continue
		}
		if s.size > maxDynamic {
			return nil, fail(Malformed, "dynamic section of %d bytes", s.size)
		}
		table, err := img.bytes("dynamic section", s.offset, s.size)
		if err != nil {
			return nil, err
		}
		return d, d.parse(table)
	}
	return d, nil
}

func (d *dynamic) parse(table []byte) error {
	le := binary.LittleEndian
	var soname uint64
	var needed []uint64
	for ; len(table) >= 16; table = table[16:] {
		value := le.Uint64(table[8:])
		switch le.Uint64(table) {
		case 0: // DT_NULL
			table = table[:16]
		case dtNeeded:
			needed = append(needed, value)
		case dtSoname:
			soname = value
		case dtHash:
			d.hash = value
		case dtGNUHash:
			d.gnuHash = value
		case dtStrtab:
			d.strtab = value
		case dtSymtab:
			d.symtab = value
		case dtStrsz:
			d.strsz = value
		case dtRela:
			d.relocs = value
		case dtRelaSz:
			d.relocsSize = value
		}
	}
	for i, at := range append(needed, soname) {
		if at == 0 {
			continue
		}
		text, err := d.name(at)
		if err != nil {
			return err
		}
		if i == len(needed) {
			d.soname = text
		} else {
			d.needed = append(d.needed, text)
		}
	}
	return nil
}

// name returns the string at that position of the dynamic string table.
func (d *dynamic) name(at uint64) (string, error) {
	if at >= d.strsz {
		return "", fail(Malformed, "dynamic string at %#x of %#x", at, d.strsz)
	}
	offset, ok := d.img.locate(d.strtab, at+1, 0)
	if !ok {
		return "", fail(Malformed, "dynamic strings at address %#x", d.strtab)
	}
	return d.img.text("dynamic string", offset+at, maxName)
}

// needs says whether a library whose name begins so is to be loaded with the file.
func (d *dynamic) needs(prefix string) bool {
	for _, name := range d.needed {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}
