package tlswatch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"golang.org/x/sync/errgroup"
)

// Options are the settings of a [Watch].
type Options struct {
	// Disabled makes Run do nothing until its context ends.
	Disabled bool
	// Proc is where the proc file system of the initial pid namespace is mounted. The default is /proc.
	Proc string
	// Grace is how long a file stays probed after the last process that maps it has ended. The default
	// is a minute. For as long the file system on which it lies cannot be unmounted for good.
	Grace time.Duration
	// Lag is told how long it took from a process's first TLS connection until its libraries were probed. It may be nil.
	Lag func(time.Duration)
	// Logger is slog.Default() by default.
	Logger *slog.Logger
}

// workers bounds how many processes are looked at at once. One more explains.
const workers = 4

// Watch finds processes' libraries and has them probed.
type Watch struct {
	options     Options
	probes      Probes
	guard       guard
	inspector   *inspector
	attachments *attachments
	processes   *processes
	ends        *ends
	queue       *queue
	faults      *faults
	log         *slog.Logger

	looked  chan struct{}            // closed behind the first look at all processes
	pauses  []time.Duration          // see examine
	scanned func() ([]uint32, error) // lists what runs at the start
}

// New returns a watch that does nothing until [Watch.Run].
func New(probes Probes, options Options) *Watch {
	options.Proc = cmp.Or(options.Proc, "/proc")
	options.Grace = cmp.Or(options.Grace, time.Minute)
	if options.Logger == nil {
		options.Logger = slog.Default()
	}
	w := &Watch{
		options: options, probes: probes, guard: newGuard(), inspector: newInspector(), processes: newProcesses(),
		queue: newQueue(), faults: newFaults(), log: options.Logger, looked: make(chan struct{}),
		pauses: []time.Duration{50 * time.Millisecond, 200 * time.Millisecond, time.Second},
	}
	w.scanned = func() ([]uint32, error) { return allProcesses(options.Proc) }
	w.inspector.faults = w.faults
	w.attachments = &attachments{
		probes: probes, guard: w.guard, grace: options.Grace, faults: w.faults, all: make(map[identity]*attachment),
	}
	w.ends = &ends{proc: options.Proc, limit: maxPidfds(), sweepEvery: 10 * time.Second, watched: make(map[uint64]watched)}
	return w
}

// Looked is closed when the processes that ran at the beginning have been looked at, or if they cannot be.
func (w *Watch) Looked() <-chan struct{} { return w.looked }

// Run watches until the context ends, or Asked says os.ErrClosed, and returns nil then. It detaches
// everything before it returns, and is called once.
func (w *Watch) Run(ctx context.Context) error {
	if w.options.Disabled {
		<-ctx.Done()
		return nil
	}
	if err := w.ends.open(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer cancel()
		return w.listen(ctx)
	})
	for i := range workers + 1 {
		jobs := w.queue.jobs
		if i == workers {
			jobs = w.queue.explains
		}
		group.Go(func() error {
			w.work(ctx, jobs)
			return nil
		})
	}
	group.Go(func() error { return w.ends.wait(ctx, w.ended) })
	group.Go(func() error {
		defer close(w.looked)
		w.scan(ctx)
		return nil
	})
	err := group.Wait()
	w.attachments.close()
	return errors.Join(err, w.ends.close())
}

// listen takes what the kernel side asks.
func (w *Watch) listen(ctx context.Context) error {
	for {
		pid, err := w.probes.Asked(ctx)
		if ctx.Err() != nil || errors.Is(err, os.ErrClosed) {
			return nil //nolint:nilerr // this is how a watch ends
		}
		if err != nil {
			return fmt.Errorf("wait for processes that speak TLS: %w", err)
		}
		if !w.queue.put(job{pid: pid, asked: true, at: time.Now()}) {
			w.faults.count("ask", errBusy)
			w.forget(pid) // so that it is asked about again
		}
	}
}

// work takes jobs until the context ends.
func (w *Watch) work(ctx context.Context, jobs <-chan job) {
	for {
		select {
		case <-ctx.Done():
			return
		case j := <-jobs:
			w.do(ctx, j)
		}
	}
}

// do looks at a process, and comes back later if it has to.
func (w *Watch) do(ctx context.Context, j job) {
	switch w.examine(ctx, j) {
	case finished:
		w.queue.done(j)
	case explain:
		j.explain = true
		w.queue.retry(j)
	case later:
		pause := w.pauses[j.try]
		j.try++
		time.AfterFunc(pause, func() { w.queue.retry(j) })
	}
}

func (w *Watch) tell(pid uint32, about Process) {
	if err := w.probes.Tell(pid, about); err != nil {
		w.faults.count("tell", err)
		w.log.Debug("telling about a process failed", "pid", pid, "error", err)
	}
}

func (w *Watch) forget(pid uint32) {
	if err := w.probes.Forget(pid); err != nil {
		w.faults.count("forget", err)
		w.log.Debug("forgetting a process failed", "pid", pid, "error", err)
	}
}
