package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fathomhq/fathom/test/guests/vm"
	"github.com/fathomhq/fathom/test/guests/wire"
)

// Beyond a job's limit, at which Go's own timeout tells what hangs: the init ends it after grace,
// and QEMU ends after grace for each job.
const grace = 45 * time.Second

// guest boots one and runs its jobs. Whatever goes wrong in the guest is part of the result; the
// error is for what goes wrong here.
func (s *suite) guest(ctx context.Context, g guest) (*guestResult, error) {
	kernel, err := vm.FindKernel(g.kernel)
	if err != nil {
		return nil, err
	}
	dir := s.folder(g)
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	plan := s.plan(g)
	files, err := s.files(ctx, plan, kernel.Arch)
	if err != nil {
		return nil, err
	}
	limit := bootLimit
	var tasks []wire.Task
	for _, p := range plan {
		tasks = append(tasks, p.task(g))
		limit += p.limit + 2*grace
	}
	m := &vm.Machine{
		Kernel: kernel, MemoryMiB: s.memory, CPUs: defaultCPUs, CommandLine: g.commandLine,
		Modules: slices.Concat(defaultModules, g.modules), Files: files, Console: filepath.Join(dir, "console.log"), Out: filepath.Join(dir, "out"),
	}
	o := &guestObserver{suite: s, dir: dir, plan: plan, start: time.Now(), result: &guestResult{Name: g.name}}
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cpu, err := m.Run(limited, tasks, o)
	o.end(cpu)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case o.err != nil:
		return nil, o.err
	case err != nil:
		o.result.Error = err.Error()
	}
	s.terminal.printf("%-12s done after %.0f s, %.0f s of CPU", g.name, o.result.Seconds, o.result.CPU)
	return o.result, nil
}

// files returns what is in the guest.
func (s *suite) files(ctx context.Context, plan []planned, arch string) (vm.Files, error) {
	files := vm.Files{
		wire.Init:                      s.built[arch+initPackage],
		path.Join(wire.Work, "fathom"): s.built[arch+fathomPackage],
	}
	for _, p := range plan {
		files[path.Join(p.dir(), testBinary)] = s.built[arch+p.pkg]
		if err := addPackage(files, p.dir(), filepath.Join(s.builder.root, p.pkg)); err != nil {
			return nil, err
		}
		for _, program := range p.programs {
			if err := addProgram(ctx, files, program); err != nil {
				return nil, err
			}
		}
	}
	return files, nil
}

// addProgram adds a program of this machine, and the libraries that it needs at the paths that they have here.
func addProgram(ctx context.Context, files vm.Files, name string) error {
	program, err := exec.LookPath(name)
	if err != nil {
		return err
	}
	files[path.Join("/bin", name)] = program
	out, err := exec.CommandContext(ctx, "ldd", program).Output()
	if err != nil {
		return fmt.Errorf("ask for the libraries of %s: %w", name, err)
	}
	for _, library := range libraries(string(out)) {
		files[library] = library
	}
	return nil
}

// libraries are the paths that ldd prints: "NAME => PATH (ADDRESS)", and "PATH (ADDRESS)" for the loader.
func libraries(ldd string) []string {
	var all []string
	for word := range strings.FieldsSeq(ldd) {
		if path.IsAbs(word) {
			all = append(all, word)
		}
	}
	return all
}

// addPackage adds what a test finds in its working directory: testdata, and files other than Go's.
func addPackage(files vm.Files, to, from string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() == "testdata" || e.Type().IsRegular() && filepath.Ext(e.Name()) != ".go" {
			files[path.Join(to, e.Name())] = filepath.Join(from, e.Name())
		}
	}
	return nil
}

const testBinary = "package.test"

// dir is the job's working directory in the guest.
func (p planned) dir() string { return path.Join(wire.Work, p.pkg) }

func (p planned) task(g guest) wire.Task {
	args := []string{path.Join(p.dir(), testBinary), "-test.v=test2json", "-test.timeout=" + p.limit.String()}
	for flag, value := range map[string]string{"run": p.run, "skip": p.skip} {
		if value != "" {
			args = append(args, "-test."+flag+"="+value)
		}
	}
	if p.short {
		args = append(args, "-test.short")
	}
	out := path.Join(wire.Out, p.name)
	mode := p.mode
	if p.in == autoMode {
		mode = auto // which it has to be; so tests need not load Fathom again to see it
	}
	env := []string{
		"FATHOM_GUEST=" + g.name, "FATHOM_ALONE=1", "FATHOM_OUT=" + out,
		"FATHOM_ATTACH_MODE=" + mode, "FATHOM_AUTO_MODE=" + g.modes[0],
	}
	return wire.Task{Args: args, Env: append(env, p.env...), Dir: p.dir(), Out: out, Limit: p.limit + grace}
}

// guestObserver makes the result of a guest of what it tells.
type guestObserver struct {
	suite  *suite
	dir    string
	plan   []planned
	start  time.Time
	result *guestResult
	job    *runningJob // nil between jobs
	err    error       // the first one, of this side
}

// Ready notes the time that booting took.
func (o *guestObserver) Ready(release string) {
	o.result.Release, o.result.Boot = release, time.Since(o.start).Seconds()
	o.suite.terminal.printf("%-12s %s is up after %.1f s", o.result.Name, release, o.result.Boot)
}

// Output passes what a test binary prints on to test2json.
func (o *guestObserver) Output(task int, p []byte) {
	if o.job == nil && o.err == nil {
		o.job, o.err = o.suite.startJob(o.plan[task], o.dir, o.result.Name)
	}
	if o.err == nil {
		_, o.err = o.job.events.Write(p)
	}
}

// Exit makes the job's result.
func (o *guestObserver) Exit(task int, s wire.Status) {
	o.Output(task, nil) // a job that printed nothing starts here
	r := o.finish()
	if r == nil {
		return
	}
	r.Seconds, r.Status, r.TimedOut = s.Elapsed.Seconds(), &s.Code, s.TimedOut
	o.suite.terminal.printf("%-12s %-10s %s: %s", o.result.Name, r.Mode, r.Package, r.summary())
}

// finish ends the job that runs, if one does, and returns its result.
func (o *guestObserver) finish() *jobResult {
	if o.job == nil {
		return nil
	}
	r, err := o.job.finish()
	o.err = errors.Join(o.err, err)
	o.job = nil
	o.result.Jobs = append(o.result.Jobs, r)
	return r
}

// Log keeps the kernel's messages and looks for complaints among them.
func (o *guestObserver) Log(text string) {
	o.result.Complaints = complaints(text)
	o.err = errors.Join(o.err, os.WriteFile(filepath.Join(o.dir, "kernel.log"), []byte(text), 0o644))
}

// end notes the jobs that the guest did not come to.
func (o *guestObserver) end(cpu time.Duration) {
	o.finish()
	for _, p := range o.plan[len(o.result.Jobs):] {
		o.result.Jobs = append(o.result.Jobs, &jobResult{Package: p.pkg, Mode: p.mode})
	}
	o.result.Seconds, o.result.CPU = time.Since(o.start).Seconds(), cpu.Seconds()
}

// runningJob is a job while its output arrives.
type runningJob struct {
	result    *jobResult
	events    io.WriteCloser // to test2json
	command   *exec.Cmd
	log       *os.File
	collector *collector
	collected chan error
}

func (s *suite) startJob(p planned, dir, guest string) (*runningJob, error) {
	log, err := os.Create(filepath.Join(dir, p.name+".log"))
	if err != nil {
		return nil, err
	}
	var text io.Writer = log
	if s.verbose {
		text = io.MultiWriter(log, &labelled{lines: &s.terminal, label: guest + " " + p.mode})
	}
	j := &runningJob{
		result: &jobResult{Package: p.pkg, Mode: p.mode, Log: log.Name()},
		// It ends with its input.
		command:   exec.Command(s.test2json, "-t", "-p", p.pkg), //nolint:noctx // finish closes its input
		log:       log,
		collector: newCollector(text),
		collected: make(chan error, 1),
	}
	if j.events, err = j.command.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := j.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := j.command.Start(); err != nil {
		return nil, fmt.Errorf("start test2json: %w", err)
	}
	go func() { j.collected <- j.collector.read(out) }()
	return j, nil
}

func (j *runningJob) finish() (*jobResult, error) {
	err := j.events.Close()
	err = errors.Join(err, <-j.collected, j.command.Wait(), j.log.Close())
	j.result.Tests = j.collector.results()
	return j.result, err
}
