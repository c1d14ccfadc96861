package kube

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/streaming"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
)

// fakeAPI speaks the list and watch protocol of a Kubernetes API server for pods, encoded by Kubernetes' own
// serializers.
type fakeAPI struct {
	t         *testing.T
	mediaType string
	streams   bool // the server can stream lists
	server    *httptest.Server
	address   string

	mu       sync.Mutex
	changed  *sync.Cond
	pods     map[string]*corev1.Pod
	log      []change // what a watch sends
	version  int
	oldest   int // watches from before it have expired
	cut      int // counts up to end all streams
	expire   int // so many lists that go on will be told that they expired
	requests []string
}

// change is an event at a version, or bytes that are none.
type change struct {
	version int
	event   watch.Event
	garbage []byte
}

func newFakeAPI(t *testing.T, mediaType string, streams bool) *fakeAPI {
	f := &fakeAPI{t: t, mediaType: mediaType, streams: streams, pods: make(map[string]*corev1.Pod), version: 10}
	f.changed = sync.NewCond(&f.mu)
	f.start()
	t.Cleanup(f.stop)
	return f
}

func (f *fakeAPI) config() *rest.Config { return &rest.Config{Host: "http://" + f.address} }

// start listens, at the same address as before.
func (f *fakeAPI) start() {
	f.server = httptest.NewUnstartedServer(f)
	if f.address != "" {
		l, err := net.Listen("tcp", f.address)
		if err != nil {
			f.t.Fatal(err)
		}
		f.server.Listener.Close()
		f.server.Listener = l
	}
	f.server.Start()
	f.address = f.server.Listener.Addr().String()
}

func (f *fakeAPI) stop() {
	f.server.Listener.Close()
	f.do(func() { f.cut++ })
	f.server.CloseClientConnections()
	f.server.Close()
}

func (f *fakeAPI) do(what func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	what()
	f.changed.Broadcast()
}

func (f *fakeAPI) set(pods ...*corev1.Pod) {
	f.do(func() {
		for _, pod := range pods {
			f.version++
			kind := watch.Added
			if f.pods[pod.Name] != nil {
				kind = watch.Modified
			}
			pod = pod.DeepCopy()
			pod.ResourceVersion = strconv.Itoa(f.version)
			f.pods[pod.Name] = pod
			f.log = append(f.log, change{version: f.version, event: watch.Event{Type: kind, Object: pod}})
		}
	})
}

func (f *fakeAPI) delete(name string) {
	f.do(func() {
		f.version++
		pod := f.pods[name].DeepCopy()
		pod.ResourceVersion = strconv.Itoa(f.version)
		delete(f.pods, name)
		f.log = append(f.log, change{version: f.version, event: watch.Event{Type: watch.Deleted, Object: pod}})
	})
}

// send puts anything into the streams.
func (f *fakeAPI) send(c change) {
	f.do(func() {
		f.version++
		c.version = f.version
		if m, ok := c.event.Object.(metav1.Object); ok {
			m.SetResourceVersion(strconv.Itoa(f.version))
		}
		f.log = append(f.log, c)
	})
}

// compact forgets the past and ends all streams.
func (f *fakeAPI) compact() {
	f.do(func() {
		f.log = nil
		f.oldest = f.version + 1
		f.version += 2
		f.cut++
	})
}

func (f *fakeAPI) count(want string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, r := range f.requests {
		if r == want {
			n++
		}
	}
	return n
}

func (f *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	what := "list"
	if q.Get("watch") != "" {
		what = "watch"
	}
	if q.Get("sendInitialEvents") != "" {
		what = "stream"
	}
	if q.Get("continue") != "" {
		what = "continue"
	}
	f.do(func() { f.requests = append(f.requests, what) })
	switch {
	case r.URL.Path != "/api/v1/pods":
		f.answer(w, http.StatusNotFound, status(http.StatusNotFound, metav1.StatusReasonNotFound))
	case what == "stream" && !f.streams:
		f.answer(w, http.StatusUnprocessableEntity, status(http.StatusUnprocessableEntity, metav1.StatusReasonInvalid))
	case what == "list" || what == "continue":
		f.list(w, r)
	default:
		f.watch(w, r)
	}
}

func status(code int32, reason metav1.StatusReason) *metav1.Status {
	return &metav1.Status{Status: metav1.StatusFailure, Code: code, Reason: reason, Message: string(reason)}
}

func (f *fakeAPI) list(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	f.mu.Lock()
	defer f.mu.Unlock()
	names := f.selected(q.Get("fieldSelector"))
	limit, _ := strconv.Atoi(q.Get("limit"))
	from, _ := strconv.Atoi(q.Get("continue"))
	if from > 0 && f.expire > 0 {
		f.expire--
		f.answer(w, http.StatusGone, status(http.StatusGone, metav1.StatusReasonExpired))
		return
	}
	list := &corev1.PodList{ListMeta: metav1.ListMeta{ResourceVersion: strconv.Itoa(f.version)}}
	names = names[from:]
	if limit > 0 && len(names) > limit && q.Get("resourceVersion") == "" {
		names = names[:limit]
		list.Continue = strconv.Itoa(from + limit)
	}
	for _, name := range names {
		list.Items = append(list.Items, *f.pods[name])
	}
	f.answer(w, http.StatusOK, list)
}

func (f *fakeAPI) selected(selector string) []string {
	var names []string
	for name, pod := range f.pods {
		if selector == "" || selector == "spec.nodeName="+pod.Spec.NodeName {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (f *fakeAPI) answer(w http.ResponseWriter, code int, obj runtime.Object) {
	w.Header().Set("Content-Type", f.mediaType)
	w.WriteHeader(code)
	_, _ = w.Write(f.encode(obj)) // the client may be gone
}

func (f *fakeAPI) serializer() runtime.SerializerInfo {
	info, ok := runtime.SerializerInfoForMediaType(codecs().SupportedMediaTypes(), f.mediaType)
	if !ok {
		f.t.Errorf("no serializer for %s", f.mediaType)
	}
	return info
}

func (f *fakeAPI) encode(obj runtime.Object) []byte {
	data, err := runtime.Encode(codecs().EncoderForVersion(f.serializer().Serializer, corev1.SchemeGroupVersion), obj)
	if err != nil {
		f.t.Error(err)
	}
	return data
}

// watch sends the changes since the version that the client knows, and waits for more.
func (f *fakeAPI) watch(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	w.Header().Set("Content-Type", f.mediaType+";stream=watch")
	w.WriteHeader(http.StatusOK)
	flush := w.(http.Flusher).Flush
	flush()
	stream := f.serializer().StreamSerializer
	encoder := streaming.NewEncoder(stream.NewFrameWriter(w), codecs().EncoderForVersion(stream.Serializer, corev1.SchemeGroupVersion))
	send := func(e watch.Event) {
		_ = encoder.Encode(&metav1.WatchEvent{Type: string(e.Type), Object: runtime.RawExtension{Raw: f.encode(e.Object)}}) // the client may be gone
		flush()
	}
	// A request that comes while the server stops sees no other change than that its client is gone.
	defer context.AfterFunc(r.Context(), func() { f.do(func() {}) })()
	f.mu.Lock()
	defer f.mu.Unlock()
	cut := f.cut
	version, _ := strconv.Atoi(q.Get("resourceVersion"))
	if version != 0 && version < f.oldest {
		send(watch.Event{Type: watch.Error, Object: status(http.StatusGone, metav1.StatusReasonExpired)})
		return
	}
	if q.Get("sendInitialEvents") != "" {
		for _, name := range f.selected(q.Get("fieldSelector")) {
			send(watch.Event{Type: watch.Added, Object: f.pods[name]})
		}
		send(watch.Event{Type: watch.Bookmark, Object: &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
			ResourceVersion: strconv.Itoa(f.version), Annotations: map[string]string{metav1.InitialEventsAnnotationKey: "true"},
		}}})
		version = f.version
	}
	for f.cut == cut && r.Context().Err() == nil {
		for _, c := range f.log {
			if c.version <= version {
				continue
			}
			version = c.version
			if c.garbage != nil {
				_, _ = w.Write(c.garbage)
				flush()
			} else {
				send(c.event)
			}
		}
		f.changed.Wait()
	}
}
