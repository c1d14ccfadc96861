package metrics

import (
	"io"
	"math"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// protoEncoder writes length-delimited io.prometheus.client.MetricFamily messages
// (client_model's metrics.proto), with histograms in both forms.
type protoEncoder struct {
	w      io.Writer
	err    error
	family *Desc
	begun  bool
	buf    []byte // the family so far
	value  []byte // scratch: the message within a metric
	part   []byte // scratch: a message within the value
}

func newProtoEncoder(w io.Writer) *protoEncoder { return &protoEncoder{w: w} }

func (p *protoEncoder) begin(d *Desc) {
	p.flush()
	p.family, p.begun = d, false
}

// header writes what precedes the metrics. The unit is left out: Prometheus
// refuses a scrape in which a name does not end in it.
func (p *protoEncoder) header() {
	if p.begun {
		return
	}
	p.begun = true
	p.buf = protowire.AppendTag(p.buf, 1, protowire.BytesType)
	p.buf = protowire.AppendString(p.buf, p.family.Name)
	p.buf = protowire.AppendTag(p.buf, 2, protowire.BytesType)
	p.buf = protowire.AppendString(p.buf, p.family.Help)
	p.buf = appendVarint(p.buf, 3, map[Type]uint64{Counter: 0, Gauge: 1, Histogram: 4}[p.family.Type])
}

func (p *protoEncoder) number(l labels, extra labelSet, v number, created time.Time) {
	p.value = appendDouble(p.value[:0], 1, v.float())
	if p.family.Type == Gauge {
		p.metric(l, extra, 2)
		return
	}
	p.created(3, created)
	p.metric(l, extra, 3)
}

func (p *protoEncoder) histogram(l labels, s *sample, lay *layout, created time.Time) {
	count := uint64(0)
	for _, n := range s.buckets {
		count += n
	}
	p.value = appendVarint(p.value[:0], 1, count)
	p.value = appendDouble(p.value, 2, secondsOf(s.sum))
	p.classic(s.buckets, lay)
	if lay.slot != nil {
		p.native(lay.native(s.buckets))
	}
	p.created(15, created)
	p.metric(l, labelSet{}, 7)
}

// classic writes all buckets but +Inf, which is the count.
func (p *protoEncoder) classic(buckets []uint64, lay *layout) {
	var n uint64
	from := 0
	for i := range lay.classic {
		c := &lay.classic[i]
		for ; from <= c.last; from++ {
			n += buckets[from]
		}
		p.part = appendVarint(p.part[:0], 1, n)
		p.part = appendDouble(p.part, 2, c.le)
		p.value = appendMessage(p.value, 3, p.part)
	}
}

// native writes schema, zero bucket, and the others as spans and deltas.
func (p *protoEncoder) native(slots [nativeSlots]uint64) {
	p.value = appendVarint(p.value, 5, protowire.EncodeZigZag(nativeSchema))
	p.value = appendDouble(p.value, 6, math.Exp2(float64(nativeMin)/nativePerPower))
	p.value = appendVarint(p.value, 7, slots[0])
	p.part = p.part[:0]
	var before uint64
	for next, first := 1, true; next < nativeSlots; first = false {
		begin, end := span(slots[:], next)
		if begin == end {
			break
		}
		offset := begin - next
		if first {
			offset = begin + nativeMin
		}
		p.span(offset, end-begin)
		for _, n := range slots[begin:end] {
			delta := int64(n) - int64(before) //nolint:gosec // wraps back to the difference
			p.part = protowire.AppendVarint(p.part, protowire.EncodeZigZag(delta))
			before = n
		}
		next = end
	}
	if len(p.part) > 0 {
		p.value = appendMessage(p.value, 13, p.part)
	}
}

// span finds the next run of used slots. A gap of up to two belongs to it: a
// span of its own would take more bytes.
func span(slots []uint64, from int) (begin, end int) {
	for from < len(slots) && slots[from] == 0 {
		from++
	}
	begin, end = from, from
	for i := from; i < len(slots) && i-end <= 2; i++ {
		if slots[i] != 0 {
			end = i + 1
		}
	}
	return begin, end
}

func (p *protoEncoder) span(offset, length int) {
	var m [2 * (1 + 10)]byte
	b := appendVarint(m[:0], 1, protowire.EncodeZigZag(int64(offset)))
	b = appendVarint(b, 2, uint64(length)) //nolint:gosec // not negative
	p.value = appendMessage(p.value, 12, b)
}

func (p *protoEncoder) created(field protowire.Number, t time.Time) {
	if t.IsZero() {
		return
	}
	p.part = appendVarint(p.part[:0], 1, uint64(t.Unix()))   //nolint:gosec // after 1970
	p.part = appendVarint(p.part, 2, uint64(t.Nanosecond())) //nolint:gosec // not negative
	p.value = appendMessage(p.value, field, p.part)
}

// metric writes a metric whose value is ready.
func (p *protoEncoder) metric(l labels, extra labelSet, field protowire.Number) {
	p.header()
	size := len(l.workload.proto) + len(l.own.proto) + len(extra.proto) +
		protowire.SizeTag(field) + protowire.SizeBytes(len(p.value))
	p.buf = protowire.AppendTag(p.buf, 4, protowire.BytesType)
	p.buf = protowire.AppendVarint(p.buf, uint64(size)) //nolint:gosec // not negative
	p.buf = append(p.buf, l.workload.proto...)
	p.buf = append(p.buf, l.own.proto...)
	p.buf = append(p.buf, extra.proto...)
	p.buf = appendMessage(p.buf, field, p.value)
}

func (p *protoEncoder) flush() {
	if p.err == nil && len(p.buf) > 0 {
		_, p.err = p.w.Write(protowire.AppendVarint(nil, uint64(len(p.buf))))
		if p.err == nil {
			_, p.err = p.w.Write(p.buf)
		}
	}
	p.buf = p.buf[:0]
}

func (p *protoEncoder) end() error {
	p.flush()
	return p.err
}

func appendVarint(b []byte, field protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), v)
}

func appendDouble(b []byte, field protowire.Number, v float64) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(b, field, protowire.Fixed64Type), math.Float64bits(v))
}

func appendMessage(b []byte, field protowire.Number, m []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), m)
}
