package tlswatch

import (
	"context"
	"fmt"

	"github.com/fathomhq/fathom/internal/tlslib"
)

// Findings say what a process maps and what would be told about it.
type Findings struct {
	// Opaque is [Read] if there is a library that can be probed, and else the reason why there is none,
	// given that the process speaks TLS.
	Opaque Opaque
	Files  []Finding
}

// Finding is what was found out about one file.
type Finding struct {
	Name       string // as /proc/PID/maps has it, quoted by the one who prints it
	Executable bool   // it is the program itself
	BuildID    string
	Libraries  []tlslib.Library
	// Err is a [*tlslib.Error], or why the file could not be read. It is nil if there are libraries.
	Err error
}

// Look says what can be read of a process, and attaches nothing. Files that have nothing to do with TLS
// are left out, except for the program. proc is as in [Options].
func Look(proc string, pid int) (Findings, error) {
	p, err := openProcess(proc, uint32(pid))
	if err != nil {
		return Findings{}, fmt.Errorf("look at process %d: %w", pid, err)
	}
	defer p.close()
	// Whoever asks by hand waits, and can interrupt.
	ctx := context.Background()
	v, err := newInspector().look(ctx, p)
	if err != nil {
		return Findings{}, fmt.Errorf("look at process %d: %w", pid, err)
	}
	defer v.close()
	why := make(map[string]error)
	explain := explainer(newGuard(), p)
	found := Findings{Opaque: Read}
	if len(v.libraries()) == 0 {
		found.Opaque = v.opaque(ctx, func(ctx context.Context, s seen) error {
			why[s.name] = explain(ctx, s)
			return why[s.name]
		})
	}
	for _, s := range v.files {
		if s.file != nil || s.speaksTLS() || s.base() == javaVM || !tlslib.IsNoTLS(s.err) {
			found.Files = append(found.Files, s.finding(why[s.name]))
		}
	}
	return found, nil
}

func (s seen) finding(why error) Finding {
	f := Finding{Name: s.name, Executable: s.executable, Err: s.err}
	if why != nil {
		f.Err = why
	}
	if s.file != nil {
		f.BuildID, f.Libraries = s.entry.libs.BuildID, s.entry.libs.Libraries
	}
	return f
}
