package page

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/fathomhq/fathom/internal/metrics"
)

// contentTypes are the kinds of files that are served, by extension.
var contentTypes = map[string]string{
	".js":  "text/javascript; charset=utf-8",
	".css": "text/css; charset=utf-8",
	".svg": "image/svg+xml",
}

// asset is a file in memory, as it is and compressed. A browser keeps it and asks each time whether it
// is still the same, so that an upgraded agent never meets a page of the one before.
type asset struct {
	contentType string
	tag         string // of the content, without quotes
	plain       []byte
	compressed  func() []byte // once, when first asked for: most agents are never looked at
}

func newAsset(contentType string, content []byte) *asset {
	return &asset{
		contentType: contentType,
		tag:         fmt.Sprintf("%x", sha256.Sum256(content))[:16],
		plain:       content,
		compressed:  sync.OnceValue(func() []byte { return compress(content) }),
	}
}

func compress(content []byte) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		panic(err) // the level is valid
	}
	_, _ = w.Write(content) // a buffer takes everything
	_ = w.Close()
	return b.Bytes()
}

// ServeHTTP answers GET and HEAD, with 304 where the browser has it already.
func (a *asset) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", a.contentType)
	h.Set("Cache-Control", "no-cache") // keep it, but ask
	h.Set("Vary", "Accept-Encoding")
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	body, tag := a.plain, a.tag
	if metrics.TakesGzip(r) {
		body, tag = a.compressed(), tag+"-gzip"
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("ETag", strconv.Quote(tag))
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}
