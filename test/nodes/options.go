package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Values of -layout and -cgroup.
const (
	layoutCgroupfs = "cgroupfs"
	layoutSystemd  = "systemd"
	cgroupHost     = "host"
	cgroupV2       = "v2"
)

// maxNodes and maxIndex are what the ranges of addresses have room for.
const (
	maxNodes = 9
	maxIndex = 9
)

// options say what to bring up.
type options struct {
	Name     string
	Index    int
	Nodes    int
	Layout   string
	Cgroup   string
	archives []string  // images
	programs []program // images to make
}

// program is a static program that becomes an image.
type program struct{ reference, file string }

var validName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,19}$`)

// nameFlag makes the flags that all commands have.
func nameFlag(command string) (*flag.FlagSet, *string) {
	f := flag.NewFlagSet("nodes "+command, flag.ContinueOnError)
	return f, f.String("name", "fathom", "`name` of the cluster")
}

// parse reads the flags. The error is flag.ErrHelp where package flag has said what is wrong.
func parse(f *flag.FlagSet, args []string, name *string, operands int) error {
	if err := f.Parse(args); err != nil {
		return flag.ErrHelp
	}
	if !validName.MatchString(*name) {
		return fmt.Errorf("-name %q: take up to 20 small letters, digits and hyphens", *name)
	}
	if f.NArg() != operands {
		return fmt.Errorf("%d arguments after the flags, want %d", f.NArg(), operands)
	}
	return nil
}

func parseUp(args []string) (*options, error) {
	o := &options{}
	f, name := nameFlag("up")
	f.IntVar(&o.Index, "index", 0, "`number` of the cluster, which chooses addresses: 10.(240+NUMBER).0.0/16")
	f.IntVar(&o.Nodes, "nodes", 2, "how many, a `number`")
	f.StringVar(&o.Layout, "layout", layoutCgroupfs, "whose cgroup paths containers get, those of the `driver` cgroupfs or systemd")
	f.StringVar(&o.Cgroup, "cgroup", cgroupHost, "`which` cgroup mounts nodes see: host or v2")
	f.Func("image", "`archive` of an image (docker save) to load, may be repeated", func(s string) error {
		o.archives = append(o.archives, s)
		return nil
	})
	f.Func("program", "`REFERENCE=FILE`: load an image that holds and runs this static program, may be repeated", func(s string) error {
		reference, file, ok := strings.Cut(s, "=")
		if !ok {
			return fmt.Errorf("%q is not REFERENCE=FILE", s)
		}
		o.programs = append(o.programs, program{reference, file})
		return nil
	})
	if err := parse(f, args, name, 0); err != nil {
		return nil, err
	}
	o.Name = *name
	return o, o.check()
}

func (o *options) check() error {
	switch {
	case o.Nodes < 1 || o.Nodes > maxNodes:
		return fmt.Errorf("-nodes %d: take 1 to %d", o.Nodes, maxNodes)
	case o.Index < 0 || o.Index > maxIndex:
		return fmt.Errorf("-index %d: take 0 to %d", o.Index, maxIndex)
	case o.Layout != layoutCgroupfs && o.Layout != layoutSystemd:
		return fmt.Errorf("-layout %q: take %s or %s", o.Layout, layoutCgroupfs, layoutSystemd)
	case o.Cgroup != cgroupHost && o.Cgroup != cgroupV2:
		return fmt.Errorf("-cgroup %q: take %s or %s", o.Cgroup, cgroupHost, cgroupV2)
	}
	for _, file := range o.files() {
		if info, err := os.Stat(file); err != nil || !info.Mode().IsRegular() {
			return fmt.Errorf("there is no file %s", file)
		}
	}
	return nil
}

func (o *options) files() []string {
	files := append([]string(nil), o.archives...)
	for _, p := range o.programs {
		files = append(files, p.file)
	}
	return files
}

// cacheFolder is where scripts/nodes.sh puts programs, and where the state of clusters is.
func cacheFolder() (string, error) {
	cache, err := os.UserCacheDir()
	return filepath.Join(cache, "fathom-nodes"), err
}
