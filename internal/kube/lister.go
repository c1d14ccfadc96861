package kube

import (
	"context"
	"errors"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
)

// answerTimeout is how long the server may take for a list, or to begin with a watch: longer than the minute between
// bookmarks, since some proxies hold the head of an answer back until there is something after it.
const answerTimeout = 90 * time.Second

// lister lists and watches for a reflector, and strips each object as soon as it is decoded.
type lister[T any] struct {
	client   *rest.RESTClient
	resource string
	selector string // of fields
	strip    func(runtime.Object) (T, error)
	monitor  *monitor
}

// ListWithContext reads a list, or the page of it that o asks for.
//
// One node's pods come in one piece from the server's memory. A whole cluster's in one piece would need hundreds of MB
// here, so they come in pages, which must be of the latest version: the server has no pages of others in memory.
// A server that can stream lists (the default since Kubernetes 1.34) is not asked for any.
func (l *lister[T]) ListWithContext(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
	if l.selector != "" {
		o.Limit = 0
	} else if o.Limit > 0 {
		o.ResourceVersion, o.ResourceVersionMatch = "", ""
	}
	o.FieldSelector = l.selector
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	answer, err := l.client.Get().Resource(l.resource).VersionedParams(&o, metav1.ParameterCodec).Do(ctx).Get()
	if err != nil {
		return nil, l.failed(ctx, err)
	}
	page, err := l.page(answer)
	if err != nil {
		return nil, l.failed(ctx, err)
	}
	l.monitor.heard()
	return page, nil
}

func (l *lister[T]) page(answer runtime.Object) (runtime.Object, error) {
	from, err := meta.ListAccessor(answer)
	if err != nil {
		return nil, err
	}
	page := &internalversion.List{ListMeta: metav1.ListMeta{ResourceVersion: from.GetResourceVersion(), Continue: from.GetContinue()}}
	err = meta.EachListItem(answer, func(obj runtime.Object) error {
		if kept, ok := l.object(obj); ok {
			page.Items = append(page.Items, kept)
		}
		return nil
	})
	return page, err
}

// object strips one object. It counts those that cannot be used.
func (l *lister[T]) object(obj runtime.Object) (*object[T], bool) {
	value, err := l.strip(obj)
	if err != nil {
		l.monitor.unusable(err)
		return nil, false
	}
	m, err := meta.Accessor(obj)
	if err != nil {
		l.monitor.unusable(err)
		return nil, false
	}
	return &object[T]{value: value, namespace: m.GetNamespace(), name: m.GetName(), version: m.GetResourceVersion()}, true
}

// WatchWithContext starts a watch. Should the server forget to end it after the time that it was given, it is ended
// here.
func (l *lister[T]) WatchWithContext(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
	o.FieldSelector = l.selector
	o.Watch = true
	within, cancel := context.WithCancel(ctx)
	deadline := time.AfterFunc(answerTimeout, cancel)
	end := func() {
		deadline.Stop()
		cancel()
	}
	w, err := l.client.Get().Resource(l.resource).VersionedParams(&o, metav1.ParameterCodec).Watch(within)
	if _, ok := w.(*watch.StreamWatcher); err == nil && !ok {
		// rest.Request.Watch makes an empty watch of a connection that ended without an answer.
		err = errors.New("the connection ended without an answer")
	}
	if err != nil {
		end()
		if o.SendInitialEvents != nil && apierrors.IsInvalid(err) {
			l.monitor.heard() // a server that cannot stream lists
			return nil, err
		}
		return nil, l.failed(ctx, err)
	}
	l.monitor.heard()
	if o.TimeoutSeconds != nil {
		deadline.Reset(time.Duration(*o.TimeoutSeconds)*time.Second + answerTimeout)
	}
	return startStream(ctx, w, l, end), nil
}

// failed tells the monitor, unless it was we who stopped or the server has only forgotten the version that we know.
func (l *lister[T]) failed(ctx context.Context, err error) error {
	switch {
	case apierrors.IsResourceExpired(err), apierrors.IsGone(err):
		l.monitor.heard()
	case !errors.Is(ctx.Err(), context.Canceled):
		l.monitor.failed(err)
	}
	return err
}

// List is part of [cache.ListerWatcher], of which the reflector uses the methods with a context.
func (l *lister[T]) List(o metav1.ListOptions) (runtime.Object, error) {
	return l.ListWithContext(context.Background(), o)
}

// Watch is part of [cache.ListerWatcher], see List.
func (l *lister[T]) Watch(o metav1.ListOptions) (watch.Interface, error) {
	return l.WatchWithContext(context.Background(), o)
}
