// Package preemption tells whether the kernel preempts tasks that run in it, and so inside of BPF
// programs.
package preemption

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/fathomhq/fathom/internal/hostfile"
)

// Unknown is the name of a model that could not be found out.
const Unknown = "unknown"

// Model is when a kernel takes the CPU from a task that runs in it.
type Model struct {
	Name   string // none, voluntary, lazy, full, real-time; with "or" if either; unknown
	Source string // where that stands
}

const unknown = "unknown"

// Known tells whether a task certainly can be preempted inside a program.
func (m Model) Known() bool { return m.Possible() && m.Name != Unknown }

// Possible tells whether a task can be preempted inside a program; in doubt it can.
func (m Model) Possible() bool {
	return !slices.Contains([]string{"none", "voluntary", "none or voluntary"}, m.Name)
}

// Read asks the files below root about the running kernel, of which release and version are uname(2)'s: in this order: debugfs, which only root may read; the kernel's version string (see
// init/Makefile of Linux); where that says that the model is chosen at boot, the command line and the
// kernel's configuration.
func Read(root fs.FS, release, version string) Model {
	const debugfs = "sys/kernel/debug/sched/preempt"
	if model := parenthesized(hostfile.Read(root, debugfs)); model != "" {
		return Model{model, "/" + debugfs}
	}
	words := strings.Fields(version)
	switch {
	case slices.Contains(words, "PREEMPT_RT"):
		return Model{"real-time", "uname -v"}
	case slices.Contains(words, "PREEMPT_DYNAMIC"):
		return chosenPreemption(root, release)
	case slices.Contains(words, "PREEMPT"):
		if m := configured(root, release); m.Name != unknown {
			return m
		}
		return Model{"lazy or full", "uname -v"}
	default:
		return Model{"none or voluntary", "uname -v"}
	}
}

func chosenPreemption(root fs.FS, release string) Model {
	var chosen Model
	for word := range strings.FieldsSeq(hostfile.Read(root, "proc/cmdline")) {
		if model, ok := strings.CutPrefix(word, "preempt="); ok {
			chosen = Model{model, "/proc/cmdline"} // the last one counts
		}
	}
	if chosen.Name != "" {
		return chosen
	}
	return configured(root, release)
}

// configured returns the model that the kernel was configured with.
func configured(root fs.FS, release string) Model {
	for _, config := range []struct{ name, text string }{
		{"/proc/config.gz", gunzip(hostfile.Read(root, "proc/config.gz"))},
		{"/boot/config-" + release, hostfile.Read(root, "boot/config-"+release)},
	} {
		for option, model := range map[string]string{ // one of them is set
			"CONFIG_PREEMPT_NONE=y": "none", "CONFIG_PREEMPT_VOLUNTARY=y": "voluntary",
			"CONFIG_PREEMPT_LAZY=y": "lazy", "CONFIG_PREEMPT=y": "full",
		} {
			if strings.Contains(config.text, "\n"+option+"\n") {
				return Model{model, config.name}
			}
		}
	}
	return Model{Unknown, "chosen at boot; root can read /sys/kernel/debug/sched/preempt"}
}

func gunzip(compressed string) string {
	r, err := gzip.NewReader(bytes.NewReader([]byte(compressed)))
	if err != nil {
		return ""
	}
	text, err := io.ReadAll(io.LimitReader(r, hostfile.MaxSize))
	if err != nil {
		return ""
	}
	return string(text)
}

// parenthesized returns the (chosen) one of several values, as the kernel writes them.
func parenthesized(s string) string {
	_, rest, _ := strings.Cut(s, "(")
	value, _, found := strings.Cut(rest, ")")
	if !found {
		return ""
	}
	return value
}
