package workload

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/fathomhq/fathom/internal/kernel"
)

const (
	// maxAsked bounds how many processes of one name are asked for their program: they nearly always have the same.
	maxAsked = 64
	// maxArgument bounds what is read of a command line in search of the end of its first word: PATH_MAX.
	maxArgument = 4096
)

// vague are names that a runtime gives to the main threads of all its programs, and so to their processes. Programs
// may call themselves so, too.
var vague = map[string]bool{
	"MainThread":      true, // Node.js since 24: https://github.com/nodejs/node/pull/56416
	"node-MainThread": true, // Node.js since 26: https://github.com/nodejs/node/pull/61307
}

// isVague tells whether a command, as the kernel side saw it, does not tell who a process is. None is another matter: no
// process was seen.
func isVague(command string) bool {
	return vague[command] || command != "" && strings.TrimSpace(command) == ""
}

// executable returns what the program of a workload's processes is called, empty if they have ended, have several or
// may not be asked.
func (r *Resolver) executable(w kernel.Workload, since int) string {
	pids, _ := r.processes(w.CgroupID, since)
	name, asked := "", 0
	for _, pid := range pids {
		its := r.executableOf(pid, w.Command)
		switch {
		case its == "":
			continue
		case name != "" && its != name:
			return ""
		}
		name = its
		if asked++; asked == maxAsked {
			break
		}
	}
	return name
}

// executableOf returns the name of the program of one process, if it has the command. The directory is held
// open, so that all is of the same process. Its link exe is for those who may trace the process, which an agent that has
// given up its capabilities mostly may not: then the command line begins with the name, unless the process has changed that.
func (r *Resolver) executableOf(pid, command string) string {
	dir, err := os.OpenRoot(filepath.Join(r.proc, pid))
	if err != nil {
		return ""
	}
	defer func() { _ = dir.Close() }() // nothing was written
	if comm, err := readUpTo(dir, "comm", maxArgument); err != nil || string(bytes.TrimSuffix(comm, []byte("\n"))) != command {
		return ""
	}
	path, err := dir.Readlink("exe")
	if err != nil {
		line, err := readUpTo(dir, "cmdline", maxArgument)
		if err != nil {
			return ""
		}
		path, _, _ = strings.Cut(string(line), "\x00")
	}
	path = strings.TrimSuffix(path, " (deleted)") // proc_pid_exe(5)
	return path[strings.LastIndexByte(path, '/')+1:]
}

// readUpTo reads the beginning of a file.
func readUpTo(dir *os.Root, name string, most int64) ([]byte, error) {
	f, err := dir.Open(name)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, most))
	return data, errors.Join(err, f.Close())
}
