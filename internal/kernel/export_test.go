package kernel

import "github.com/cilium/ebpf"

// What the test of the documents, which is outside of the package, compares them with.
const ReturnsFollowed = returnsFollowed

// WithDefaults fills in what is not set.
func (o Options) WithDefaults() (Options, error) { return o.withDefaults() }

// SizedObject is the object of this architecture, with the maps as large as the options say.
func SizedObject(o Options) (*ebpf.CollectionSpec, error) {
	spec, err := loadBpf()
	if err != nil {
		return nil, err
	}
	return spec, sizeMaps(spec, o, &facts{fetchingAtomics: true})
}

// TapPrograms returns how many programs are loaded for the taps on a kernel that has the first way of each in this mode, and at how
// many places they are attached.
func TapPrograms(mode Mode, major, minor uint32) (loaded, places int) {
	running := linux(major, minor)
	for _, t := range taps {
		w := t.waysFor(mode, running, false)[0]
		once := make(map[string]bool)
		for _, h := range w.all() {
			if h.until != 0 && running >= h.until {
				continue
			}
			places++
			if w.twice || !once[h.program] {
				loaded++
			}
			once[h.program] = true
		}
	}
	return loaded, places
}

// TapCount is how many taps there are.
func TapCount() int { return len(taps) }

// TLSPrograms returns how many programs are for the functions of TLS libraries, and how many for tracepoints besides.
func TLSPrograms() (functions, tracepoints int) { return len(tlsProgramNames), len(tlsTracepointNames) }
