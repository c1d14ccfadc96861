package kube

import (
	"context"
	"errors"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/watch"
)

// stream strips the objects of a watch on their way to the reflector. It differs from [watch.Filter] in that it ends
// when it is stopped, even if nobody reads it any more.
type stream[T any] struct {
	from   watch.Interface
	lister *lister[T]
	events chan watch.Event
	done   chan struct{}
	stop   func()
}

// startStream takes over from, and calls end when it is through.
func startStream[T any](ctx context.Context, from watch.Interface, l *lister[T], end func()) *stream[T] {
	s := &stream[T]{from: from, lister: l, events: make(chan watch.Event), done: make(chan struct{})}
	s.stop = sync.OnceFunc(func() {
		close(s.done)
		from.Stop()
		end()
	})
	go s.run(ctx)
	return s
}

// Stop is part of [watch.Interface].
func (s *stream[T]) Stop() { s.stop() }

// ResultChan is part of [watch.Interface].
func (s *stream[T]) ResultChan() <-chan watch.Event { return s.events }

func (s *stream[T]) run(ctx context.Context) {
	defer close(s.events)
	defer s.stop()
	began, empty := time.Now(), true
	for event := range s.from.ResultChan() {
		empty = false
		if !s.convert(ctx, &event) {
			continue
		}
		select {
		case s.events <- event:
		case <-s.done:
			return
		}
	}
	if empty && time.Since(began) < time.Second && !s.stopped() {
		_ = s.lister.failed(ctx, errors.New("the watch ended as soon as it began"))
	}
}

func (s *stream[T]) stopped() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// convert puts a small object in the place of a whole one; false means that there is nothing to keep.
func (s *stream[T]) convert(ctx context.Context, event *watch.Event) bool {
	switch event.Type {
	case watch.Error:
		if !s.stopped() {
			_ = s.lister.failed(ctx, apierrors.FromObject(event.Object))
		}
		return true
	case watch.Bookmark:
		m, err := meta.Accessor(event.Object)
		if err != nil {
			s.lister.monitor.unusable(err)
			return false
		}
		event.Object = &object[T]{version: m.GetResourceVersion(), annotations: m.GetAnnotations()}
	default:
		kept, ok := s.lister.object(event.Object)
		if !ok {
			return false
		}
		event.Object = kept
	}
	s.lister.monitor.heard()
	return true
}
