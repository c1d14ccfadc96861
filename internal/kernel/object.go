package kernel

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
)

// readObject returns this version's BPF object, or that of Options.Object, completed.
func readObject(other []byte, log *slog.Logger) (*ebpf.CollectionSpec, error) {
	own, err := loadBpf()
	if err != nil || other == nil {
		return own, err
	}
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(other))
	if err != nil {
		return nil, err
	}
	if less, more := differences(own.Variables, spec.Variables), differences(spec.Variables, own.Variables); less+more != "" {
		log.Warn("the object has other variables", "missing", less, "kept as they are", more)
	}
	if less, more := differences(own.Maps, spec.Maps), differences(spec.Maps, own.Maps); less+more != "" {
		log.Warn("the object has other maps", "missing", less, "kept as they are", more)
	}
	complete(spec, own)
	return spec, nil
}

// differences lists what a has and b lacks. Variables that only carry a type to Go are of no matter.
func differences[V any](a, b map[string]V) string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(a)) {
		if _, ok := b[name]; !ok && !strings.HasPrefix(name, "export_") {
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}

// complete gives a collection the maps of own that it lacks. Its programs do not use them; they stand where this version
// expects one.
func complete(spec, own *ebpf.CollectionSpec) {
	for name, m := range own.Maps {
		if _, ok := spec.Maps[name]; !ok && !strings.HasPrefix(name, ".") { // those with a dot hold variables
			spec.Maps[name] = m.Copy()
		}
	}
}

// clearWhole zeroes the first n elements of an array whose elements may be those of another version.
func clearWhole(m *ebpf.Map, n int) error {
	zero := make([]byte, m.ValueSize())
	for i := range min(uint32(n), m.MaxEntries()) {
		if err := m.Put(i, zero); err != nil {
			return fmt.Errorf("clear %s: %w", m, err)
		}
	}
	return nil
}
