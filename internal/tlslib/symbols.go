package tlslib

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// symbol is a defined function.
type symbol struct {
	name          string
	address, size uint64
}

// maxSame bounds how many functions may have one name: versions of a symbol, or a local one
// beside a global one.
const maxSame = 4

// sttFunc is STT_FUNC of the ELF specification. Indirect functions (STT_GNU_IFUNC) are none of
// ours: their value is the resolver.
const sttFunc = 2

// decode reads an entry of a symbol table. It reports whether the entry is a defined function.
func (s *symbol) decode(entry []byte) bool {
	le := binary.LittleEndian
	s.address, s.size = le.Uint64(entry[8:]), le.Uint64(entry[16:])
	return entry[4]&0xf == sttFunc && le.Uint16(entry[6:]) != 0 && s.address != 0
}

// symbols collects functions, each address once a name.
type symbols []symbol

func (all *symbols) add(s symbol) {
	same := 0
	for _, other := range *all {
		if other.name == s.name {
			if other.address == s.address {
				return
			}
			same++
		}
	}
	if same < maxSame {
		*all = append(*all, s)
	}
}

// get returns the functions of that name.
func (all *symbols) get(name string) []symbol {
	var found []symbol
	for _, s := range *all {
		if s.name == name {
			found = append(found, s)
		}
	}
	return found
}

// dynamicSymbols finds the names among the exported functions: by the GNU hash table, or else,
// if there is the older one, which says how many symbols there are, by reading all of them.
func (img *image) dynamicSymbols(d *dynamic, names []string) (symbols, error) {
	switch {
	case d.symtab == 0 || d.strtab == 0:
		return nil, nil
	case d.gnuHash != 0:
		return img.hashedSymbols(d, names)
	case d.hash == 0:
		return nil, nil
	}
	header := make([]byte, 8)
	if err := img.readAt("DT_HASH", header, d.hash); err != nil {
		return nil, err
	}
	count := uint64(binary.LittleEndian.Uint32(header[4:])) // nchain, System V ABI, "Hash Table"
	table, ok := img.locate(d.symtab, count*symSize, 0)
	strings, ok2 := img.locate(d.strtab, d.strsz, 0)
	if !ok || !ok2 {
		return nil, fail(Malformed, "dynamic symbols: %d at address %#x", count, d.symtab)
	}
	return img.scanSymbols(extent{table, count * symSize}, extent{strings, d.strsz}, names)
}

// staticSymbols finds the names in .symtab, if there is one.
func (img *image) staticSymbols(names []string) (symbols, error) {
	for _, s := range img.sections {
		if s.kind == shtSymtab && s.size > 0 && uint64(s.link) < uint64(len(img.sections)) {
			return img.scanSymbols(s.extent, img.sections[s.link].extent, names)
		}
	}
	return nil, nil
}

// scanSymbols reads a whole symbol table without reading a name for each entry: it looks first
// for where the wanted names are in the strings (linkers let a name begin within another), then
// for entries that point there.
func (img *image) scanSymbols(table, strings extent, names []string) (symbols, error) {
	positions, err := img.findNames(strings, names)
	if err != nil || len(positions) == 0 {
		return nil, err
	}
	var found symbols
	table.size -= table.size % symSize
	err = img.each("symbol table", table, 0, func(_ uint64, piece []byte) bool {
		for ; len(piece) >= symSize; piece = piece[symSize:] {
			var s symbol
			if !s.decode(piece) {
				continue
			}
			if name, ok := positions[binary.LittleEndian.Uint32(piece)]; ok {
				s.name = name
				found.add(s)
			}
		}
		return true
	})
	return found, err
}

// findNames returns where in a string table the names are, with their NULs.
func (img *image) findNames(strings extent, names []string) (map[uint32]string, error) {
	longest := 0
	wanted := make(map[string]string)
	var prefixes []string // few, so that each piece is searched few times
	for _, name := range names {
		longest = max(longest, len(name))
		wanted[name] = name
		if prefix := name[:4]; !slices.Contains(prefixes, prefix) {
			prefixes = append(prefixes, prefix)
		}
	}
	positions := make(map[uint32]string)
	err := img.each("symbol names", strings, longest, func(at uint64, piece []byte) bool {
		for _, prefix := range prefixes {
			for from := 0; ; from++ {
				next := bytes.Index(piece[from:], []byte(prefix))
				if next < 0 {
					break
				}
				from += next
				text := piece[from:][:min(longest+1, len(piece)-from)]
				end := max(bytes.IndexByte(text, 0), 0)
				if name, ok := wanted[string(text[:end])]; ok {
					positions[uint32(at)+uint32(from)] = name
				}
			}
		}
		return len(positions) < maxPositions
	})
	return positions, err
}

// maxPositions bounds how often the names are in a table of strings. A linker has each string once.
const maxPositions = 4096

// isText says whether the name, with its NUL, stands at the beginning of text.
func isText(text []byte, name string) bool {
	return len(text) > len(name) && text[len(name)] == 0 && string(text[:len(name)]) == name
}
