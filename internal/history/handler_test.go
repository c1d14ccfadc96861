package history

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/internal/protocol"
)

var update = flag.Bool("update", false, "write testdata")

// shop is a host that has served for a minute.
func shop(t testing.TB) *host {
	h := newHost(t, nil)
	web, db := h.begin(1, unit("web.service")), h.begin(2, unit("db.service"))
	for i := range 12 {
		h.serve(web, 200, 10*ms, 20*ms, time.Duration(1+i)*ms)
		h.serve(web, 503, 200*ms)
		h.wait(web, 2*ms)
		h.http(web, kernel.ExchangeSeries{Role: kernel.RoleClient, Protocol: protocol.HTTP1, Operation: "GET", Status: 200, Peer: netip.MustParseAddrPort("10.0.0.2:80")}, 3*ms)
		e := h.edge(web, kernel.RoleClient, "10.0.0.2:80")
		e.SegmentsSent += 40
		e.BytesSent += 1000
		e.Retransmits[kernel.RetransmitFast]++
		h.observe(&e.RTT, rttBounds, 100*time.Microsecond)
		h.cover(web, "http1", "", 1, 500, 1000)
		h.cover(db, "other", "server_first", 1, 100, 200)
		h.next(Interval)
	}
	return h
}

func ask(t *testing.T, h http.Handler, target string, fields ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for i := 0; i < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// The answers are a promise. What depends on the machine is masked.
func TestGolden(t *testing.T) {
	h := shop(t)
	for name, target := range map[string]string{
		"workloads": WorkloadsPath,
		"workload":  WorkloadPath + "?window=30s&id=" + idOf(unit("web.service")),
		"coverage":  CoveragePath,
		"agent":     AgentPath + "?window=1m",
	} {
		t.Run(name, func(t *testing.T) {
			r := ask(t, h.Handler(), target)
			if r.Code != http.StatusOK || r.Header().Get("Content-Type") != "application/json" || r.Header().Get("Cache-Control") != "private, no-cache" {
				t.Fatalf("status %d, %v", r.Code, r.Header())
			}
			var got bytes.Buffer
			if err := json.Indent(&got, r.Body.Bytes(), "", "\t"); err != nil {
				t.Fatal(err)
			}
			got.WriteByte('\n')
			text := regexp.MustCompile(`"(go_version|architecture|kernel)": "[^"]+"`).ReplaceAllString(got.String(), `"$1": "masked"`)
			text = regexp.MustCompile(`"(cpus)": [0-9]+`).ReplaceAllString(text, `"$1": 0`)
			file := "testdata/" + name + ".json"
			if *update {
				if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if text != string(want) {
				t.Errorf("%s differs; see with -update and git diff:\n%s", file, text)
			}
		})
	}
}

func TestMistakes(t *testing.T) {
	h := shop(t)
	id := idOf(unit("web.service"))
	for target, want := range map[string]struct {
		status int
		text   string
	}{
		WorkloadsPath + "?window=1h":                          {400, "window 1h is not between 5s and 15m0s"},
		WorkloadsPath + "?window=-5m":                         {400, "window -5m is not between"},
		WorkloadsPath + "?window=":                            {400, `window "" is not a duration as 90s or 5m`},
		WorkloadsPath + "?window=5":                           {400, `window "5" is not a duration`},
		WorkloadsPath + "?window=1m&window=5m":                {400, "the parameter window is given 2 times"},
		WorkloadsPath + "?id=" + id:                           {400, `unknown parameter "id"; known are: window`},
		WorkloadsPath + "?%zz":                                {400, "cannot read the query"},
		WorkloadsPath + "?window=" + strings.Repeat("1", 300): {400, "the query has 307 bytes, more than 256"},
		WorkloadPath:                            {400, "the parameter id is missing"},
		WorkloadPath + "?id=0123":               {404, "no workload of the last 15 minutes has this id"},
		"/api/v1/":                              {404, "404"},
		"/api/v2/workloads":                     {404, "404"},
		WorkloadPath + "?window=1m30s&id=" + id: {200, ""},
	} {
		r := ask(t, h.Handler(), target)
		text := r.Body.String()
		if r.Code != want.status || !strings.Contains(text, want.text) {
			t.Errorf("%s: %d %s", target, r.Code, text)
		}
		if want.status == 400 && (strings.Count(text, "\n") != 1 || !strings.HasPrefix(r.Header().Get("Content-Type"), "text/plain")) {
			t.Errorf("%s: not a line of text: %q", target, text)
		}
	}
	w := httptest.NewRecorder()
	h.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, WorkloadsPath, nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", w.Code)
	}
}

func TestNoSampleYet(t *testing.T) {
	h := newHost(t, nil)
	r := ask(t, h.Handler(), WorkloadsPath)
	if text := r.Body.String(); r.Code != http.StatusServiceUnavailable || r.Header().Get("Retry-After") != "5" || r.Header().Get("Cache-Control") != "no-store" || !strings.Contains(text, "no sample yet") {
		t.Errorf("%d %v %s", r.Code, r.Header(), text)
	}
}

// Who has the answer does not get it again until there is something new.
func TestETag(t *testing.T) {
	h := shop(t)
	tag := ask(t, h.Handler(), WorkloadsPath).Header().Get("ETag")
	for field, want := range map[string]int{tag: 304, `"a", ` + tag: 304, strings.TrimPrefix(tag, "W/"): 304, `"a"`: 200, "": 200} {
		r := ask(t, h.Handler(), WorkloadsPath, "If-None-Match", field)
		if text := r.Body.String(); r.Code != want || (text == "") != (want == 304) || r.Header().Get("ETag") != tag {
			t.Errorf("%s: status %d, %d bytes", field, r.Code, len(text))
		}
	}
	h.next(Interval)
	if r := ask(t, h.Handler(), WorkloadsPath, "If-None-Match", tag); r.Code != 200 {
		t.Errorf("after a sample: %d", r.Code)
	}
}

func TestGzip(t *testing.T) {
	h := shop(t)
	plain := ask(t, h.Handler(), WorkloadsPath).Body.String()
	r := ask(t, h.Handler(), WorkloadsPath, "Accept-Encoding", "gzip") // httptest's client is at 192.0.2.1
	if r.Header().Get("Content-Encoding") != "gzip" {
		t.Fatal("it is not compressed")
	}
	z, err := gzip.NewReader(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(z); err != nil || string(b) != plain {
		t.Errorf("%v, %d bytes, want %d", err, len(b), len(plain))
	}
}

// Samples, scrapes and questions may come at the same time.
func TestConcurrently(t *testing.T) {
	h := shop(t)
	handler := h.Handler()
	var group sync.WaitGroup
	for _, target := range []string{WorkloadsPath, CoveragePath, AgentPath, WorkloadPath + "?id=" + idOf(unit("web.service"))} {
		group.Go(func() {
			for range 20 {
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
				if w.Code != http.StatusOK {
					t.Errorf("%s: %d", target, w.Code)
				}
				_ = h.Stats()
			}
		})
	}
	group.Go(func() {
		for range 20 {
			w := httptest.NewRecorder()
			h.exporter.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
			if w.Code != http.StatusOK {
				t.Errorf("scrape: %d", w.Code)
			}
		}
	})
	for range 20 {
		if err := h.Sample(t.Context()); err != nil {
			t.Error(err)
		}
	}
	group.Wait()
}

func FuzzQuery(f *testing.F) {
	for _, s := range []string{"", "window=1m", "window=15m&id=abc", "id=%00", "a=b", "window=1e9s", "window=9999999h", "&&;"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := parseQuery(raw, time.Minute, "window", "id")
		if err != nil {
			return
		}
		if q.window < Interval || q.window > Span || q.id == "" {
			t.Errorf("%q: %+v", raw, q)
		}
	})
}
