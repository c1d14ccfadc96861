package decoder

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// event is what the decoder tells of, and the place behind the last byte of it.
type event struct {
	end  int
	text string // of all but header blocks
	*block
}

// block is a header block as far as the decoder knows it.
type block struct {
	stream, promised uint32
	method           string // empty: it has none
	status, grpc     int    // none, other, unknown
	isGRPC, ends     bool
	unknown          bool // a field refers to what was not seen
}

// In the place of a number, and of a method.
const (
	none    = -1
	other   = -2
	unknown = -3

	unknownMethod = "?"
	otherMethod   = "OTHER"
)

// direction is what one end of a connection sends.
type direction struct {
	random *rand.Rand
	bytes.Buffer
	framer  *http2.Framer
	encoder encoder
	decoder *hpack.Decoder
	events  []event
	// frames are the places where frames begin that are not within a header block.
	frames []int
}

func newDirection(random *rand.Rand, limit uint32) *direction {
	d := &direction{random: random, encoder: &randomEncoder{random: random, limit: limit, size: tableLimit}}
	if limit == tableLimit && random.IntN(3) == 0 {
		d.encoder = newGoEncoder(random)
	}
	d.framer = http2.NewFramer(&d.Buffer, nil)
	d.decoder = hpack.NewDecoder(tableLimit, nil)
	d.decoder.SetAllowedMaxDynamicTableSize(1 << 20)
	return d
}

func (d *direction) say(format string, args ...any) {
	d.events = append(d.events, event{end: d.Len(), text: fmt.Sprintf(format, args...)})
}

func (d *direction) coin(n int) bool { return d.random.IntN(n) == 0 }

// frame writes any frame, or all those of a header block.
func (d *direction) frame(t *testing.T) {
	t.Helper()
	stream := 1 + 2*uint32(d.random.IntN(50))
	ends := d.coin(3)
	d.frames = append(d.frames, d.Len())
	var err error
	switch d.random.IntN(16) {
	default:
		err = d.headers(t, stream, ends)
	case 0, 1, 2:
		payload := make([]byte, d.random.IntN(60))
		if d.coin(10) {
			payload = make([]byte, 16384)
		}
		if d.coin(3) {
			err = d.framer.WriteDataPadded(stream, ends, payload, make([]byte, d.random.IntN(20)))
		} else {
			err = d.framer.WriteData(stream, ends, payload)
		}
		if ends {
			d.say("end %d", stream)
		}
	case 3:
		code := http2.ErrCode(d.random.Uint32())
		err = d.framer.WriteRSTStream(stream, code)
		d.say("reset %d %d", stream, uint32(code))
	case 4:
		code := http2.ErrCode(d.random.IntN(14))
		err = d.framer.WriteGoAway(stream, code, make([]byte, d.random.IntN(30)))
		d.say("goaway %d %d", stream, uint32(code))
	case 5:
		switch d.random.IntN(5) {
		case 0:
			err = d.framer.WriteSettings(make([]http2.Setting, d.random.IntN(4))...)
		case 1:
			err = d.framer.WriteSettingsAck()
		case 2:
			err = d.framer.WritePing(ends, [8]byte{})
		case 3:
			err = d.framer.WriteWindowUpdate(stream-1, 1000)
		case 4:
			err = d.framer.WritePriority(stream, http2.PriorityParam{StreamDep: stream + 2, Weight: 3})
		}
	case 6:
		err = d.framer.WriteRawFrame(http2.FrameType(10+d.random.IntN(246)), http2.Flags(d.random.Uint32()), uint32(d.random.IntN(9)),
			make([]byte, d.random.IntN(40)))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// headers writes a header block: in a HEADERS or PUSH_PROMISE frame and any number of CONTINUATIONs.
func (d *direction) headers(t *testing.T, stream uint32, ends bool) error {
	t.Helper()
	coded := d.encoder.block(d.fields())
	want := d.decode(t, coded)
	want.stream = stream
	next := func() (fragment []byte, last bool) {
		n := len(coded)
		if d.coin(3) {
			n = d.random.IntN(n + 1)
		}
		fragment, coded = coded[:n], coded[n:]
		return fragment, len(coded) == 0 && !d.coin(6)
	}
	fragment, last := next()
	pad := uint8(0)
	if d.coin(4) {
		pad = uint8(d.random.IntN(256))
	}
	var err error
	if d.coin(8) {
		want.promised = 2 * uint32(1+d.random.IntN(50))
		err = d.framer.WritePushPromise(http2.PushPromiseParam{
			StreamID: stream, PromiseID: want.promised, BlockFragment: fragment, EndHeaders: last, PadLength: pad,
		})
	} else {
		p := http2.HeadersFrameParam{StreamID: stream, BlockFragment: fragment, EndStream: ends, EndHeaders: last, PadLength: pad}
		if d.coin(4) {
			p.Priority = http2.PriorityParam{StreamDep: stream + 2, Exclusive: ends, Weight: 200}
		}
		want.ends = ends
		err = d.framer.WriteHeaders(p)
	}
	for err == nil && !last {
		fragment, last = next()
		err = d.framer.WriteContinuation(stream, last, fragment)
	}
	d.events = append(d.events, event{end: d.Len(), block: want})
	return err
}

// fields are those of a request, of a response, or of trailers.
func (d *direction) fields() (fields []hpack.HeaderField) {
	add := func(name string, values ...string) {
		fields = append(fields, hpack.HeaderField{Name: name, Value: pick(d.random, values...)})
	}
	switch d.random.IntN(3) {
	case 0:
		add(":authority", "localhost", "example.org:8080")
		add(":method", "GET", "GET", "POST", "POST", "HEAD", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "PROPFIND", "get", "M")
		add(":path", "/", "/index.html", "/"+strings.Repeat("p", d.random.IntN(150)))
		add(":scheme", "http", "https")
		d.random.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
	case 1:
		add(":status", "200", "200", "204", "304", "404", "500", "503", "429", "418", "103", "100", "599", "099", "600", "20", "2000", "", "2x0",
			strconv.Itoa(d.random.IntN(1000)))
	}
	pseudo := len(fields)
	if d.coin(2) {
		add("content-type", "application/grpc", "application/grpc+proto", "application/grpc;v=1", "application/grpc-web", "application/grpcx",
			"application/grpc-web+proto", "application/connect+proto", "application/json", "text/html; charset=utf-8", "application/grp", "")
	}
	if d.coin(2) {
		add("grpc-status", "0", "0", "0", strconv.Itoa(d.random.IntN(17)), "17", "99", "100", "", "x", "-1")
		add("grpc-message", "", strings.Repeat("m", d.random.IntN(40)))
	}
	for range d.random.IntN(5) {
		add(pick(d.random, "te", "date", "cookie", "grpc-timeout", "grpc-statuz", ":statuses", "x-"+strings.Repeat("n", d.random.IntN(160))),
			"trailers", "", "100m", "abc", strings.Repeat("v", d.random.IntN(400)), strconv.Itoa(d.random.IntN(10000)))
	}
	d.random.Shuffle(len(fields)-pseudo, func(i, j int) {
		fields[pseudo+i], fields[pseudo+j] = fields[pseudo+j], fields[pseudo+i]
	})
	if d.coin(30) {
		return nil
	}
	return fields
}

// decode says what x/net finds in a block.
func (d *direction) decode(t *testing.T, coded []byte) *block {
	t.Helper()
	fields, err := d.decoder.DecodeFull(coded)
	if err != nil {
		t.Fatalf("%x: %v", coded, err)
	}
	b := &block{status: none, grpc: none}
	for _, f := range fields {
		switch f.Name {
		case ":method":
			b.method = otherMethod
			for _, m := range methods[1:] {
				if f.Value == m && m != unknownMethod {
					b.method = m
				}
			}
		case ":status":
			b.status = other
			if n, err := strconv.ParseUint(f.Value, 10, 16); err == nil && len(f.Value) == 3 && n >= 100 && n < 600 {
				b.status = int(n)
			}
		case "grpc-status":
			b.grpc = other
			if n, err := strconv.ParseUint(f.Value, 10, 16); err == nil && len(f.Value) < 3 && n < 17 {
				b.grpc = int(n)
			}
		case "content-type":
			rest, found := strings.CutPrefix(f.Value, "application/grpc")
			b.isGRPC = found && (rest == "" || rest[0] == '+' || rest[0] == ';')
		}
	}
	return b
}
