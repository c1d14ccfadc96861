package protocol

import (
	"strconv"
	"strings"
)

// Names are those of numbers. Numbers without a name are left out of the metrics' labels: what has them is "other".
type Names struct {
	enum  string   // that they are of; empty: they are codes
	names []string // by number; empty: none
}

// Name returns the name of a number, or nothing.
func (n Names) Name(number int) string {
	if number >= 0 && number < len(n.names) {
		return n.names[number]
	}
	return ""
}

// All returns the names in the order of their numbers.
func (n Names) All() (all []string) {
	for _, name := range n.names {
		if name != "" {
			all = append(all, name)
		}
	}
	return all
}

// AreCodes reports whether the numbers are the protocol's own, and name themselves.
func (n Names) AreCodes() bool { return n.enum == "" }

// enumerated are the names of an enumeration of the kernel side. name makes them of the enumerators; it returns nothing where
// there is to be none.
func enumerated(enum string, name func(enumerator string) string) Names {
	n := Names{enum: enum, names: make([]string, len(Enumerators(enum)))}
	for i, e := range Enumerators(enum) {
		if e != "" {
			n.names[i] = name(e)
		}
	}
	return n
}

// without returns a function that takes away what all enumerators begin with.
func without(prefix string) func(string) string {
	return func(enumerator string) string {
		name, ok := strings.CutPrefix(enumerator, prefix)
		if !ok {
			return ""
		}
		return name
	}
}

// codes are numbers that the protocol itself writes.
func codes(first, last int) Names {
	n := Names{names: make([]string, last+1)}
	for c := first; c <= last; c++ {
		n.names[c] = strconv.Itoa(c)
	}
	return n
}

// Enumerators returns the enumerators of one of the kernel side's enumerations, by number; empty where a number has none. The one that
// counts them is left out.
func Enumerators(enum string) []string { return enumerators[enum] }

// Enums returns the names of the enumerations that the list needs: see gen.
func Enums() []string {
	enums := []string{"conn_class", "protocol"}
	for _, p := range all() {
		for _, n := range []Names{p.Operations, p.Statuses} {
			if n.enum != "" {
				enums = append(enums, n.enum)
			}
		}
	}
	return enums
}
