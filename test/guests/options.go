package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// options are the flags of a run of the matrix.
type options struct {
	guests  []guest
	modes   []string // all without one
	run     string   // replaces what the jobs run
	out     string
	memory  int
	atOnce  int
	verbose bool
	list    bool
}

// parseOptions reads the flags; errors are those of package flag, or say what does not exist.
func parseOptions(args []string, root string) (*options, error) {
	o := &options{}
	f := flag.NewFlagSet("guests", flag.ContinueOnError)
	names := f.String("guests", "", "run only in these guests: `NAMES` between commas")
	modes := f.String("modes", "", "run only in these attach modes: `NAMES` between commas; auto is what runs once per guest")
	f.StringVar(&o.run, "run", "", "run the tests that match this `REGEXP`, instead of those in the table of jobs")
	f.StringVar(&o.out, "out", filepath.Join(root, outDir), "folder for results and binaries")
	f.IntVar(&o.memory, "m", defaultMemory, "memory of each guest in `MiB`")
	f.IntVar(&o.atOnce, "j", (3*runtime.NumCPU()+1)/2, "how many `guests` run side by side; each takes two thirds of a CPU")
	f.BoolVar(&o.verbose, "v", false, "print what the tests print")
	f.BoolVar(&o.list, "list", false, "list guests and jobs, and run nothing")
	if err := f.Parse(args); err != nil {
		return nil, flag.ErrHelp // it has said why
	}
	if f.NArg() != 0 {
		return nil, fmt.Errorf("what is %q? There are the flags of -help, and the command run", f.Arg(0))
	}
	if _, err := regexp.Compile(o.run); err != nil {
		return nil, fmt.Errorf("-run: %w", err)
	}
	if o.atOnce < 1 {
		return nil, errors.New("-j has to be 1 at least")
	}
	var err error
	if o.guests, err = chooseGuests(split(*names)); err != nil {
		return nil, err
	}
	o.modes = split(*modes)
	for _, mode := range o.modes {
		if !slices.Contains([]string{auto, tracepoint, trampoline, kprobe}, mode) {
			return nil, fmt.Errorf("there is no mode %q", mode)
		}
	}
	o.guests = slices.DeleteFunc(o.guests, func(g guest) bool { return len(o.plan(g)) == 0 })
	if len(o.guests) == 0 {
		return nil, errors.New("nothing runs in these guests and modes")
	}
	return o, nil
}

func split(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

func chooseGuests(names []string) ([]guest, error) {
	if len(names) == 0 {
		return slices.Clone(guests), nil
	}
	var chosen []guest
	for _, name := range names {
		g := guestNamed(name)
		if g.modes == nil {
			return nil, fmt.Errorf("there is no guest %q; -list shows what there is", name)
		}
		chosen = append(chosen, g)
	}
	return chosen, nil
}

// partial tells whether less runs than the whole matrix.
func (o *options) partial() bool {
	return len(o.guests) < len(guests) || len(o.modes) > 0 || o.run != ""
}

// planned is a job in one mode.
type planned struct {
	job
	mode string
	name string // of its files; no other job of the guest has it
}

// plan returns what runs in the guest, in this order: mode after mode.
func (o *options) plan(g guest) []planned {
	var all []planned
	names := map[string]int{}
	for _, mode := range append([]string{auto}, g.modes...) {
		if len(o.modes) > 0 && !slices.Contains(o.modes, mode) {
			continue
		}
		for _, j := range jobs {
			if !slices.Contains(j.modesOf(g), mode) || (j.asked && o.run == "") {
				continue
			}
			if o.run != "" {
				j.run, j.skip, j.env = o.run, "", nil
			}
			name := mode + "-" + strings.ReplaceAll(strings.TrimPrefix(j.pkg, "./"), "/", "-")
			if names[name]++; names[name] > 1 {
				name += fmt.Sprintf("-%d", names[name])
			}
			all = append(all, planned{j, mode, name})
		}
	}
	return all
}

// printPlan lists what would run.
func (o *options) printPlan(w io.Writer) error {
	table := [][]string{{"guest", "mode", "package", "tests", "but not"}}
	for _, g := range o.guests {
		for _, p := range o.plan(g) {
			table = append(table, []string{g.name, p.mode, p.pkg, p.run, p.skip})
		}
	}
	_, err := io.WriteString(w, align(table))
	return err
}
