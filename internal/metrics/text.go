package metrics

import (
	"io"
	"strconv"
	"strings"
	"time"
)

// flushAt is how much an encoder collects before it writes.
const flushAt = 32 << 10

// textEncoder writes the text format, version 0.0.4. It has no native histograms
// and no created timestamps.
type textEncoder struct {
	w      io.Writer
	err    error
	buf    []byte
	family *Desc
	begun  bool
}

func newTextEncoder(w io.Writer) *textEncoder {
	return &textEncoder{w: w, buf: make([]byte, 0, flushAt+4096)}
}

func (t *textEncoder) begin(d *Desc) { t.family, t.begun = d, false }

// helpEscaper does what the format asks for in help texts.
var helpEscaper = strings.NewReplacer(`\`, `\\`, "\n", `\n`)

func (t *textEncoder) header() {
	if t.begun {
		return
	}
	t.begun = true
	t.buf = append(t.buf, "# HELP "+t.family.Name+" "+helpEscaper.Replace(t.family.Help)+"\n"...)
	t.buf = append(t.buf, "# TYPE "+t.family.Name+" "+string(t.family.Type)+"\n"...)
}

func (t *textEncoder) number(l labels, extra labelSet, v number, _ time.Time) {
	t.header()
	t.line("", l, extra.text)
	if v.fraction == 0 {
		t.buf = strconv.AppendUint(t.buf, v.whole, 10)
	} else {
		t.buf = strconv.AppendFloat(t.buf, v.float(), 'g', -1, 64)
	}
	t.endLine()
}

func (t *textEncoder) histogram(l labels, s *sample, lay *layout, _ time.Time) {
	t.header()
	var n uint64
	from := 0
	for i := range lay.classic {
		c := &lay.classic[i]
		for ; from <= c.last; from++ {
			n += s.buckets[from]
		}
		t.line("_bucket", l, nil, c.text)
		t.buf = strconv.AppendUint(t.buf, n, 10)
		t.endLine()
	}
	for ; from < len(s.buckets); from++ {
		n += s.buckets[from]
	}
	t.line("_bucket", l, nil, `le="+Inf"`)
	t.buf = strconv.AppendUint(t.buf, n, 10)
	t.endLine()
	t.line("_sum", l, nil)
	t.buf = strconv.AppendFloat(t.buf, secondsOf(s.sum), 'g', -1, 64)
	t.endLine()
	t.line("_count", l, nil)
	t.buf = strconv.AppendUint(t.buf, n, 10)
	t.endLine()
}

// line writes name and labels.
func (t *textEncoder) line(suffix string, l labels, extra []byte, le ...string) {
	t.buf = append(t.buf, t.family.Name...)
	t.buf = append(t.buf, suffix...)
	sep := byte('{')
	for _, part := range [...][]byte{l.workload.text, l.own.text, extra} {
		if len(part) > 0 {
			t.buf = append(append(t.buf, sep), part...)
			sep = ','
		}
	}
	for _, part := range le {
		t.buf = append(append(t.buf, sep), part...)
		sep = ','
	}
	if sep == ',' {
		t.buf = append(t.buf, '}')
	}
	t.buf = append(t.buf, ' ')
}

func (t *textEncoder) endLine() {
	t.buf = append(t.buf, '\n')
	if len(t.buf) >= flushAt {
		t.flush()
	}
}

func (t *textEncoder) flush() {
	if t.err == nil {
		_, t.err = t.w.Write(t.buf)
	}
	t.buf = t.buf[:0]
}

func (t *textEncoder) end() error {
	t.flush()
	return t.err
}
