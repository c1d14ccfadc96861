package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/fathomhq/fathom/test/guests/vm"
	"github.com/fathomhq/fathom/test/guests/wire"
)

const runUsage = `usage: guests run [FLAGS] GUEST BINARY [ARGS...]

Boots GUEST, runs one command there as root, and ends with its exit status; 124 if it ran out of
time, 125 if the guest failed. GUEST is a guest of the matrix (guests -list) or a kernel of
scripts/kernels.sh. BINARY is a static binary of this machine, copied to /work, or else a path in
the guest, which has no programs of its own.

`

// oneRun is a command to run in a guest.
type oneRun struct {
	guest    guest
	args     []string
	env      []string
	memory   int
	cpus     int
	limit    time.Duration
	dir, out string
	modules  string
	append   string
	verbose  bool
}

// runOne is `guests run`. It returns the command's exit status.
func runOne(ctx context.Context, args []string) (int, error) {
	r, err := parseRun(args)
	if err != nil {
		return 0, err
	}
	root, err := repository(ctx)
	if err != nil {
		return 0, err
	}
	if err := fetchKernels(ctx, root, []string{r.guest.kernel}); err != nil {
		return 0, err
	}
	kernel, err := vm.FindKernel(r.guest.kernel)
	if err != nil {
		return 0, err
	}
	b := builder{root: root, out: filepath.Join(root, outDir)}
	files, task, err := r.files(ctx, b, kernel.Arch)
	if err != nil {
		return 0, err
	}
	console, err := os.CreateTemp("", "fathom-console-")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.Remove(console.Name()) }()
	defer console.Close()
	m := &vm.Machine{
		Kernel: kernel, MemoryMiB: r.memory, CPUs: r.cpus,
		CommandLine: strings.TrimSpace(r.guest.commandLine + " " + r.append),
		Modules:     strings.Fields(r.modules), Files: files, Console: console.Name(), Out: r.out,
	}
	o := &runObserver{w: os.Stdout, start: time.Now(), verbose: r.verbose}
	// The guest keeps the limit itself; this is for one that hangs.
	ctx, cancel := context.WithTimeout(ctx, r.limit+bootLimit)
	defer cancel()
	if _, err := m.Run(ctx, []wire.Task{task}, o); err != nil {
		return 0, err
	}
	if o.status.TimedOut {
		return 0, fmt.Errorf("%s did not end within %v: %w", task.Args[0], r.limit, context.DeadlineExceeded)
	}
	return o.status.Code, nil
}

func parseRun(args []string) (*oneRun, error) {
	r := &oneRun{}
	f := flag.NewFlagSet("guests run", flag.ContinueOnError)
	f.Usage = func() {
		_, _ = io.WriteString(f.Output(), runUsage)
		f.PrintDefaults()
	}
	f.IntVar(&r.memory, "m", defaultMemory, "memory in `MiB`")
	f.IntVar(&r.cpus, "c", defaultCPUs, "`CPUs`, which share one of this machine")
	seconds := f.Int("t", 600, "time limit in `seconds`")
	f.StringVar(&r.dir, "d", "", "folder whose contents are copied to /work, where the command runs")
	f.StringVar(&r.out, "o", "", "folder for what the command leaves in /out")
	f.StringVar(&r.modules, "l", strings.Join(defaultModules, " "), "kernel `modules` to load, with what they depend on")
	f.StringVar(&r.append, "a", "", "more `arguments` of the kernel, such as preempt=full")
	f.BoolVar(&r.verbose, "v", false, "print times and the kernel's warnings to stderr")
	f.Func("e", "`K=V` of the command's environment; may be repeated", func(s string) error {
		if !strings.Contains(s, "=") {
			return fmt.Errorf("%q is not K=V", s)
		}
		r.env = append(r.env, s)
		return nil
	})
	if err := f.Parse(args); err != nil {
		return nil, flag.ErrHelp // it has said why
	}
	if f.NArg() < 2 {
		f.Usage()
		return nil, flag.ErrHelp
	}
	r.guest, r.args, r.limit = guestNamed(f.Arg(0)), f.Args()[1:], time.Duration(*seconds)*time.Second
	return r, nil
}

// files returns what is in the guest, and the task that runs there.
func (r *oneRun) files(ctx context.Context, b builder, arch string) (vm.Files, wire.Task, error) {
	task := wire.Task{Args: r.args, Env: r.env, Dir: wire.Work, Out: wire.Out, Limit: r.limit}
	initBinary, err := b.program(ctx, initPackage, arch)
	if err != nil {
		return nil, task, err
	}
	files := vm.Files{wire.Init: initBinary}
	if r.dir != "" {
		files[wire.Work] = r.dir
	}
	if info, err := os.Stat(r.args[0]); err == nil && info.Mode().IsRegular() {
		inGuest := path.Join(wire.Work, filepath.Base(r.args[0]))
		files[inGuest] = r.args[0]
		task.Args = append([]string{inGuest}, r.args[1:]...)
	}
	return files, task, nil
}

// runObserver prints what the one task prints.
type runObserver struct {
	w       io.Writer
	start   time.Time
	verbose bool
	status  wire.Status
}

// Ready says how long the guest took to boot.
func (o *runObserver) Ready(release string) {
	if o.verbose {
		fmt.Fprintf(os.Stderr, "guests: kernel %s is up after %.1f s\n", release, time.Since(o.start).Seconds())
	}
}

// Output prints.
func (o *runObserver) Output(_ int, p []byte) { _, _ = o.w.Write(p) }

// Exit keeps the status.
func (o *runObserver) Exit(_ int, s wire.Status) {
	o.status = s
	if o.verbose {
		fmt.Fprintf(os.Stderr, "guests: exit status %d after %.1f s in the guest\n", s.Code, s.Elapsed.Seconds())
	}
}

// Log prints the kernel's warnings, and what is worse (levels 4 to 0).
func (o *runObserver) Log(text string) {
	for line := range strings.Lines(text) {
		if o.verbose && line >= "<0>" && line < "<5>" {
			fmt.Fprint(os.Stderr, line)
		}
	}
}
