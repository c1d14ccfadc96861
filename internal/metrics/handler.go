package metrics

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// SelfRegistry returns the metrics of the agent's own process and of the Go runtime, for
// Options.Extra.
func SelfRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return r
}

// ServeHTTP answers a scrape: in protobuf, which has the native histograms, to
// whoever prefers it, otherwise in the text format. If the counters cannot be
// read it answers 500 and says why; it never answers with a part of them.
func (e *Exporter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	format := expfmt.NegotiateAccept(r.Header, expfmt.NewFormat(expfmt.TypeTextPlain), expfmt.NewFormat(expfmt.TypeProtoDelim))
	zip := AcceptsGzip(r)
	b := body{pool: &e.buffers.chunks}
	defer b.free()
	if err := e.writeBody(r.Context(), &b, format, zip); err != nil {
		e.log.Error("scrape failed", "error", err)
		http.Error(w, "scrape failed: "+err.Error(), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", string(format))
	h.Set("Content-Length", strconv.Itoa(b.size))
	h.Add("Vary", "Accept, Accept-Encoding")
	if zip {
		h.Set("Content-Encoding", "gzip")
	}
	if _, err := b.WriteTo(w); err != nil {
		e.log.Debug("answer a scrape", "error", err)
	}
}

// writeBody fills a body before anything is sent, so that an error can still be
// told, and a slow client holds up no other.
func (e *Exporter) writeBody(ctx context.Context, w io.Writer, format expfmt.Format, zip bool) error {
	if !zip {
		return e.writeFormat(ctx, w, format)
	}
	return e.buffers.zip(w, func(z io.Writer) error { return e.writeFormat(ctx, z, format) })
}

// writeFormat writes Fathom's metrics and then the others.
func (e *Exporter) writeFormat(ctx context.Context, w io.Writer, format expfmt.Format) error {
	encode := e.buffers.text
	if format.FormatType() == expfmt.TypeProtoDelim {
		encode = e.buffers.proto
	}
	if err := encode(w, func(enc encoder) error { return e.write(ctx, enc) }); err != nil {
		return err
	}
	if e.extra == nil {
		return nil
	}
	families, err := e.extra.Gather()
	if err != nil {
		return fmt.Errorf("gather the agent's own metrics: %w", err)
	}
	out := expfmt.NewEncoder(w, format)
	for _, f := range families {
		if err := out.Encode(f); err != nil {
			return fmt.Errorf("encode %s: %w", f.GetName(), err)
		}
	}
	return nil
}

// Gather returns what a scrape shows, for those who need a [prometheus.Gatherer]. It takes several
// times as long as ServeHTTP.
func (e *Exporter) Gather() ([]*dto.MetricFamily, error) {
	var binary bytes.Buffer
	format := expfmt.NewFormat(expfmt.TypeProtoDelim)
	if err := e.writeFormat(context.Background(), &binary, format); err != nil {
		return nil, err
	}
	var families []*dto.MetricFamily
	for in := expfmt.NewDecoder(&binary, format); ; {
		f := new(dto.MetricFamily)
		if err := in.Decode(f); errors.Is(err, io.EOF) {
			return families, nil
		} else if err != nil {
			return nil, err
		}
		families = append(families, f)
	}
}

// AcceptsGzip tells whether to compress an answer: not on the way to this host itself, where
// it takes more time than it saves.
func AcceptsGzip(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err == nil {
		if addr, err := netip.ParseAddr(host); err == nil && addr.Unmap().IsLoopback() {
			return false
		}
	}
	return TakesGzip(r)
}

// TakesGzip tells whether the client of a request can read gzip (RFC 9110, section 12.5.3).
func TakesGzip(r *http.Request) bool {
	for _, field := range r.Header.Values("Accept-Encoding") {
		for coding := range strings.SplitSeq(field, ",") {
			name, params, _ := strings.Cut(coding, ";")
			if strings.EqualFold(strings.TrimSpace(name), "gzip") {
				q, ok := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q=")
				weight, err := strconv.ParseFloat(q, 64)
				return !ok || err == nil && weight > 0
			}
		}
	}
	return false
}
