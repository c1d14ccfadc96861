package tlslib

import "encoding/binary"

// maxChain bounds the symbols of one bucket. A linker aims at a handful.
const maxChain = 4096

// gnuHash is the hash table of DT_GNU_HASH. It has no specification but glibc: dl-lookup.c,
// do_lookup_x, and dl-setup_hash.c, _dl_setup_hash.
type gnuHash struct {
	buckets, first   uint32 // number of buckets, index of the first hashed symbol
	bucketAt, chains uint64 // addresses
}

func (img *image) readGNUHash(address uint64) (gnuHash, error) {
	header := make([]byte, 16)
	if err := img.readAt("DT_GNU_HASH", header, address); err != nil {
		return gnuHash{}, err
	}
	le := binary.LittleEndian
	h := gnuHash{buckets: le.Uint32(header), first: le.Uint32(header[4:])}
	if h.buckets == 0 {
		return h, fail(Malformed, "DT_GNU_HASH without buckets")
	}
	h.bucketAt = address + 16 + 8*uint64(le.Uint32(header[8:])) // after the Bloom filter
	h.chains = h.bucketAt + 4*uint64(h.buckets)
	return h, nil
}

// hashedSymbols looks the names up, without reading more of the tables than their chains.
func (img *image) hashedSymbols(d *dynamic, names []string) (symbols, error) {
	table, err := img.readGNUHash(d.gnuHash)
	if err != nil {
		return nil, err
	}
	var found symbols
	for _, name := range names {
		if err := img.lookup(d, table, name, &found); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// lookup adds the functions of one name to found.
func (img *image) lookup(d *dynamic, table gnuHash, name string, found *symbols) error {
	le := binary.LittleEndian
	word := make([]byte, 4)
	hash := gnuHashOf(name)
	if err := img.readAt("hash bucket", word, table.bucketAt+4*uint64(hash%table.buckets)); err != nil {
		return err
	}
	index := le.Uint32(word)
	if index < table.first { // an empty bucket
		return nil
	}
	for range maxChain {
		if err := img.readAt("hash chain", word, table.chains+4*uint64(index-table.first)); err != nil {
			return err
		}
		value := le.Uint32(word)
		if value|1 == hash|1 {
			if err := img.addNamed(d, index, name, found); err != nil {
				return err
			}
		}
		if value&1 != 0 { // the chain's last
			return nil
		}
		index++
	}
	return fail(Malformed, "hash chain of more than %d symbols", maxChain)
}

// addNamed adds the symbol if it is a defined function of that name.
func (img *image) addNamed(d *dynamic, index uint32, name string, found *symbols) error {
	entry := make([]byte, symSize)
	if err := img.readAt("dynamic symbol", entry, d.symtab+symSize*uint64(index)); err != nil {
		return err
	}
	s := symbol{name: name}
	if !s.decode(entry) {
		return nil
	}
	text := make([]byte, len(name)+1)
	if err := img.readAt("symbol name", text, d.strtab+uint64(binary.LittleEndian.Uint32(entry))); err != nil {
		return nil //nolint:nilerr // another name of the same hash, shorter than this and the table's last
	}
	if isText(text, name) {
		found.add(s)
	}
	return nil
}

// gnuHashOf is dl_new_hash of glibc's dl-new-hash.h.
func gnuHashOf(name string) uint32 {
	hash := uint32(5381)
	for i := range len(name) {
		hash = hash*33 + uint32(name[i])
	}
	return hash
}
