package tlslib

// maxFunction bounds a function's code, and maxCode that of all functions of a file, since it is the
// analysis that takes time: 0.1 s for code that is made for it. Conn.Write of Go has 2 KB with all
// that is inlined.
const (
	maxFunction = 16 << 10
	maxCode     = 64 << 10
)

// code reads a function's code and returns where in the file it is.
func (img *image) code(name string, address, size uint64) ([]byte, uint64, error) {
	if size > maxFunction {
		return nil, 0, fail(Malformed, "%s has %d bytes", name, size)
	}
	if img.analysed += size; img.analysed > maxCode {
		return nil, 0, fail(TooMuchWork, "%s: functions of more than %d bytes", name, maxCode)
	}
	offset, ok := img.locate(address, max(size, 1), pfExecute)
	if !ok {
		return nil, 0, fail(Malformed, "%s: %d bytes at address %#x are not executable", name, size, address)
	}
	code, err := img.bytes(name, offset, size)
	return code, offset, err
}

// cFunction looks for the sites in a function of C.
func (img *image) cFunction(s symbol, role Role) (Function, error) {
	code, offset, err := img.code(s.name, s.address, s.size)
	if err != nil {
		return Function{}, err
	}
	f := Function{Role: role, Symbol: s.name, Address: s.address, Offset: offset, Size: s.size}
	m := isas[img.machine]
	if s.size == 0 { // an assembler's: its first instruction has to do
		f.Entry.Offset = offset
		if f.Uretprobe = role.Returns(); f.Uretprobe {
			f.UretprobeAt = f.Entry
		}
		return f, nil
	}
	l := m.trace(code)
	f.Uretprobe = role.Returns() && !l.enumerable()
	return f, f.place(l, m)
}

// place sets the sites of a function of C.
func (f *Function) place(l *listing, m isa) error {
	kept := m.kept(f.Role)
	entry, why := l.entry(kept, false)
	early, whyEarly := l.entry(kept|m.stack, false)
	switch {
	case why != "":
		return fail(Unprobeable, "%s has %s", f.Symbol, why)
	case whyEarly != "":
		return fail(Unprobeable, "%s has %s", f.Symbol, whyEarly)
	}
	f.Entry = f.site(l, entry)
	if !f.Role.Returns() {
		return nil
	}
	f.UretprobeAt = f.site(l, early)
	if f.Uretprobe { // one place, so that a call costs one trap before its return
		f.Entry = f.UretprobeAt
		return nil
	}
	for _, exit := range newGraph(l).exits(m.result, entry) {
		f.Exits = append(f.Exits, f.site(l, exit))
	}
	return nil
}

func (f *Function) site(l *listing, i int) Site {
	return Site{Offset: f.Offset + uint64(l.insts[i].at), Emulated: l.insts[i].emulated}
}

// enumerable says whether all ways out are returns that take a probe.
func (l *listing) enumerable() bool {
	returns := l.returns()
	for _, i := range returns {
		if l.insts[i].refused {
			return false
		}
	}
	return l.opaque == "" && len(returns) > 0
}
