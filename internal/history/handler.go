package history

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/fathomhq/fathom/internal/metrics"
)

// The end points.
const (
	WorkloadsPath = "/api/v1/workloads"
	WorkloadPath  = "/api/v1/workload"
	CoveragePath  = "/api/v1/coverage"
	AgentPath     = "/api/v1/agent"
)

var (
	errNoSample  = errors.New("there is no sample yet; try again in a few seconds")
	errUnknownID = errors.New("no workload of the last 15 minutes has this id: take one from /api/v1/workloads")
)

// Handler answers the end points of the API. What a request takes is bounded by the size of the history; requests are
// answered one after the other.
func (h *History) Handler() http.Handler {
	mux := http.NewServeMux()
	handle := func(path string, answer func(query) (any, error), defaults query, parameters ...string) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			q, err := parseQuery(r.URL.RawQuery, defaults.window, parameters...)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			h.serve(w, r, func() (any, error) { return answer(q) })
		})
	}
	handle(WorkloadsPath, func(q query) (any, error) { return h.overview(q.window), nil }, query{window: overviewWindow}, "window")
	handle(WorkloadPath, func(q query) (any, error) {
		t := h.byID[q.id]
		if t == nil {
			return nil, errUnknownID
		}
		return h.details(t, q.window), nil
	}, query{window: Span}, "window", "id")
	handle(CoveragePath, func(q query) (any, error) { return h.coverage(q.window), nil }, query{window: Span}, "window")
	handle(AgentPath, func(q query) (any, error) { return h.agent(q.window), nil }, query{window: Span}, "window")
	return mux
}

// serve sends an answer, unless the client has it already.
func (h *History) serve(w http.ResponseWriter, r *http.Request, answer func() (any, error)) {
	body, tag, err := h.answer(r.Header.Get("If-None-Match"), answer)
	switch {
	case errors.Is(err, errNoSample):
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Retry-After", strconv.Itoa(int(Interval.Seconds())))
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	case errors.Is(err, errUnknownID):
		w.Header().Set("Cache-Control", "no-store")
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	case err != nil:
		h.log.Error("cannot answer", "path", r.URL.Path, "error", err)
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	header := w.Header()
	header.Set("ETag", tag)
	header.Set("Cache-Control", "private, no-cache") // ask again each time; it may be behind a password
	header.Add("Vary", "Accept-Encoding")
	if body == nil {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	header.Set("Content-Type", "application/json")
	header.Set("X-Content-Type-Options", "nosniff")
	if err := send(w, r, body); err != nil {
		h.log.Debug("answer a request", "path", r.URL.Path, "error", err)
	}
}

// answer makes the body of an answer and its tag. There is no body if the client has it.
func (h *History) answer(has string, answer func() (any, error)) (body []byte, tag string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.frames) == 0 {
		return nil, "", errNoSample
	}
	tag = fmt.Sprintf(`W/"%x-%x"`, h.options.Started.UnixNano(), h.sample) // weak: it may be compressed or not
	if matches(has, tag) {
		return nil, tag, nil
	}
	a, err := answer()
	if err != nil {
		return nil, "", err
	}
	body, err = json.Marshal(a)
	return body, tag, err
}

// matches tells whether a field If-None-Match has a tag (RFC 9110, section 13.1.2).
func matches(field, tag string) bool {
	for has := range strings.SplitSeq(field, ",") {
		if strings.TrimPrefix(strings.TrimSpace(has), "W/") == strings.TrimPrefix(tag, "W/") {
			return true
		}
	}
	return false
}

// minZip is from which size on an answer is compressed.
const minZip = 2 << 10

var zips = sync.Pool{New: func() any {
	z, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // fails for a wrong level only
	return z
}}

// send sends a body, compressed where that saves something.
func send(w http.ResponseWriter, r *http.Request, body []byte) error {
	if len(body) < minZip || !metrics.AcceptsGzip(r) {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, err := w.Write(body)
		return err
	}
	w.Header().Set("Content-Encoding", "gzip")
	z, _ := zips.Get().(*gzip.Writer)
	defer zips.Put(z)
	z.Reset(w)
	if _, err := z.Write(body); err != nil {
		return err
	}
	return z.Close()
}
