package vm

import (
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// module is a file of a kernel module, uncompressed.
type module struct {
	name string
	data []byte
}

// modules returns what has to be loaded for the named modules, in that order.
func (k *Kernel) modules(names []string) ([]module, error) {
	if len(names) == 0 {
		return nil, nil
	}
	deps, err := os.ReadFile(filepath.Join(k.modulesDir(), "modules.dep"))
	if err != nil {
		return nil, err
	}
	builtin, err := os.ReadFile(filepath.Join(k.modulesDir(), "modules.builtin"))
	if err != nil {
		return nil, err
	}
	files, err := loadOrder(string(deps), string(builtin), names)
	if err != nil {
		return nil, fmt.Errorf("kernel %s: %w", k.Name, err)
	}
	var all []module
	for _, file := range files {
		b, err := readCompressed(filepath.Join(k.modulesDir(), file))
		if err != nil {
			return nil, err
		}
		all = append(all, module{name: moduleName(file), data: b})
	}
	return all, nil
}

// loadOrder returns the files of the named modules and of what they depend on, each once and after
// what it depends on. deps and builtin are the contents of modules.dep and modules.builtin; what
// is built in needs no file.
func loadOrder(deps, builtin string, names []string) ([]string, error) {
	type entry struct {
		file  string
		needs []string // files, the first one depending on those after it
	}
	known := map[string]entry{}
	for line := range strings.Lines(deps) {
		if file, needs, ok := strings.Cut(line, ":"); ok {
			known[moduleName(file)] = entry{file, strings.Fields(needs)}
		}
	}
	inKernel := map[string]bool{}
	for line := range strings.Lines(builtin) {
		inKernel[moduleName(line)] = true
	}
	var order []string
	for _, name := range names {
		name = moduleName(name)
		m, ok := known[name]
		if !ok && inKernel[name] {
			continue
		}
		if !ok {
			return nil, fmt.Errorf("there is no module %s", name)
		}
		// depmod lists all that a module needs, also indirectly, the last to load first.
		needs := slices.Clone(m.needs)
		slices.Reverse(needs)
		for _, file := range append(needs, m.file) {
			if !slices.Contains(order, file) {
				order = append(order, file)
			}
		}
	}
	return order, nil
}

// moduleName returns the name of the module in a file; - and _ are one to the kernel.
func moduleName(file string) string {
	name, _, _ := strings.Cut(path.Base(strings.TrimSpace(file)), ".ko")
	return strings.ReplaceAll(name, "-", "_")
}

func readCompressed(file string) ([]byte, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	r, err := decompress(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if b, err = io.ReadAll(r); err != nil {
		return nil, fmt.Errorf("decompress %s: %w", file, err)
	}
	return b, nil
}
