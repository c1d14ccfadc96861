package page

import (
	"compress/gzip"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func pages(t *testing.T) *http.ServeMux {
	t.Helper()
	mux := http.NewServeMux()
	err := Register(mux, Options{Version: "v1<2", Queries: []Query{{"Shows <all>", `up{job=~"a|b"}`}}})
	if err != nil {
		t.Fatal(err)
	}
	return mux
}

func get(mux http.Handler, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	return w
}

func TestServed(t *testing.T) {
	mux := pages(t)
	for target, contentType := range map[string]string{
		"/":                        "text/html; charset=utf-8",
		"/assets/main.js":          "text/javascript; charset=utf-8",
		"/assets/vendor/preact.js": "text/javascript; charset=utf-8",
		"/assets/style.css":        "text/css; charset=utf-8",
		"/assets/favicon.svg":      "image/svg+xml",
	} {
		w := get(mux, target)
		h := w.Header()
		if w.Code != 200 || h.Get("Content-Type") != contentType || h.Get("Content-Security-Policy") != policy || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %v", target, w.Code, h)
		}
	}
	for _, target := range []string{"/assets/", "/assets/index.html", "/assets/vendor/htm.LICENSE", "/assets/../page.go", "/index.html"} {
		if w := get(mux, target); w.Code == 200 {
			t.Errorf("%s: %d", target, w.Code)
		}
	}
}

func TestDocument(t *testing.T) {
	body := get(pages(t), "/").Body.String()
	for _, want := range []string{
		"v1&lt;2", "Shows &lt;all&gt;", "up{job=~&#34;a|b&#34;}", `<link rel="modulepreload" href="assets/vendor/preact.js">`, "<noscript>",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
}

func TestCompressedOnce(t *testing.T) {
	mux := pages(t)
	const target = "/assets/style.css"
	plain := get(mux, target)
	packed := get(mux, target, "Accept-Encoding", "br, gzip")
	if packed.Header().Get("Content-Encoding") != "gzip" || packed.Header().Get("Vary") != "Accept-Encoding" {
		t.Fatalf("not compressed: %v", packed.Header())
	}
	r, err := gzip.NewReader(packed.Body)
	if err != nil {
		t.Fatal(err)
	}
	unpacked, err := io.ReadAll(r)
	if err != nil || string(unpacked) != plain.Body.String() {
		t.Errorf("%d bytes of %d: %v", len(unpacked), plain.Body.Len(), err)
	}
	tags := map[string]bool{plain.Header().Get("ETag"): true, packed.Header().Get("ETag"): true, "": true}
	if len(tags) != 3 {
		t.Errorf("tags: %v", tags)
	}
	again := get(mux, target, "Accept-Encoding", "gzip", "If-None-Match", packed.Header().Get("ETag"))
	if again.Code != http.StatusNotModified || again.Body.Len() != 0 {
		t.Errorf("again: %d, %d bytes", again.Code, again.Body.Len())
	}
}

// What a browser gets when it opens the page for the first time. The limit is a promise to people with
// slow connections; most of it is free.
func TestSize(t *testing.T) {
	const limit = 150_000
	mux := pages(t)
	total := get(mux, "/", "Accept-Encoding", "gzip").Body.Len()
	assets, err := read(embedded)
	if err != nil {
		t.Fatal(err)
	}
	for name := range assets {
		total += get(mux, "/assets/"+name, "Accept-Encoding", "gzip").Body.Len()
	}
	t.Logf("%d files, %d bytes compressed", len(assets)+1, total)
	if total > limit {
		t.Errorf("%d bytes compressed, more than %d", total, limit)
	}
}

var (
	imported = regexp.MustCompile(`(?:from|import)\s*"([^"]*)"`)
	address  = regexp.MustCompile(`https?://[^\s"'<>)]*`)
)

// No module is missing, and none is fetched from elsewhere.
func TestImports(t *testing.T) {
	assets, err := read(embedded)
	if err != nil {
		t.Fatal(err)
	}
	err = fs.WalkDir(embedded, "assets", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasSuffix(file, "LICENSE") {
			return err
		}
		content, err := fs.ReadFile(embedded, file)
		if err != nil {
			return err
		}
		for _, found := range address.FindAllString(string(content), -1) {
			if !strings.HasPrefix(found, "http://www.w3.org/") { // the names of XML's namespaces
				t.Errorf("%s has the address %s", file, found)
			}
		}
		for _, m := range imported.FindAllStringSubmatch(string(content), -1) {
			name := strings.TrimPrefix(strings.TrimPrefix(m[1], "./"), "vendor/")
			if assets[name] == nil && assets["vendor/"+name] == nil {
				t.Errorf("%s imports %s", file, m[1])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
