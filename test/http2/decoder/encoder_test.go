package decoder

import (
	"bytes"
	"math/rand/v2"
	"slices"

	"golang.org/x/net/http2/hpack"
)

// encoder makes header blocks.
type encoder interface {
	block(fields []hpack.HeaderField) []byte
}

// goEncoder is that of x/net, as Go's programs use it.
type goEncoder struct {
	random *rand.Rand
	b      bytes.Buffer
	*hpack.Encoder
}

func newGoEncoder(random *rand.Rand) *goEncoder {
	e := &goEncoder{random: random}
	e.Encoder = hpack.NewEncoder(&e.b)
	e.SetMaxDynamicTableSizeLimit(tableLimit)
	return e
}

func (e *goEncoder) block(fields []hpack.HeaderField) []byte {
	if len(fields) > 0 && e.random.IntN(20) == 0 {
		e.SetMaxDynamicTableSize(pick[uint32](e.random, 0, 64, 200, 4096, 4096, 4096))
	}
	e.b.Reset()
	for _, f := range fields {
		f.Sensitive = e.random.IntN(10) == 0
		if e.WriteField(f) != nil {
			panic("a buffer took no bytes")
		}
	}
	return bytes.Clone(e.b.Bytes())
}

// tableLimit is the largest table that encoders use, by default; it holds at most as many entries as the decoder has places.
const tableLimit uint32 = 4096

// randomEncoder writes each field in any form that is allowed (RFC 7541, section 6), and adds what does not fit the table.
type randomEncoder struct {
	random *rand.Rand
	limit  uint32
	size   uint32
	table  []hpack.HeaderField // the newest first
	b      []byte
}

func (e *randomEncoder) block(fields []hpack.HeaderField) []byte {
	e.b = nil
	// Of several, that of x/net takes the further ones only if the first has emptied the table.
	for i := 0; (i == 0 || len(e.table) == 0) && e.random.IntN(8) == 0; i++ {
		e.size = e.limit
		if e.limit == tableLimit {
			e.size = pick(e.random, 0, 40, 100, 1000, e.limit, e.limit)
		}
		e.number(0x20, 5, uint64(e.size))
		e.evict()
	}
	for _, f := range fields {
		e.field(f)
	}
	return e.b
}

func (e *randomEncoder) field(f hpack.HeaderField) {
	var whole, name []uint64
	for i, entry := range slices.Concat(static, e.table) {
		if entry.Name == f.Name {
			name = append(name, uint64(i+1))
			if entry.Value == f.Value {
				whole = append(whole, uint64(i+1))
			}
		}
	}
	if len(whole) > 0 && e.random.IntN(4) > 0 {
		e.number(0x80, 7, whole[e.random.IntN(len(whole))])
		return
	}
	index := uint64(0)
	if len(name) > 0 && e.random.IntN(4) > 0 {
		index = name[e.random.IntN(len(name))]
	}
	form := e.random.IntN(6)
	switch form {
	case 0:
		e.number(0x00, 4, index)
	case 1:
		e.number(0x10, 4, index)
	default:
		e.number(0x40, 6, index)
	}
	if index == 0 {
		e.string(f.Name)
	}
	e.string(f.Value)
	if form > 1 {
		e.table = slices.Insert(e.table, 0, f)
		e.evict()
	}
}

func (e *randomEncoder) evict() {
	size := uint32(0)
	for i, f := range e.table {
		if size += f.Size(); size > e.size {
			e.table = e.table[:i]
			return
		}
	}
}

// number writes one (section 5.1), sometimes with more bytes than it takes.
func (e *randomEncoder) number(pattern byte, prefix int, n uint64) {
	most := uint64(1)<<prefix - 1
	if n < most {
		e.b = append(e.b, pattern|byte(n))
		return
	}
	e.b = append(e.b, pattern|byte(most))
	n -= most
	for ; n >= 0x80; n >>= 7 {
		e.b = append(e.b, byte(n)|0x80)
	}
	if e.random.IntN(8) == 0 {
		e.b = append(e.b, byte(n)|0x80, 0x80, 0)
		return
	}
	e.b = append(e.b, byte(n))
}

func (e *randomEncoder) string(s string) {
	if e.random.IntN(2) == 0 {
		e.number(0, 7, uint64(len(s)))
		e.b = append(e.b, s...)
		return
	}
	e.number(0x80, 7, hpack.HuffmanEncodeLength(s))
	e.b = hpack.AppendHuffmanString(e.b, s)
}

// static is the static table (appendix A).
var static = func() (entries []hpack.HeaderField) {
	d := hpack.NewDecoder(0, func(f hpack.HeaderField) { entries = append(entries, f) })
	for i := range 61 {
		if _, err := d.Write([]byte{0x80 | byte(i+1)}); err != nil {
			panic(err)
		}
	}
	return entries
}()

func pick[T any](random *rand.Rand, from ...T) T { return from[random.IntN(len(from))] }
