package http2

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/fathomhq/fathom/internal/protocol"
)

// wire is one end of a connection whose frames are put together by hand, and sent in calls that are cut as a test wants it.
type wire struct {
	net.Conn
	*http2.Framer // writes to out

	out    bytes.Buffer
	fields *hpack.Encoder
	block  bytes.Buffer
}

// newWire reads at most so many bytes in a call; 0: what comes.
func newWire(c net.Conn, reads int) *wire {
	w := &wire{Conn: c}
	var in io.Reader = bufio.NewReaderSize(c, 1<<16)
	if reads > 0 {
		in = smallReader{c, reads}
	}
	w.Framer = http2.NewFramer(&w.out, in)
	w.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	w.ReadMetaHeaders.SetAllowedMaxDynamicTableSize(1 << 16)
	w.AllowIllegalWrites = true
	w.SetMaxReadFrameSize(1 << 20)
	w.fields = hpack.NewEncoder(&w.block)
	return w
}

type smallReader struct {
	io.Reader
	most int
}

func (r smallReader) Read(p []byte) (int, error) { return r.Reader.Read(p[:min(len(p), r.most)]) }

// shape is how frames are made.
type shape struct {
	pad      int  // bytes of padding of HEADERS and DATA
	pieces   int  // bytes of a header block in each of HEADERS and CONTINUATION; 0: all
	priority bool // HEADERS say which stream it depends on
	strange  bool // frames of unknown types are between all others
}

// head puts fields, "name: value", into a header block, and this into frames.
func (w *wire) head(id uint32, end bool, s shape, fields ...string) {
	w.strangers(id, s)
	w.block.Reset()
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		_ = w.fields.WriteField(hpack.HeaderField{Name: name, Value: value})
	}
	w.headBlock(id, end, s, w.block.Bytes())
}

func (w *wire) headBlock(id uint32, end bool, s shape, block []byte) {
	first := block
	if s.pieces > 0 {
		first = block[:min(len(block), s.pieces)]
	}
	rest := block[len(first):]
	h := http2.HeadersFrameParam{StreamID: id, BlockFragment: first, EndStream: end, EndHeaders: len(rest) == 0, PadLength: uint8(s.pad)} //nolint:gosec // at most 255
	if s.priority {
		h.Priority = http2.PriorityParam{StreamDep: 0, Exclusive: true, Weight: 200}
	}
	_ = w.WriteHeaders(h)
	for len(rest) > 0 {
		n := min(len(rest), s.pieces)
		_ = w.WriteContinuation(id, n == len(rest), rest[:n])
		rest = rest[n:]
	}
}

// data puts a body into frames of at most 16,000 bytes.
func (w *wire) data(id uint32, end bool, s shape, body []byte) {
	for first := true; first || len(body) > 0; first = false {
		w.strangers(id, s)
		n := min(len(body), 16000)
		last := end && n == len(body)
		if s.pad > 0 {
			_ = w.WriteDataPadded(id, last, body[:n], make([]byte, s.pad))
		} else {
			_ = w.WriteData(id, last, body[:n])
		}
		body = body[n:]
	}
}

// strangers are frames of unknown types, whose flags mean nothing.
func (w *wire) strangers(id uint32, s shape) {
	if !s.strange {
		return
	}
	_ = w.WriteRawFrame(0x10, 0xff, 0, []byte("\x00\x00\x00\x01u=1")) // PRIORITY_UPDATE
	_ = w.WriteRawFrame(0xfa, 0xff, 0, nil)
	_ = w.WriteRawFrame(0x0c, 0x05, id, make([]byte, 20))
	_ = w.WritePriority(id, http2.PriorityParam{StreamDep: 0, Weight: 7})
	_ = w.WriteSettings()
	_ = w.WritePing(false, [8]byte{})
	_ = w.WriteWindowUpdate(0, 1)
}

// flush sends what is put together: in calls that end at these places, or in one.
func (w *wire) flush(ends ...int) error {
	text := bytes.Clone(w.out.Bytes())
	w.out.Reset()
	at := 0
	for _, end := range append(ends, len(text)) {
		if end <= at || end > len(text) {
			continue
		}
		if at > 0 {
			time.Sleep(100 * time.Microsecond) // so that the peer reads what there is
		}
		if _, err := w.Write(text[at:end]); err != nil {
			return err
		}
		at = end
	}
	return nil
}

// flushBuffers sends what is put together in calls of so many buffers: the system takes 1,024 at most.
func (w *wire) flushBuffers(n int) error {
	text := bytes.Clone(w.out.Bytes())
	w.out.Reset()
	var buffers net.Buffers
	for i := range n {
		if piece := text[len(text)*i/n : len(text)*(i+1)/n]; len(piece) > 0 {
			buffers = append(buffers, piece)
		}
	}
	_, err := buffers.WriteTo(w.Conn)
	return err
}

// each are the ends of calls of n bytes, for flush.
func (w *wire) each(n int) (ends []int) {
	for at := n; at < w.out.Len(); at += n {
		ends = append(ends, at)
	}
	return ends
}

// caller is a raw client. It counts what is answered.
type caller struct {
	*wire
	*tally

	last     uint32
	taken    *uint32           // the last stream that the server has taken, by its GOAWAY
	open     map[uint32]string // the methods of requests that are not over
	statuses map[uint32]string // of those of which the status has come
}

// dial connects, and puts the preface first into what will be sent.
func dial(t *tally, addr string, reads int) (*caller, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	w := &caller{wire: newWire(c, reads), tally: t, open: map[uint32]string{}, statuses: map[uint32]string{}}
	w.last--
	w.out.WriteString(http2.ClientPreface)
	_ = w.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 30}, http2.Setting{ID: http2.SettingEnablePush, Val: 1})
	_ = w.WriteWindowUpdate(0, 1<<30)
	return w, nil
}

// ask puts a request into what will be sent: "METHOD PATH", and fields. With a body of nil it ends with its head.
func (c *caller) ask(request string, s shape, body []byte, fields ...string) (id uint32) {
	method, path, _ := strings.Cut(request, " ")
	c.last += 2
	c.open[c.last] = method
	if slices.Contains(fields, "content-type: application/grpc") {
		c.open[c.last] = gRPC
	}
	fields = append([]string{":authority: test", ":method: " + method, ":path: " + path, ":scheme: http"}, fields...)
	c.head(c.last, body == nil, s, fields...)
	if body != nil {
		c.data(c.last, true, s, body)
	}
	return c.last
}

// give gives a request up.
func (c *caller) give(id uint32) {
	_ = c.WriteRSTStream(id, http2.ErrCodeCancel)
	c.over(id, protocol.ResetByClient)
}

// over counts a request, by how it ended if it was not answered.
func (c *caller) over(id uint32, end string) {
	if method, open := c.open[id]; open {
		status, answered := c.statuses[id]
		if !answered {
			status = end
		}
		c.add(method, status)
		delete(c.open, id)
	}
}

// await reads until at most so many requests are open, or until something is true of one.
func (c *caller) await(open int, until func(http2.Frame) bool) error {
	for len(c.open) > open {
		f, err := c.ReadFrame()
		if _, ofStream := errors.AsType[http2.StreamError](err); ofStream {
			continue // a pseudo field that the reader does not know
		}
		if err != nil {
			return err
		}
		id, ended, end := f.Header().StreamID, false, protocol.Aborted
		switch f := f.(type) {
		case *http2.MetaHeadersFrame:
			if status := f.PseudoValue("status"); status != "" && status[0] != '1' {
				c.statuses[id] = status
			}
			for _, field := range f.Fields {
				if n, err := strconv.Atoi(field.Value); err == nil && field.Name == "grpc-status" && n < len(statuses) {
					c.statuses[id] = statuses[n]
				}
			}
			ended = f.StreamEnded()
		case *http2.DataFrame:
			ended = f.StreamEnded()
		case *http2.RSTStreamFrame:
			ended, end = true, protocol.ResetByServer
			if f.ErrCode == http2.ErrCodeRefusedStream {
				end = protocol.Refused
			}
		case *http2.GoAwayFrame:
			c.taken = &f.LastStreamID
		case *http2.SettingsFrame:
			if !f.IsAck() {
				_ = c.WriteSettingsAck()
				if err := c.flush(); err != nil {
					return err
				}
			}
		}
		if ended {
			c.over(id, end)
		}
		if until != nil && until(f) {
			return nil
		}
	}
	return nil
}

// end ends the connection, and counts what is open.
func (c *caller) end() error {
	for _, id := range slices.Sorted(maps.Keys(c.open)) {
		if c.taken != nil && id > *c.taken {
			c.over(id, protocol.Refused)
		}
		c.over(id, protocol.Aborted)
	}
	return c.Close()
}

// listen is net.Listen without Multipath TCP.
func listen(addr string) (net.Listener, error) {
	var config net.ListenConfig
	config.SetMultipathTCP(false)
	return config.Listen(context.Background(), "tcp", addr)
}

// serveRaw is a raw server. What it does with a request is in its path: a status, and options.
//
//	size=N           so many bytes of a body; 0: an empty DATA ends the stream
//	pad=N pieces=N priority strange       the shape of its frames
//	calls=N, at=N    it answers in calls of N bytes, or in two, of which the first has N
//	buffers=N        it answers in one call, of so many buffers
//	interim=N        so many interim responses
//	trailers         behind the body
//	grpc=N           grpc-status in the trailers, or alone in the head: grpc=N&only
//	reset=before, within, behind          it gives up the stream
//	early            it answers before the request has ended
//	last             the connection ends: later streams are not answered
//	push             it pushes a response
//	update=N         the encoder's table gets another size
//	broken           behind it comes a frame that may not be there, and nothing more
//	hold             it waits; "release" has all answered that wait, the last one first
func serveRaw(args []string) error {
	flags := flag.NewFlagSet("serve-raw", flag.ContinueOnError)
	reads := flags.Int("reads", 0, "of at most so many bytes")
	lines := flags.Bool("lines", false, "speak another protocol behind the preface")
	if err := flags.Parse(args); err != nil {
		return err
	}
	l, err := listen(flags.Arg(0))
	if err != nil {
		return err
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			if *lines {
				_, _ = io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{c}) // and not with splice, which Fathom does not see
				return
			}
			s := &answerer{wire: newWire(c, *reads)}
			_ = s.serve()
		}()
	}
}

// answerer is the raw server's side of a connection.
type answerer struct {
	*wire

	held   []request
	pushed uint32
	ended  bool // later streams are not answered
}

type request struct {
	id     uint32
	status string
	url.Values
}

func (s *answerer) serve() error {
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(s.Conn, preface); err != nil {
		return err
	}
	_ = s.WriteSettings(http2.Setting{ID: http2.SettingEnableConnectProtocol, Val: 1}, http2.Setting{ID: http2.SettingHeaderTableSize, Val: 1 << 16})
	_ = s.WriteWindowUpdate(0, 1<<30)
	if err := s.flush(); err != nil {
		return err
	}
	asked := map[uint32]request{}
	for {
		f, err := s.ReadFrame()
		if err != nil {
			return err
		}
		id, ended := f.Header().StreamID, false
		switch f := f.(type) {
		case *http2.MetaHeadersFrame:
			ended = f.StreamEnded()
			if path := f.PseudoValue("path"); path != "" && !s.ended {
				status, query, _ := strings.Cut(path[1:], "?")
				values, err := url.ParseQuery(query)
				if err != nil {
					return err
				}
				asked[id] = request{id, status, values}
				if values.Has("early") {
					ended = true
				}
			}
		case *http2.DataFrame:
			ended = f.StreamEnded()
		case *http2.RSTStreamFrame:
			delete(asked, id)
		case *http2.SettingsFrame:
			if !f.IsAck() {
				_ = s.WriteSettingsAck()
				if err := s.flush(); err != nil {
					return err
				}
			}
		}
		q, open := asked[id]
		if !ended || !open {
			continue
		}
		delete(asked, id)
		if q.Has("hold") {
			s.held = append(s.held, q)
			continue
		}
		if q.Has("release") {
			for _, q := range slices.Backward(s.held) {
				s.answer(q)
			}
			s.held = nil
		}
		s.answer(q)
		if q.Has("broken") {
			if err := s.WriteRawFrame(http2.FrameData, 0, 0, []byte("DATA without a stream")); err != nil {
				return err
			}
			return s.flush()
		}
		if n := q.number("buffers"); n > 0 {
			if err := s.flushBuffers(n); err != nil {
				return err
			}
			continue
		}
		var ends []int
		if n := q.number("calls"); n > 0 {
			ends = s.each(n)
		}
		if q.Has("at") {
			ends = append(ends, q.number("at"))
		}
		if err := s.flush(ends...); err != nil {
			return err
		}
	}
}

func (q request) number(name string) int {
	n, _ := strconv.Atoi(q.Get(name))
	return n
}

// answer puts an answer into what will be sent.
func (s *answerer) answer(q request) {
	shape := shape{pad: q.number("pad"), pieces: q.number("pieces"), priority: q.Has("priority"), strange: q.Has("strange")}
	body := make([]byte, q.number("size"))
	if q.Has("last") {
		s.ended = true
		_ = s.WriteGoAway(q.id, http2.ErrCodeNo, nil)
	}
	if q.Has("update") {
		s.fields.SetMaxDynamicTableSizeLimit(1 << 16)
		s.fields.SetMaxDynamicTableSize(uint32(q.number("update"))) //nolint:gosec // small
	}
	for range q.number("interim") {
		s.head(q.id, false, shape, ":status: 103", "link: </style.css>")
	}
	if q.Get("reset") == "before" {
		_ = s.WriteRSTStream(q.id, http2.ErrCodeRefusedStream)
		return
	}
	if q.Has("push") {
		s.push(q.id, shape)
	}
	fields := []string{":status: " + q.status, "server: raw", fmt.Sprintf("x-stream: %d", q.id)}
	if q.Has("grpc") {
		fields = append(fields, "content-type: application/grpc")
	}
	if q.Has("only") {
		s.head(q.id, true, shape, append(fields, "grpc-status: "+q.Get("grpc"))...)
		return
	}
	s.head(q.id, !q.Has("size") && !q.Has("trailers") && !q.Has("grpc") && q.Get("reset") != "within", shape, fields...)
	if q.Get("reset") == "within" {
		s.data(q.id, false, shape, body)
		_ = s.WriteRSTStream(q.id, http2.ErrCodeInternal)
		return
	}
	trailers := []string{"x-sum: 1"}
	if q.Has("grpc") {
		trailers = []string{"grpc-status: " + q.Get("grpc"), "grpc-message: no"}
	}
	if q.Has("size") {
		s.data(q.id, !q.Has("trailers") && !q.Has("grpc"), shape, body)
	}
	if q.Has("trailers") || q.Has("grpc") {
		s.head(q.id, true, shape, trailers...)
	}
	if q.Get("reset") == "behind" {
		_ = s.WriteRSTStream(q.id, http2.ErrCodeNo)
	}
}

// push promises a response, and gives it.
func (s *answerer) push(id uint32, shape shape) {
	s.pushed += 2
	s.block.Reset()
	for _, f := range []hpack.HeaderField{{Name: ":method", Value: "GET"}, {Name: ":path", Value: "/pushed"}, {Name: ":authority", Value: "test"}, {Name: ":scheme", Value: "http"}} {
		_ = s.fields.WriteField(f)
	}
	_ = s.WritePushPromise(http2.PushPromiseParam{StreamID: id, PromiseID: s.pushed, BlockFragment: bytes.Clone(s.block.Bytes()), EndHeaders: true})
	s.head(s.pushed, false, shape, ":status: 206", "x-pushed: 1")
	s.data(s.pushed, true, shape, make([]byte, 100))
}
