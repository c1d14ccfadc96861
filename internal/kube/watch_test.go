package kube

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
)

// recorder is a sink that keeps what it was told.
type recorder struct {
	mu       sync.Mutex
	pods     map[string]string // name -> label v
	replaced int
}

func (r *recorder) Replace(all []*Pod) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pods = make(map[string]string)
	r.replaced++
	for _, p := range all {
		r.pods[p.Name] = p.Labels["v"]
	}
}

func (r *recorder) Set(p *Pod) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pods[p.Name] = p.Labels["v"]
}

func (r *recorder) Delete(p *Pod) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.pods, p.Name)
}

func (r *recorder) get() (map[string]string, int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.pods), r.replaced
}

// logBuffer keeps the lines of a log.
type logBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *logBuffer) lines() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Split(strings.TrimSpace(b.String()), "\n")
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// run watches the pods of a node until the test ends.
func run(t *testing.T, f *fakeAPI, node string) (*Watch, *recorder, *logBuffer) {
	t.Helper()
	r, logged := &recorder{pods: make(map[string]string)}, &logBuffer{}
	w, err := WatchPods(f.config(), slog.New(slog.NewTextHandler(logged, nil)), node, Strip{AllLabels: true}, r)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run returned %v", err)
			}
		case <-time.After(5 * time.Second):
			t.Error("Run does not end with its context")
		}
		eventually(t, "the streams' goroutines end", func() bool {
			stacks := make([]byte, 1<<20)
			return !bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte("kube.(*stream"))
		})
	})
	return w, r, logged
}

func (r *recorder) expect(t *testing.T, want map[string]string) {
	t.Helper()
	eventually(t, fmt.Sprintf("pods %v", want), func() bool {
		got, _ := r.get()
		return maps.Equal(got, want)
	})
}

func TestWatch(t *testing.T) {
	for _, tt := range []struct {
		mediaType string
		streams   bool
		garbage   string
		failures  bool // that it counts as: an event cut short looks like the end of the stream
	}{
		{kruntime.ContentTypeProtobuf, true, "\x00\x00\x00\x04abcd", false},
		{kruntime.ContentTypeProtobuf, false, "\x00\x00\x00\x04\x0f\x0f\x0f\x0f", true},
		{kruntime.ContentTypeJSON, true, "<html>Bad Gateway</html>\n", true},
		{kruntime.ContentTypeJSON, false, `{"type":"SURPRISE","object":{"kind":"Pod","apiVersion":"v1"}}`, true},
	} {
		t.Run(fmt.Sprintf("%s streams=%v", tt.mediaType, tt.streams), func(t *testing.T) {
			t.Parallel()
			f := newFakeAPI(t, tt.mediaType, tt.streams)
			elsewhere := newPod("elsewhere", func(p *corev1.Pod) { p.Spec.NodeName = "node2" })
			f.set(newPod("a", label("v", "1")), newPod("b", label("v", "1")), elsewhere)
			w, r, _ := run(t, f, "node1")
			r.expect(t, map[string]string{"a": "1", "b": "1"})
			eventually(t, "synced", func() bool { return w.Status().Synced })

			f.set(newPod("c", label("v", "1")), newPod("a", label("v", "2")))
			f.send(change{event: watch.Event{Type: watch.Bookmark, Object: &corev1.Pod{}}})
			f.delete("b")
			r.expect(t, map[string]string{"a": "2", "c": "1"})
			if st := w.Status(); st.Err != nil || st.Failures != 0 || st.Unusable != 0 || time.Since(st.Heard) > time.Minute {
				t.Errorf("status %+v", st)
			}

			f.send(change{event: watch.Event{Type: watch.Added, Object: &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "s", UID: "s"}}}})
			f.send(change{event: watch.Event{Type: watch.Added, Object: &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "without-uid"}}}})
			f.send(change{event: watch.Event{Type: watch.Bookmark, Object: status(200, "")}})
			f.set(newPod("c", label("v", "2")))
			r.expect(t, map[string]string{"a": "2", "c": "2"})
			if st := w.Status(); st.Unusable != 3 {
				t.Errorf("%d unusable objects, want 3", st.Unusable)
			}

			_, lists := r.get()
			f.compact()
			f.do(func() { delete(f.pods, "c") }) // nobody is told
			r.expect(t, map[string]string{"a": "2"})
			if _, n := r.get(); n != lists+1 {
				t.Errorf("listed %d times after 410, want 1", n-lists)
			}
			if st := w.Status(); st.Err != nil || st.Failures != 0 {
				t.Errorf("410 is no failure: %+v", st)
			}

			f.send(change{garbage: []byte(tt.garbage)})
			f.set(newPod("d", label("v", "1")))
			r.expect(t, map[string]string{"a": "2", "d": "1"})
			if st := w.Status(); (st.Failures > 0) != tt.failures || st.Err != nil {
				t.Errorf("after garbage: %+v", st)
			}
		})
	}
}

// TestServerStartsLate also sees to it that the log has one line for each turn.
func TestServerStartsLate(t *testing.T) {
	t.Parallel()
	f := newFakeAPI(t, kruntime.ContentTypeProtobuf, true)
	f.stop()
	f.set(newPod("a"))
	w, r, logged := run(t, f, "node1")
	eventually(t, "several failures", func() bool { return w.Status().Failures >= 3 })
	if st := w.Status(); st.Synced || st.Err == nil || !st.Heard.IsZero() {
		t.Errorf("status %+v", st)
	}
	f.start()
	r.expect(t, map[string]string{"a": ""})
	eventually(t, "synced", func() bool { return w.Status().Synced && w.Status().Err == nil })
	lines := logged.lines()
	if len(lines) != 2 || !strings.Contains(lines[0], "level=WARN") || !strings.Contains(lines[0], "refused") || !strings.Contains(lines[1], "answers again") {
		t.Errorf("log:\n%s", strings.Join(lines, "\n"))
	}
}

// TestServerRestarts deletes and adds pods while the server is gone.
func TestServerRestarts(t *testing.T) {
	t.Parallel()
	f := newFakeAPI(t, kruntime.ContentTypeProtobuf, true)
	f.set(newPod("a"), newPod("b"))
	w, r, logged := run(t, f, "node1")
	r.expect(t, map[string]string{"a": "", "b": ""})
	f.stop()
	eventually(t, "failures", func() bool { return w.Status().Failures >= 2 })
	if st := w.Status(); !st.Synced || st.Err == nil {
		t.Errorf("status %+v", st)
	}
	f.delete("a")
	f.set(newPod("c"))
	f.start()
	r.expect(t, map[string]string{"b": "", "c": ""})
	if lines := logged.lines(); len(lines) != 2 {
		t.Errorf("log:\n%s", strings.Join(lines, "\n"))
	}
}

// TestPages reads a whole cluster's pods from a server that cannot stream lists.
func TestPages(t *testing.T) {
	for _, expire := range []int{0, 1} {
		t.Run(fmt.Sprintf("expire=%d", expire), func(t *testing.T) {
			t.Parallel()
			f := newFakeAPI(t, kruntime.ContentTypeProtobuf, false)
			want := make(map[string]string)
			for i := range 2*pageSize + 1 {
				name := fmt.Sprintf("pod-%d", i)
				f.set(newPod(name))
				want[name] = ""
			}
			f.do(func() { f.expire = expire })
			_, r, _ := run(t, f, "")
			r.expect(t, want)
			if _, n := r.get(); n != 1 {
				t.Errorf("replaced %d times", n)
			}
			got := []int{f.count("list"), f.count("continue")}
			if wanted := [][]int{{1, 2}, {2, 1}}[expire]; !slices.Equal(got, wanted) {
				t.Errorf("lists and their continuations %v, want %v", got, wanted)
			}
		})
	}
}

func TestForbidden(t *testing.T) {
	err := explain(&statusError{status(403, metav1.StatusReasonForbidden)})
	if !strings.Contains(err.Error(), "ClusterRole") {
		t.Error(err)
	}
}

// statusError is an error of the API server.
type statusError struct{ st *metav1.Status }

func (e *statusError) Error() string         { return e.st.Message }
func (e *statusError) Status() metav1.Status { return *e.st }
