package protocol

import "strings"

// Class is what a connection was found to carry.
type Class struct {
	// Name is the value of the label class, Title the same for people.
	Name, Title string
	// Protocol is the one that is read, alone or as the carrier of others; nil: none is.
	Protocol *Protocol
	// Hides: there may be exchanges on such connections that are not in the metrics, as Fathom could not read them.
	Hides bool
	// Advice says what can be done about connections that are not read; Markdown's backquotes may be in it.
	Advice string

	enumerator string
}

// Idle is the class of connections on which nothing was said.
const Idle = "idle"

// others are the classes that are no protocol's.
func others() []Class {
	return []Class{
		{Name: Idle, Title: "idle", enumerator: "CLASS_UNKNOWN"},
		{Name: "tls", Title: "TLS, not read", Hides: true, enumerator: "CLASS_TLS",
			Advice: "Start the agent with `--tls`: it then reads TLS at the library."},
		{Name: "mptcp", Title: "Multipath TCP", Hides: true, enumerator: "CLASS_MPTCP",
			Advice: "Multipath TCP cannot be read. A Go server speaks plain TCP with `GODEBUG=multipathtcp=0`."},
		{Name: Other, Title: "another protocol", enumerator: "CLASS_OTHER",
			Advice: "None that Fathom reads: SSH, for instance. Nothing to do; its TCP numbers are complete."},
		{Name: "unreadable", Title: "unreadable", Hides: true, enumerator: "CLASS_UNREADABLE",
			Advice: "With `--attach-mode=trampoline` the agent sees more of them, where the kernel has it."},
	}
}

// classes are by the kernel side's number; without a name where it has none.
var classes = func() []Class {
	list := others()
	for _, p := range byNumber {
		if p != nil && p.Carrier == nil {
			list = append(list, Class{Name: p.Name, Title: p.Title, Protocol: p, enumerator: "CLASS_" + strings.ToUpper(p.Name)})
		}
	}
	out := make([]Class, len(Enumerators("conn_class")))
	for i, e := range Enumerators("conn_class") {
		for _, c := range list {
			if c.enumerator == e {
				out[i] = c
			}
		}
	}
	return out
}()

// Classes returns all classes: first those that are read.
func Classes() (list []Class) {
	for _, read := range []bool{true, false} {
		for _, c := range classes {
			if c.Name != "" && (c.Protocol != nil) == read {
				list = append(list, c)
			}
		}
	}
	return list
}

// ClassNumbered returns the class that the kernel side gives a number.
func ClassNumbered(n int) Class {
	if n >= 0 && n < len(classes) {
		return classes[n]
	}
	return Class{}
}

// ClassNamed returns the class of a name; one that has only this name if there is none.
func ClassNamed(name string) Class {
	for _, c := range classes {
		if c.Name == name {
			return c
		}
	}
	return Class{Name: name, Title: name}
}
