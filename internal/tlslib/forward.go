package tlslib

import "slices"

// dropForwards takes out functions that the code shows to be mere calls of another that is there.
func (img *image) dropForwards(l *Library, a api) error {
	for from, to := range a.forwards {
		targets := functionsNamed(l, to)
		for _, f := range functionsNamed(l, from) {
			if len(targets) == 0 {
				break
			}
			code, _, err := img.code(f.Symbol, f.Address, f.Size)
			if err != nil {
				return err
			}
			if isas[img.machine].trace(code).forwards(f.Address, targets) {
				l.Functions = slices.DeleteFunc(l.Functions, func(other Function) bool {
					return other.Symbol == f.Symbol && other.Address == f.Address
				})
			}
		}
	}
	return nil
}

func functionsNamed(l *Library, name string) []Function {
	var found []Function
	for _, f := range l.Functions {
		if f.Symbol == name {
			found = append(found, f)
		}
	}
	return found
}

// forwards says whether the function at that address goes on to one of the targets: by a direct
// jump or call, or, where that goes by way of the procedure linkage table, as the only one it has.
func (l *listing) forwards(address uint64, targets []Function) bool {
	out := 0
	for _, i := range l.insts {
		leaves := i.target < 0 || i.target >= l.size
		if !i.direct || !leaves {
			continue
		}
		out++
		to := address + uint64(int64(i.target))
		if slices.ContainsFunc(targets, func(f Function) bool { return f.Address == to }) {
			return true
		}
	}
	return out == 1 && len(l.insts) <= maxForward
}

// maxForward is how many instructions a function has that only passes its arguments on.
const maxForward = 24
