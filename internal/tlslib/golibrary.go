package tlslib

import "bytes"

// goLibrary returns crypto/tls, nil if the program has none.
func (img *image) goLibrary() (*Library, error) {
	table, err := img.readPclntab()
	if err != nil {
		return nil, inLibrary(err, Go)
	}
	names := []string{goTCPRead}
	for _, r := range goRoles {
		names = append(names, r.name)
	}
	functions, err := table.find(names)
	if err != nil {
		return nil, inLibrary(err, Go)
	}
	l := &Library{Kind: Go, Version: img.goVersion(), TCPRead: functions[goTCPRead].address}
	for _, r := range goRoles {
		if g, ok := functions[r.name]; ok {
			f, err := img.goFunction(g, r.name, r.role)
			if err != nil {
				return nil, inLibrary(err, Go)
			}
			l.Functions = append(l.Functions, f)
		}
	}
	if !l.complete() {
		return nil, nil
	}
	return l, nil
}

// goFunction looks for the sites in a function of Go.
func (img *image) goFunction(g goFunction, name string, role Role) (Function, error) {
	if g.end <= g.address {
		return Function{}, fail(Malformed, "%s from %#x to %#x", name, g.address, g.end)
	}
	code, offset, err := img.code(name, g.address, g.end-g.address)
	if err != nil {
		return Function{}, err
	}
	f := Function{Role: role, Symbol: name, Address: g.address, Offset: offset, Size: g.end - g.address}
	if !hasGoPrologue(img.machine, code) {
		return f, fail(Malformed, "%s does not begin as a Go function", name)
	}
	m := isas[img.machine]
	l := m.sweep(code)
	if !l.enumerable() {
		return f, fail(Unprobeable, "%s has %s", name, l.opaque)
	}
	entry, why := l.entry(m.goArguments, true)
	if why != "" {
		return f, fail(Unprobeable, "%s has %s", name, why)
	}
	f.Entry = f.site(l, entry)
	if role.Returns() {
		for _, i := range l.returns() {
			f.Exits = append(f.Exits, f.site(l, i))
		}
	}
	return f, nil
}

// hasGoPrologue says whether code begins by looking at its stack's bound in the g, as every
// function with a frame does: cmd/internal/obj/x86/obj6.go and arm64/obj7.go, stacksplit. It
// shows that the table was read rightly.
func hasGoPrologue(m Machine, code []byte) bool {
	code = code[:min(len(code), 64)]
	if m == ARM64 {
		return bytes.Contains(code, []byte{0x90, 0x0b, 0x40, 0xf9}) // LDR 16(R28), R16
	}
	// CMP RSP or R12, 16(R14)
	return bytes.Contains(code, []byte{0x49, 0x3b, 0x66, 0x10}) || bytes.Contains(code, []byte{0x4d, 0x3b, 0x66, 0x10})
}
