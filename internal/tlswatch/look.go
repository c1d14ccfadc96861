package tlswatch

import (
	"context"
	"errors"
	"io/fs"
)

// seen is a file that a process maps executable, and what is known of it.
type seen struct {
	mapping
	file       *mapped // nil if there is an error, or if the file has no library that is known
	entry      *inspected
	err        error // why it could not be found or read
	executable bool  // the program that runs
}

// view is what one look at a process saw.
type view struct {
	files []seen
	java  bool
}

// close closes the files that have libraries.
func (v *view) close() {
	for _, s := range v.files {
		if s.file != nil {
			s.file.close()
		}
	}
}

// libraries returns the files that have libraries.
func (v *view) libraries() []seen {
	var found []seen
	for _, s := range v.files {
		if s.file != nil {
			found = append(found, s)
		}
	}
	return found
}

// look inspects all files that a process maps executable. Names do not decide: Node has OpenSSL in its
// program, and wheels of Python bring libraries under names of their own. The error is that of
// reading the maps; fs.ErrNotExist if the process is gone.
func (i *inspector) look(ctx context.Context, p procdir) (*view, error) {
	v := new(view)
	maps, err := p.maps()
	if err != nil {
		return v, err
	}
	program, programErr := p.executable()
	for _, m := range maps {
		if ctx.Err() != nil {
			return v, errSlow
		}
		s := i.see(ctx, p, m)
		s.executable = programErr == nil && s.entry != nil && s.entry.of.identity == program
		v.files = append(v.files, s)
		v.java = v.java || m.base() == javaVM
	}
	return v, nil
}

// javaVM is the library of every Java virtual machine of OpenJDK's kin, OpenJ9 included.
const javaVM = "libjvm.so"

func (i *inspector) see(ctx context.Context, p procdir, m mapping) seen {
	file, err := p.locate(m)
	if err != nil {
		if i.faults != nil {
			i.faults.count("open", err)
		}
		return seen{mapping: m, err: err}
	}
	entry, err := i.inspect(ctx, file)
	s := seen{mapping: m, entry: entry, err: err}
	if err == nil {
		s.err = entry.err
	}
	if s.err == nil {
		s.file = file
		return s
	}
	file.close()
	return s
}

// isGone tells whether an error says that the process is not there any more.
func isGone(err error) bool { return errors.Is(err, fs.ErrNotExist) }
