package tlslib

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"strings"
	"testing"
)

// elfFile builds a program of x86-64 with one segment that holds everything, as the file is laid out,
// and what sections a test wants. Addresses are offsets plus 0x400000.
type elfFile struct {
	text     []byte
	sections []madeSection
	machine  Machine
}

type madeSection struct {
	name string
	kind uint32
	link uint32
	data []byte
}

const base = 0x400000

// bytes lays the file out: header, one program header, code at codeAt, the sections' data, names, headers.
func (e elfFile) bytes() []byte {
	le := binary.LittleEndian
	file := make([]byte, codeAt)
	file = append(file, e.text...)
	names := []byte{0}
	var headers []byte
	add := func(name string, kind, link uint32, data []byte) {
		for len(file)%8 != 0 {
			file = append(file, 0)
		}
		h := make([]byte, shdrSize)
		le.PutUint32(h, uint32(len(names)))
		le.PutUint32(h[4:], kind)
		le.PutUint64(h[16:], base+uint64(len(file)))
		le.PutUint64(h[24:], uint64(len(file)))
		le.PutUint64(h[32:], uint64(len(data)))
		le.PutUint32(h[40:], link)
		headers = append(headers, h...)
		names = append(append(names, name...), 0)
		file = append(file, data...)
	}
	headers = append(headers, make([]byte, shdrSize)...)
	for _, s := range e.sections {
		add(s.name, s.kind, s.link, s.data)
	}
	add(".shstrtab", 3, 0, append(bytes.Clone(names), ".shstrtab\x00"...))
	for len(file)%8 != 0 {
		file = append(file, 0)
	}
	copy(file, elfMagic)
	machine := e.machine
	if machine == 0 {
		machine = AMD64
	}
	le.PutUint16(file[16:], typeExec)
	le.PutUint16(file[18:], uint16(machine))
	le.PutUint64(file[32:], ehdrSize)
	le.PutUint64(file[40:], uint64(len(file)))
	le.PutUint16(file[54:], phdrSize)
	le.PutUint16(file[56:], 1)
	le.PutUint16(file[58:], shdrSize)
	le.PutUint16(file[60:], uint16(len(headers)/shdrSize))
	le.PutUint16(file[62:], uint16(len(headers)/shdrSize-1))
	p := file[ehdrSize:]
	le.PutUint32(p, ptLoad)
	le.PutUint32(p[4:], 7)
	le.PutUint64(p[16:], base)
	le.PutUint64(p[32:], uint64(len(file)))
	le.PutUint64(p[40:], uint64(len(file)))
	return append(file, headers...)
}

const codeAt = 0x100

// symtab makes a symbol table and its strings; each name's function is the code's.
func symtab(size int, names ...string) (table, strings []byte) {
	le := binary.LittleEndian
	table, strings = make([]byte, symSize), []byte{0}
	for _, name := range names {
		entry := make([]byte, symSize)
		le.PutUint32(entry, uint32(len(strings)))
		entry[4] = 0x12
		le.PutUint16(entry[6:], 1)
		le.PutUint64(entry[8:], base+codeAt)
		le.PutUint64(entry[16:], uint64(size))
		table = append(table, entry...)
		strings = append(append(strings, name...), 0)
	}
	return table, strings
}

// openSSL is a small program with functions of OpenSSL's names in .symtab.
func openSSL(text string, more ...string) elfFile {
	table, names := symtab(len(text), append([]string{"SSL_read", "SSL_write", "SSL_free"}, more...)...)
	return elfFile{text: []byte(text), sections: []madeSection{{".symtab", shtSymtab, 2, table}, {".strtab", 3, 0, names}}}
}

func inspectBytes(file []byte) (*File, error) {
	return Inspect(bytes.NewReader(file), int64(len(file)))
}

func TestSynthetic(t *testing.T) {
	found, err := inspectBytes(openSSL("\x55\x5d\xc3").bytes())
	if err != nil {
		t.Fatal(err)
	}
	l := found.Libraries[0]
	f := l.ByRole(RoleRead)[0]
	want := Site{codeAt, true}
	if l.Kind != OpenSSL || f.Entry != want || len(f.Exits) != 1 || f.Exits[0] != (Site{codeAt + 2, false}) || f.Uretprobe || f.UretprobeAt != want {
		t.Errorf("%+v", found)
	}
}

// TestReasons: each way in which nothing is found has its reason.
func TestReasons(t *testing.T) {
	change := func(file []byte, at int, to ...byte) []byte {
		copy(file[at:], to)
		return file
	}
	good := func() []byte { return openSSL("\x55\x5d\xc3").bytes() }
	foreignTable, foreignNames := symtab(1, "mbedtls_ssl_read")
	alone, aloneNames := symtab(1, "SSL_read")
	tests := []struct {
		name    string
		file    []byte
		reason  Reason
		library string
	}{
		{"empty", nil, Unsupported, ""},
		{"a script", []byte("#!/bin/sh\n" + strings.Repeat("#", 100)), Unsupported, ""},
		{"32 bits", change(good(), 4, 1), Unsupported, ""},
		{"big endian", change(good(), 5, 2), Unsupported, ""},
		{"object file", change(good(), 16, 1), Unsupported, ""},
		{"RISC-V", change(good(), 18, 243), Unsupported, ""},
		{"no program headers", change(good(), 56, 0), Malformed, ""},
		{"program headers beyond the end", change(good(), 32, 0xff, 0xff, 0xff), Malformed, ""},
		{"a segment beyond the end", change(good(), ehdrSize+32, 0xff, 0xff, 0xff, 0xff), Malformed, ""},
		{"code that is not executable", change(good(), ehdrSize+4, 4), Malformed, "openssl"},
		{"nothing", elfFile{text: []byte{0xc3}}.bytes(), NoTLS, ""},
		{"another library", elfFile{text: []byte{0xc3}, sections: []madeSection{
			{".symtab", shtSymtab, 2, foreignTable}, {".strtab", 3, 0, foreignNames}}}.bytes(), UnknownLibrary, "mbedtls"},
		{"one function", elfFile{text: []byte{0xc3}, sections: []madeSection{
			{".symtab", shtSymtab, 2, alone}, {".strtab", 3, 0, aloneNames}}}.bytes(), NoTLS, ""},
		{"a function that loops", openSSL("\x55\xff\xc9\x75\xfb\xc3").bytes(), Unprobeable, "openssl"},
		{"Go without its table", elfFile{text: []byte{0xc3}, sections: []madeSection{
			{".go.buildinfo", 1, 0, make([]byte, 64)}}}.bytes(), NoSymbols, "go"},
		{"Go of another version", elfFile{text: []byte{0xc3}, sections: []madeSection{
			{".gopclntab", 1, 0, append([]byte{0xfa, 0xff, 0xff, 0xff, 0, 0, 1, 8}, make([]byte, 128)...)}}}.bytes(), Unsupported, "go"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := inspectBytes(test.file)
			wantReason(t, err, test.reason, test.library)
		})
	}
}

// TestExplain: texts that libraries leave.
func TestExplain(t *testing.T) {
	tests := []struct {
		text    string
		reason  Reason
		library string
	}{
		{"built with OpenSSL 3.0.19 27 Jan 2026", NoTLS, ""},
		{"../ssl/ssl_lib.c\x00", NoSymbols, "openssl"},
		{"external/boringssl/src/ssl/ssl_lib.cc\x00", NoSymbols, "boringssl"},
		{"/registry/src/rustls-0.23.5/src/conn.rs", UnknownLibrary, "rustls"},
		{"wolfSSL_CTX_new", UnknownLibrary, "wolfssl"},
		{"CLIENT_HANDSHAKE_TRAFFIC_SECRET ", UnknownLibrary, "unknown"},
	}
	for _, test := range tests {
		file := elfFile{text: []byte(strings.Repeat("-", 2*chunk-20) + test.text)}.bytes()
		file[ehdrSize+4] = 4 // data
		wantReason(t, Explain(bytes.NewReader(file), int64(len(file))), test.reason, test.library)
	}
}

// manySymbols is a file of 110 MB with 1.3 million symbols, of which the last are OpenSSL's.
func manySymbols() []byte {
	names := make([]string, 0, 1300000)
	for range cap(names) {
		names = append(names, "_ZN4core3ptr85drop_in_place_SSL_of_something_long")
	}
	return openSSL("\x55\x5d\xc3", names...).bytes()
}

// TestLarge: a large table of symbols is read in pieces.
func TestLarge(t *testing.T) {
	file := manySymbols()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	found, err := inspectBytes(file)
	runtime.ReadMemStats(&after)
	if err != nil || len(found.Libraries) != 1 {
		t.Fatal(found, err)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 2<<20 {
		t.Errorf("%d bytes allocated for a file of %d", used, len(file))
	}
}

func BenchmarkLarge(b *testing.B) {
	file := manySymbols()
	b.ReportAllocs()
	b.SetBytes(int64(len(file)))
	for b.Loop() {
		if _, err := inspectBytes(file); err != nil {
			b.Fatal(err)
		}
	}
}
