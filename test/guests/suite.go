package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fathomhq/fathom/test/guests/vm"
)

// suite is a run of the matrix.
type suite struct {
	*options
	builder   builder
	test2json string
	built     map[string]string // files, by architecture and package
	terminal  lines
}

// runMatrix is `guests`. It returns the exit status.
func runMatrix(ctx context.Context, args []string) (int, error) {
	root, err := repository(ctx)
	if err != nil {
		return 0, err
	}
	o, err := parseOptions(args, root)
	if err != nil {
		return 0, err
	}
	if o.list {
		return 0, o.printPlan(os.Stdout)
	}
	p, err := newPolicy(allowedSkips)
	if err != nil {
		return 0, err
	}
	s := &suite{options: o, builder: builder{root: root, out: o.out}, terminal: lines{w: os.Stdout}}
	r := &report{Date: time.Now().UTC().Truncate(time.Second), Partial: o.partial(), Filter: o.run}
	if err := s.prepare(ctx); err != nil {
		return 0, err
	}
	s.terminal.printf("fetched and built in %.0f s", time.Since(r.Date).Seconds())
	if r.Guests, err = s.all(ctx); err != nil {
		return 0, err
	}
	r.Seconds = time.Since(r.Date).Seconds()
	r.judge(p)
	if err := r.write(o.out); err != nil {
		return 0, err
	}
	s.terminal.printf("%s", r.text())
	if len(r.Problems) > 0 {
		return statusFailed, nil
	}
	return 0, nil
}

// prepare fetches what guests boot and builds what they run, so that none waits for it.
func (s *suite) prepare(ctx context.Context) error {
	var kernels []string
	for _, g := range s.guests {
		if !slices.Contains(kernels, g.kernel) {
			kernels = append(kernels, g.kernel)
		}
	}
	if err := fetchKernels(ctx, s.builder.root, kernels); err != nil {
		return err
	}
	var err error
	if s.test2json, err = s.builder.tool(ctx, "test2json"); err != nil {
		return err
	}
	s.built = map[string]string{}
	for _, g := range s.guests {
		arch := vm.ArchOf(g.kernel)
		packages := map[string]func(context.Context, string, string) (string, error){
			initPackage: s.builder.program, fathomPackage: s.builder.program,
		}
		for _, p := range s.plan(g) {
			packages[p.pkg] = s.builder.test
		}
		for pkg, build := range packages {
			if _, ok := s.built[arch+pkg]; ok {
				continue
			}
			if s.built[arch+pkg], err = build(ctx, pkg, arch); err != nil {
				return err
			}
		}
	}
	return nil
}

// all runs all guests, those with most to do first, and returns their results in the order of
// the matrix.
func (s *suite) all(ctx context.Context) ([]*guestResult, error) {
	results := make([]*guestResult, len(s.guests))
	order := make([]int, len(s.guests))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(s.most(s.guests[b]), s.most(s.guests[a]))
	})
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(s.atOnce)
	for _, i := range order {
		group.Go(func() (err error) {
			results[i], err = s.guest(ctx, s.guests[i])
			return err
		})
	}
	return results, group.Wait()
}

// most is how long a guest's jobs may take: those that may take longer do take longer.
func (s *suite) most(g guest) (sum time.Duration) {
	for _, p := range s.plan(g) {
		sum += p.limit
	}
	return sum
}

// lines is a terminal that several guests print on, whole lines at a time.
type lines struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lines) printf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = fmt.Fprintf(l.w, format+"\n", args...)
}

// labelled prints each line after a label.
type labelled struct {
	*lines
	label string
	rest  strings.Builder // of a line that has not ended yet
}

// Write prints the lines that are complete.
func (l *labelled) Write(p []byte) (int, error) {
	l.rest.Write(p)
	whole := l.rest.String()
	end := strings.LastIndex(whole, "\n") + 1
	for line := range strings.Lines(whole[:end]) {
		l.printf("%s | %s", l.label, strings.TrimSuffix(line, "\n"))
	}
	l.rest.Reset()
	l.rest.WriteString(whole[end:])
	return len(p), nil
}

// folder is where the results of a guest are.
func (s *suite) folder(g guest) string { return filepath.Join(s.out, g.name) }
