package kube

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
)

// pageSize is how many objects a server that cannot stream a list is asked for at once: some 3 MB of pods.
const pageSize = 500

// Sink takes what a [Watch] reads. Its methods are called one at a time and should return soon.
type Sink[T any] interface {
	// Replace tells all that there is. What is not among it exists no more.
	Replace(all []T)
	// Set tells of something new or changed.
	Set(T)
	// Delete tells of the last state of something that exists no more.
	Delete(T)
}

// Watch reads all objects of one type from the API server and follows their changes. It keeps none of them. Its
// methods may be called concurrently.
type Watch struct {
	monitor *monitor
	run     func(context.Context)
}

// WatchPods makes a watch of the pods of one node, or of all if node is empty.
func WatchPods(cfg *rest.Config, log *slog.Logger, node string, keep Strip, sink Sink[*Pod]) (*Watch, error) {
	selector := ""
	if node != "" {
		selector = fields.OneTermEqualSelector("spec.nodeName", node).String()
	}
	s := &stripper{keep: keep}
	return newWatch(cfg, log, "pods", selector, s.pod, sink)
}

// WatchServices makes a watch of all services.
func WatchServices(cfg *rest.Config, log *slog.Logger, sink Sink[*Service]) (*Watch, error) {
	s := &stripper{}
	return newWatch(cfg, log, "services", "", s.service, sink)
}

func newWatch[T any](cfg *rest.Config, log *slog.Logger, resource, selector string, strip func(runtime.Object) (T, error), sink Sink[T]) (*Watch, error) {
	client, err := newClient(cfg)
	if err != nil {
		return nil, err
	}
	m := &monitor{log: log.With("resource", resource)}
	l := &lister[T]{client: client, resource: resource, selector: selector, strip: strip, monitor: m}
	return &Watch{monitor: m, run: func(ctx context.Context) { runReflector(ctx, l, &store[T]{sink, m}) }}, nil
}

// Run watches until the context ends, and returns nil then. It may be called once. A server that cannot be reached is asked again
// after half a second, then less and less often down to every 10 to 20 seconds.
func (w *Watch) Run(ctx context.Context) error {
	w.run(ctx)
	return nil
}

// Status tells how the watch gets on.
func (w *Watch) Status() Status { return w.monitor.get() }

// runReflector runs client-go's reflector. It logs nothing: the monitor does.
func runReflector[T any](ctx context.Context, l *lister[T], s *store[T]) {
	quiet := logr.Discard()
	r := cache.NewReflectorWithOptions(l, &object[T]{}, s, cache.ReflectorOptions{
		Name:    l.resource,
		Logger:  &quiet,
		Clock:   haltingClock{ctx: ctx},
		Backoff: &wait.Backoff{Duration: 500 * time.Millisecond, Factor: 2, Jitter: 1, Cap: 10 * time.Second, Steps: 10},
	})
	r.WatchListPageSize = pageSize
	r.RunWithContext(klog.NewContext(ctx, quiet))
}

// haltingClock ends waiting when the context ends, which the reflector forgets in one place (watchList).
type haltingClock struct {
	clock.RealClock
	ctx context.Context
}

// After is part of [clock.Clock].
func (c haltingClock) After(d time.Duration) <-chan time.Time {
	ctx, cancel := context.WithTimeout(c.ctx, d)
	fired := make(chan time.Time)
	context.AfterFunc(ctx, func() {
		cancel()
		close(fired)
	})
	return fired
}

// store hands over to a Sink what the reflector stores.
type store[T any] struct {
	sink    Sink[T]
	monitor *monitor
}

var errObject = errors.New("not an object of this watch")

// Add is part of [cache.ReflectorStore].
func (s *store[T]) Add(obj any) error { return s.Update(obj) }

// Update is part of [cache.ReflectorStore].
func (s *store[T]) Update(obj any) error {
	o, ok := obj.(*object[T])
	if !ok {
		return errObject
	}
	s.sink.Set(o.value)
	return nil
}

// Delete is part of [cache.ReflectorStore].
func (s *store[T]) Delete(obj any) error {
	o, ok := obj.(*object[T])
	if !ok {
		return errObject
	}
	s.sink.Delete(o.value)
	return nil
}

// Replace is part of [cache.ReflectorStore].
func (s *store[T]) Replace(objs []any, _ string) error {
	all := make([]T, 0, len(objs))
	for _, obj := range objs {
		if o, ok := obj.(*object[T]); ok {
			all = append(all, o.value)
		}
	}
	s.sink.Replace(all)
	s.monitor.synced()
	return nil
}

// Resync is part of [cache.ReflectorStore].
func (*store[T]) Resync() error { return nil }
