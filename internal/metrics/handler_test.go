package metrics

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/fathomhq/fathom/internal/kernel"
)

const (
	acceptProto = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
	acceptText  = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)

func get(e *Exporter, from, accept, encoding string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	r.RemoteAddr = from
	r.Header.Set("Accept", accept)
	r.Header.Set("Accept-Encoding", encoding)
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	return w
}

func exporterWithSelf(t testing.TB, f *fakeSource) *Exporter {
	t.Helper()
	e, err := New(f, goldenResolver, Options{Buckets: classicTest, Started: start, Extra: SelfRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestServe(t *testing.T) {
	e := exporterWithSelf(t, &fakeSource{snapshot: goldenSnapshot()})
	for _, tt := range []struct {
		name, from, accept, encoding string
		proto, zip                   bool
	}{
		{"browser", "192.0.2.1:1", "text/html", "", false, false},
		{"curl", "127.0.0.1:1", "*/*", "", false, false},
		{"Prometheus", "192.0.2.1:1", acceptText, "gzip", false, true},
		{"Prometheus on this host", "127.0.0.1:1", acceptText, "gzip", false, false},
		{"over IPv6", "[::1]:1", acceptText, "gzip", false, false},
		{"native histograms", "192.0.2.1:1", acceptProto, "gzip", true, true},
		{"native histograms on this host", "127.0.0.1:1", acceptProto, "gzip", true, false},
		{"gzip refused", "192.0.2.1:1", acceptText, "br, gzip;q=0", false, false},
		{"gzip second", "192.0.2.1:1", acceptText, "br, gzip;q=0.5", false, true},
		{"unix socket", "@", acceptText, "gzip", false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := get(e, tt.from, tt.accept, tt.encoding)
			if w.Code != http.StatusOK {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			if zip := w.Header().Get("Content-Encoding") == "gzip"; zip != tt.zip {
				t.Errorf("gzip %v, want %v", zip, tt.zip)
			}
			format := expfmt.ResponseFormat(w.Header())
			if proto := format.FormatType() == expfmt.TypeProtoDelim; proto != tt.proto {
				t.Errorf("format %s", format)
			}
			names := decode(t, w, format)
			for _, want := range []string{requestsName, "tcp_rtt_seconds", "fathom_build_info", "go_goroutines", "process_resident_memory_bytes"} {
				if !names[want] {
					t.Errorf("%s is missing", want)
				}
			}
		})
	}
}

// decode returns the names of the families in a response.
func decode(t *testing.T, w *httptest.ResponseRecorder, format expfmt.Format) map[string]bool {
	t.Helper()
	body := io.Reader(w.Body)
	if w.Header().Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(body)
		if err != nil {
			t.Fatal(err)
		}
		body = z
	}
	names := make(map[string]bool)
	if format.FormatType() != expfmt.TypeProtoDelim {
		parser := expfmt.NewTextParser(model.LegacyValidation)
		families, err := parser.TextToMetricFamilies(body)
		if err != nil {
			t.Fatal(err)
		}
		for name := range families {
			names[name] = true
		}
		return names
	}
	for in := expfmt.NewDecoder(body, format); ; {
		var f dto.MetricFamily
		switch err := in.Decode(&f); {
		case errors.Is(err, io.EOF):
			return names
		case err != nil:
			t.Fatal(err)
		}
		names[f.GetName()] = true
	}
}

// A scrape that cannot be right fails as a whole and says why.
func TestServeErrors(t *testing.T) {
	short := goldenSnapshot()
	short.Exchanges[3].Duration.Buckets = short.Exchanges[3].Duration.Buckets[1:]
	shortRTT := goldenSnapshot()
	shortRTT.Edges[0].RTT.Buckets = nil
	for _, tt := range []struct {
		name   string
		source *fakeSource
		extra  prometheus.Gatherer
		want   string
	}{
		{"snapshot", &fakeSource{err: errBroken}, nil, "scrape failed: read the kernel's counters: map read: bad file descriptor"},
		{"bucket missing", &fakeSource{snapshot: short}, nil, fmt.Sprintf("request durations have %d buckets, not %d", len(boundsTest), len(boundsTest)+1)},
		{"RTT missing", &fakeSource{snapshot: shortRTT}, nil, "round-trip times have 0 buckets, not 7"},
		{"own metrics", &fakeSource{snapshot: goldenSnapshot()}, brokenGatherer{}, "gather the agent's own metrics: map read"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, err := New(tt.source, goldenResolver, Options{Buckets: classicTest, Extra: tt.extra})
			if err != nil {
				t.Fatal(err)
			}
			w := get(e, "127.0.0.1:1", acceptText, "")
			if w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), tt.want) || strings.Contains(w.Body.String(), "# HELP") {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if _, err := e.Gather(); err == nil {
				t.Error("Gather has no error")
			}
		})
	}
}

type brokenGatherer struct{}

func (brokenGatherer) Gather() ([]*dto.MetricFamily, error) { return nil, errBroken }

// A failed snapshot changes nothing.
func TestRecovers(t *testing.T) {
	h := newHost(t)
	h.serve(h.begin("nginx"), 200, 2)
	h.scrape(minute)
	h.err = errBroken
	if _, err := h.e.Gather(); !errors.Is(err, errBroken) {
		t.Fatalf("error %v", err)
	}
	h.err = nil
	h.expect(h.scrape(minute), "after the failure", "nginx", 2)
}

// blockingSource holds its first snapshot back.
type blockingSource struct {
	*fakeSource
	begun, proceed chan struct{}
}

func (b blockingSource) Snapshot() (*kernel.Snapshot, error) {
	close(b.begun)
	<-b.proceed
	return b.fakeSource.Snapshot()
}

// Whoever gave up while another scrape ran costs nothing more.
func TestWaitingScrapeGivesUp(t *testing.T) {
	b := blockingSource{&fakeSource{snapshot: goldenSnapshot()}, make(chan struct{}), make(chan struct{})}
	e, err := New(b, goldenResolver, Options{Buckets: classicTest})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := e.Gather(); err != nil {
			t.Error(err)
		}
	})
	<-b.begun
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := e.write(ctx, newTextEncoder(io.Discard)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	close(b.proceed)
	wg.Wait()
}

// For the race detector.
func TestConcurrentScrapes(t *testing.T) {
	f := &fakeSource{snapshot: goldenSnapshot()}
	e := exporterWithSelf(t, f)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 10 {
				accept := acceptText
				if i%2 == 0 {
					accept = acceptProto
				}
				if w := get(e, "192.0.2.1:1", accept, "gzip"); w.Code != http.StatusOK {
					t.Errorf("%d %s", w.Code, w.Body)
				}
				f.mu.Lock()
				f.snapshot.Time = f.snapshot.Time.Add(minute)
				f.mu.Unlock()
			}
		})
	}
	wg.Wait()
}
