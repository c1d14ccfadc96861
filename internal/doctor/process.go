package doctor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/fathomhq/fathom/internal/tlslib"
	"github.com/fathomhq/fathom/internal/tlswatch"
)

// Process says whether the TLS of one process would be read. Its JSON form is an interface: fields are added, not
// changed.
type Process struct {
	PID     int    `json:"pid"`
	Name    string `json:"name"`   // as in /proc/PID/comm; empty if that may not be read
	Status  Status `json:"status"` // ok or gap
	Opaque  string `json:"opaque"` // read, or why not: the label of the metrics
	Summary string `json:"summary"`
	Files   []File `json:"files"`
}

// File is the program of a process, or another file that it has mapped and that has to do with TLS.
type File struct {
	Name      string    `json:"name"` // as in /proc/PID/maps
	Program   bool      `json:"program"`
	Status    Status    `json:"status"` // ok; unneeded: no TLS in it; gap
	BuildID   string    `json:"build_id,omitempty"`
	Libraries []Library `json:"libraries,omitempty"`
	Error     string    `json:"error,omitempty"`
}

// Library is one TLS library in a file.
type Library struct {
	Kind      string   `json:"kind"`
	Version   string   `json:"version,omitempty"`
	Functions []string `json:"functions"` // that would be probed
}

// opaque says in words what the metrics say in one.
var opaque = map[tlswatch.Opaque]string{
	tlswatch.Read:           "TLS of this process is read, by an agent with --tls.",
	tlswatch.UnknownLibrary: "TLS of this process is not read: it has no TLS library that Fathom knows.",
	tlswatch.NoSymbols:      "TLS of this process is not read: the functions of its library cannot be found, or not be probed.",
	tlswatch.Java:           "TLS of this process is not read: Java has a TLS of its own.",
	tlswatch.NotPermitted:   "TLS of this process is not read: its files may not be read. As which user, and with which capabilities? See fathom doctor --tls.",
	tlswatch.ELF:            "TLS of this process is not read: its program or library contradicts itself, or cannot be read.",
}

// ExamineProcess says what an agent of this user and with these capabilities would find in a process. It attaches nothing.
func ExamineProcess(proc string, pid int) (Process, error) {
	found, err := tlswatch.Look(proc, pid)
	if errors.Is(err, fs.ErrPermission) {
		found.Opaque, err = tlswatch.NotPermitted, nil
	}
	if err != nil {
		return Process{}, err
	}
	comm, _ := os.ReadFile(filepath.Join(proc, strconv.Itoa(pid), "comm")) // it may have ended
	return processReport(pid, strings.TrimSuffix(string(comm), "\n"), found), nil
}

func processReport(pid int, name string, found tlswatch.Findings) Process {
	p := Process{PID: pid, Name: name, Status: Gap, Opaque: found.Opaque.String(), Summary: opaque[found.Opaque]}
	if found.Opaque == tlswatch.Read {
		p.Status = OK
	}
	for _, f := range found.Files {
		p.Files = append(p.Files, fileReport(f))
	}
	return p
}

func fileReport(f tlswatch.Finding) File {
	out := File{Name: f.Name, Program: f.Executable, Status: OK, BuildID: f.BuildID}
	if f.Err != nil {
		out.Status, out.Error = Gap, f.Err.Error()
		if tlslib.IsNoTLS(f.Err) {
			out.Status, out.Error = Unneeded, ""
		}
	}
	for _, l := range f.Libraries {
		library := Library{Kind: l.Kind.String(), Version: l.Version}
		for _, function := range l.Functions {
			if function.Role == tlslib.RoleSendFile {
				continue // the kernel encrypts, and nothing is probed
			}
			library.Functions = append(library.Functions, function.Symbol)
		}
		out.Libraries = append(out.Libraries, library)
	}
	return out
}

// WriteJSON writes the report for programs.
func (p Process) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(p)
}

// WriteText writes the report for people. Names, which the process chose, are quoted.
func (p Process) WriteText(w io.Writer) error {
	const nested = nameColumn + 2
	out := page{}
	fmt.Fprintf(&out.text, "Process %d %q\n\nFiles\n", p.PID, p.Name)
	for _, f := range p.Files {
		name := fmt.Sprintf("%q", f.Name)
		if f.Program {
			name += " (the program)"
		}
		fmt.Fprintf(&out.text, "%-*s%s\n", nameColumn, marks[f.Status], name)
		for _, l := range f.Libraries {
			out.more(nested, strings.TrimSpace(l.Kind+" "+quoted(l.Version))+": "+strings.Join(l.Functions, ", "))
		}
		switch {
		case f.Error != "":
			out.more(nested, "-> "+fmt.Sprintf("%q", f.Error))
		case f.Status == Unneeded:
			out.more(nested, "no TLS library")
		}
	}
	switch {
	case len(p.Files) > 0:
	case p.Opaque == tlswatch.NotPermitted.String():
		fmt.Fprintf(&out.text, "%-*s%s\n", nameColumn, marks[Gap], "may not be read: missing CAP_SYS_PTRACE, or a security module forbids it")
	default:
		fmt.Fprintf(&out.text, "%-*s%s\n", nameColumn, marks[Unneeded], "none that has to do with TLS")
	}
	out.text.WriteString("\n" + p.Summary + "\n")
	if p.Status != OK {
		fmt.Fprintf(&out.text, "In the metrics: fathom_connections_total{class=\"tls\", reason=%q}.\n", p.Opaque)
	}
	_, err := io.WriteString(w, out.text.String())
	return err
}

// quoted quotes a text that may hold anything, if it does.
func quoted(s string) string {
	if q := fmt.Sprintf("%q", s); len(q) != len(s)+2 {
		return q
	}
	return s
}
