package http2

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/fathomhq/fathom/test/process"
)

// order is what a raw client does that programs seldom do, or must not do.
type order struct {
	name  string
	serve func(*run) string
	do    func(t *tally, addr string) error
	lost  map[string]uint64
}

// orderRows have a raw client.
func orderRows() []row {
	var all []row
	for _, o := range orders() {
		all = append(all, row{name: "order: " + o.name, lost: o.lost, run: func(r *run) {
			stdout, _ := r.program("", "ask-raw", o.name, o.serve(r))
			r.both(parseCounts(r.T, stdout))
		}})
	}
	return all
}

// askRaw is the raw client.
func askRaw(args []string) error {
	var t tally
	for _, o := range append(orders(), order{name: "late", do: askRawLate}) {
		if o.name == args[0] {
			if err := o.do(&t, args[1]); err != nil {
				return err
			}
		}
	}
	fmt.Fprint(os.Stdout, &t)
	return nil
}

func goServer(r *run) string { return r.goServe(server) }

// rawServer starts the raw server.
func rawServer(flags ...string) func(*run) string {
	return func(r *run) string {
		addr := process.FreeAddress(r)
		r.serve(server, addr, "", append(append([]string{"serve-raw"}, flags...), addr)...)
		return addr
	}
}

// shapes are ways to make the same frames.
var shapes = []struct {
	name string
	shape
}{
	{"plain", shape{}},
	{"padding", shape{pad: 20}},
	{"CONTINUATION", shape{pieces: 3}},
	{"PRIORITY", shape{priority: true}},
	{"unknown frames", shape{strange: true}},
	{"all at once", shape{pad: 7, pieces: 5, priority: true, strange: true}},
}

// orders are in a function, as they refer to themselves.
func orders() []order {
	var all []order
	for _, s := range shapes {
		all = append(all,
			order{"cut at each byte: " + s.name, goServer, cutEverywhere(s.shape, toGo), nil},
			order{"cut at each byte, both ways: " + s.name, rawServer(), cutEverywhere(s.shape, toRaw), nil},
			order{"calls of one byte: " + s.name, rawServer("-reads", "1"), conversation(1, 0, func(c *caller) error {
				converse(c, s.shape, toRaw(s.shape, "&calls=1"))
				return c.flush(c.each(1)...)
			}), nil})
	}
	all = append(all, manyOrders()...)
	all = append(all, endOrders()...)
	all = append(all, fieldOrders()...)
	return append(all, badOrders()...)
}

// manyOrders have many frames in a call, or many streams.
func manyOrders() []order {
	return []order{
		{"a hundred requests in a call", goServer, conversation(5, 0, func(c *caller) error {
			for range 25 {
				converse(c, shape{}, toGo(shape{}, ""))
			}
			return c.flush()
		}), nil},
		{"a hundred responses in a call", rawServer(), conversation(5, 0, func(c *caller) error {
			for i := range 100 {
				c.ask(fmt.Sprintf("GET /%d?hold&size=%d", 200+i%5, i), shape{}, nil)
			}
			c.ask("GET /201?release", shape{}, nil)
			return c.flush()
		}), nil},
		{"calls of many buffers", rawServer(), buffers(2, 65, 200, 300), nil},
		{"calls of a thousand buffers", rawServer(), buffers(600, 1000), nil},
		{"thousands of streams at once", rawServer(), conversation(1, 0, func(c *caller) error {
			for i := range 3000 {
				c.ask(fmt.Sprintf("%s /%d?hold&size=%d", []string{"GET", "PUT", "OPTIONS"}[i%3], 200+i%7, i%30), shape{}, nil)
			}
			c.ask("GET /404?release", shape{}, nil)
			return c.flush()
		}), nil},
		{"ids that leave some out", rawServer(), conversation(5, 0, func(c *caller) error {
			for i := range uint32(20) {
				c.last += 2 * i * i * 1000
				c.ask("GET /200?size=10", shape{}, nil)
			}
			return c.flush()
		}), nil},
		{"reads of seven bytes", rawServer("-reads", "7"), readsOf(7), nil},
		{"reads of nine bytes", rawServer("-reads", "9"), readsOf(9), nil},
		{"a preface in pieces", goServer, conversation(10, 0, func(c *caller) error {
			converse(c, shape{}, toGo(shape{}, ""))
			return c.flush(1, 3, 14, 16, 23, 24, 25, 33)
		}), nil},
	}
}

// endOrders have streams that end in other ways than with a response.
func endOrders() []order {
	return []order{
		{"the client gives up", rawServer(), conversation(20, 0, func(c *caller) error {
			if err := giveUp(c, "GET /200?hold", "GET /200?size=100000", "GET /404?size=1"); err != nil {
				return err
			}
			c.ask("GET /204?release", shape{}, nil) // answers also what was given up
			c.give(c.ask("HEAD /204?hold", shape{}, nil))
			return c.flush()
		}), nil},
		{"the client gives up: Go", goServer, conversation(20, 0, func(c *caller) error {
			return giveUp(c, "GET /slow/2000", "GET /endless", "GET /now/404")
		}), nil},
		{"the server gives up", rawServer(), conversation(20, 0, func(c *caller) error {
			c.ask("GET /200?reset=before", shape{}, nil)
			c.ask("GET /200?reset=within&size=20000", shape{}, nil)
			c.ask("GET /404?reset=behind&size=10", shape{}, nil)
			c.ask("GET /404?reset=behind", shape{}, nil)
			c.ask("POST /201?reset=before&interim=2", shape{}, []byte("body"))
			return c.flush()
		}), nil},
		{"an answer before the request has ended", rawServer(), conversation(20, 0, func(c *caller) error {
			for _, path := range []string{"/413?early&size=10", "/413?early", "/401?early&reset=behind"} {
				c.last += 2
				c.open[c.last] = "POST"
				c.head(c.last, false, shape{}, ":authority: test", ":method: POST", ":path: "+path, ":scheme: http")
				c.data(c.last, false, shape{}, make([]byte, 100))
				if err := c.flush(); err != nil {
					return err
				}
				if err := c.await(0, nil); err != nil {
					return err
				}
				c.data(c.last, path == "/413?early", shape{}, make([]byte, 100))
				if path != "/413?early" {
					_ = c.WriteRSTStream(c.last, http2.ErrCodeNo)
				}
				c.ask("GET /200?size=2", shape{}, nil)
			}
			return c.flush()
		}), nil},
		{"the last stream's id is below those that are open", rawServer(), conversation(5, 2, func(c *caller) error {
			c.ask("GET /200?size=10", shape{}, nil)
			c.ask("GET /404?last", shape{}, nil)
			c.ask("POST /200", shape{}, []byte("not answered"))
			c.ask("GET /200", shape{}, nil)
			return c.flush()
		}), nil},
		{"the client ends the connection", rawServer(), conversation(20, 2, func(c *caller) error {
			c.ask("GET /200?size=10", shape{}, nil)
			c.ask("GET /200?hold", shape{}, nil)
			c.ask("PUT /200?hold", shape{}, []byte("body"))
			return c.flush()
		}), nil},
		// Nobody asked for what is pushed: it is no exchange, and its fields are in the table of the others.
		{"what the server pushes", rawServer(), conversation(5, 0, func(c *caller) error {
			c.ask("GET /200?push&size=10", shape{}, nil)
			c.ask("GET /207?push&pad=3", shape{}, nil)
			c.ask("GET /200?push&size=10", shape{}, nil)
			c.ask("GET /206", shape{}, nil)
			return c.flush()
		}), nil},
		{"gRPC", rawServer(), conversation(5, 0, func(c *caller) error {
			const call = "content-type: application/grpc"
			for i := range statuses {
				c.ask(fmt.Sprintf("POST /200?grpc=%d&size=100&hold", i), shape{}, []byte("call"), call)
				c.ask(fmt.Sprintf("POST /200?grpc=%d", i), shape{pieces: 1}, []byte("call"), "te: trailers", call)
				c.ask(fmt.Sprintf("POST /200?grpc=%d&only&pieces=1", i), shape{}, []byte{}, call)
			}
			c.ask("POST /200?grpc=0&reset=before", shape{}, []byte("call"), call)
			c.ask("POST /200?grpc=0&only&reset=behind&release", shape{}, []byte("call"), call)
			return c.flush()
		}), nil},
		{"CONNECT for another protocol", rawServer(), conversation(5, 0, func(c *caller) error {
			c.last += 2
			c.open[c.last] = "CONNECT"
			c.head(c.last, false, shape{}, ":authority: test", ":method: CONNECT", ":protocol: websocket", ":path: /200?size=3", ":scheme: http")
			c.data(c.last, true, shape{}, []byte("frames"))
			return c.flush()
		}), nil},
	}
}

// fieldOrders have header blocks that programs seldom make.
func fieldOrders() []order {
	return []order{
		{"tables of other sizes", rawServer(), conversation(5, 0, func(c *caller) error {
			_ = c.WriteSettings(http2.Setting{ID: http2.SettingHeaderTableSize, Val: 1 << 16})
			for _, size := range []int{4096, 0, 100, 0, 1000, 65536, 4096} {
				c.fields.SetMaxDynamicTableSizeLimit(1 << 16)
				c.fields.SetMaxDynamicTableSize(uint32(size)) //nolint:gosec // small
				c.ask(fmt.Sprintf("PATCH /207?update=%d", size), shape{}, nil)
				for i := range 20 {
					c.ask(fmt.Sprintf("%s /%d?size=1", []string{"PATCH", "PUT"}[i%2], 206+i%3), shape{}, nil)
				}
			}
			return c.flush()
		}), nil},
		{"fields that are larger than the table", goServer, conversation(5, 0, func(c *caller) error {
			a := strings.Repeat("a", 5000) // coded, 3,125 bytes
			c.spell("PATCH", kept(2, "PATCH"), kept(4, "/now/404"), scheme, literal(0x40, "x-some", "1", false))
			c.spell("PATCH", index(64), index(63), scheme, literal(0x40, "x-large", a[:3800], false)) // all fit
			c.spell("PATCH", index(65), index(64), scheme, literal(0x40, "x-larger", a, false))       // and now none is there
			c.spell("DELETE", kept(2, "DELETE"), kept(4, "/now/204"), scheme, literal(0x40, "x-some", "1", true))
			c.spell("DELETE", index(64), index(63), scheme, literal(0x40, "x-larger", a, true))
			c.spell("PUT", kept(2, "PUT"), kept(4, "/read/201"), scheme, literal(0x40, "x-some", "1", false))
			c.spell("PUT", index(64), index(63), scheme)
			return c.flush()
		}), nil},
		// Coded, it has from 800 to 4,800 bytes, for whoever does not decode it.
		{"a field that may be larger than the table", goServer, conversation(5, 0, func(c *caller) error {
			c.spell("PATCH", kept(2, "PATCH"), kept(4, "/now/404"), scheme, literal(0x40, "x-some", strings.Repeat("X", 3000), true))
			c.spell("PATCH", index(64), index(63), scheme)
			c.spell("PUT", kept(2, "PUT"), index(64), scheme)
			return c.flush()
		}), nil},
		{"names that are spelled", goServer, conversation(5, 0, func(c *caller) error {
			for _, coded := range []bool{false, true} {
				c.spell("PATCH", literal(0x40, ":method", "PATCH", coded), literal(0x40, ":path", "/now/404", coded), scheme)
				c.spell("PATCH", index(63), index(62), scheme)
				c.spell("DELETE", literal(0x10, ":method", "DELETE", coded), literal(0x00, ":path", "/now/204", coded), scheme)
				c.spell("OPTIONS", kept(3, "OPTIONS"), kept(5, "/now/200"), scheme)
				c.spell("OPTIONS", index(63), index(62), scheme)
				c.spell("PATCH", index(65), index(64), scheme)
				c.spell("PUT", kept(63, "PUT"), index(63), scheme) // the name of an entry that was added
				c.spell("PUT", index(62), index(63), scheme)
			}
			return c.flush()
		}), nil},
	}
}

// badOrders end in what is an error of the protocol. Behind requests that are answered it changes nothing.
func badOrders() []order {
	return []order{
		{"garbage behind requests", goServer, bad(strings.Repeat("garbage", 100)), nil},
		{"a frame that is too long", goServer, bad("\xff\xff\xff\x00\x00\x00\x00\x00\x01" + strings.Repeat("x", 1000)), nil},
		{"HTTP/1 behind requests", goServer, bad("GET /now/200 HTTP/1.1\r\nHost: a\r\n\r\n"), nil},
		{"a CONTINUATION of nothing", goServer, bad("\x00\x00\x01\x09\x04\x00\x00\x00\x01\x82"), nil},
		{"an index out of range", goServer, func(t *tally, addr string) error {
			t.counts = counts{"GET aborted": 10} // what has a method is a request, and it is not answered
			return bad("\x00\x00\x04\x01\x05\x00\x00\x00\x7f\x82\xfe\x84\x87")(t, addr)
		}, nil},
		{"an integer without an end", goServer, bad("\x00\x00\x10\x01\x05\x00\x00\x00\x7f\xff" + strings.Repeat("\xff", 15)), nil},
		{"an id that was used", goServer, bad("\x00\x00\x04\x01\x05\x00\x00\x00\x01\x82\x84\x86\x84"), nil},
		{"garbage behind the preface", goServer, behindPreface(strings.Repeat("\x8fgarbage\x00", 100)), nil},
		{"HTTP/1 behind the preface", goServer, behindPreface("GET /now/200 HTTP/1.1\r\nHost: a\r\n\r\n"), nil},
		{"another protocol behind the preface", rawServer("-lines"), behindPreface(strings.Repeat("HELLO world, how are you?\r\n", 50)), nil},
		{"only the preface", goServer, behindPreface(""), nil},
		{"an answer and a broken frame, and others wait", rawServer(), conversation(5, 0, func(c *caller) error {
			for range 3 {
				delete(c.open, c.ask("GET /200?hold", shape{}, nil)) // it is lost
			}
			c.ask("GET /200?size=10&broken", shape{}, nil)
			return c.flush()
		}), map[string]uint64{"invalid": 2 * 5 * 3}},
	}
}

// conversation has clients on connections of their own do something, one after the other, and waits until no more than some
// requests are open.
func conversation(n, open int, do func(*caller) error) func(*tally, string) error {
	return func(t *tally, addr string) error {
		for range n {
			c, err := dial(t, addr, 0)
			if err == nil {
				err = do(c)
			}
			if err == nil {
				err = c.await(open, nil)
			}
			if err == nil {
				err = c.end()
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
}

// converse puts a few requests into what will be sent. path is what is asked for a status, with bytes of a body; -1: without one.
func converse(c *caller, s shape, path func(status, size int) string) {
	c.ask("GET "+path(200, 30), s, nil)
	c.ask("POST "+path(201, 5), s, []byte("some bytes"), "content-type: text/plain")
	c.ask("HEAD "+path(404, -1), s, nil)
	c.ask("PUT "+path(204, -1), s, []byte{}, "x-some: field")
}

// toGo is for the Go server, which does not care for shapes.
func toGo(shape, string) func(status, size int) string {
	return func(status, _ int) string { return fmt.Sprintf("/read/%d", status) }
}

// toRaw is for the raw server.
func toRaw(s shape, options string) func(status, size int) string {
	if s.priority {
		options += "&priority"
	}
	if s.strange {
		options += "&strange"
	}
	return func(status, size int) string {
		path := fmt.Sprintf("/%d?pad=%d&pieces=%d%s", status, s.pad, s.pieces, options)
		if size >= 0 {
			path += fmt.Sprintf("&size=%d", size)
		}
		return path
	}
}

// cutEverywhere has the same conversation on many connections, each of them cut into two calls at another byte.
func cutEverywhere(s shape, path func(shape, string) func(status, size int) string) func(*tally, string) error {
	return func(t *tally, addr string) error {
		for at, length := 1, 2; at < length; at++ {
			err := conversation(1, 0, func(c *caller) error {
				converse(c, s, path(s, fmt.Sprintf("&at=%03d", at)))
				length = c.out.Len()
				return c.flush(at)
			})(t, addr)
			if err != nil {
				return fmt.Errorf("cut at %d: %w", at, err)
			}
		}
		return nil
	}
}

// readsOf has a client that reads a few bytes in each call.
func readsOf(n int) func(*tally, string) error {
	return func(t *tally, addr string) error {
		for _, s := range shapes {
			c, err := dial(t, addr, n)
			if err != nil {
				return err
			}
			for range 5 {
				converse(c, s.shape, toRaw(s.shape, ""))
			}
			if err := c.flush(); err != nil {
				return err
			}
			if err := c.await(0, nil); err != nil {
				return err
			}
			if err := c.end(); err != nil {
				return err
			}
		}
		return nil
	}
}

// buffers has requests and responses go out in calls of so many buffers each.
func buffers(many ...int) func(*tally, string) error {
	return conversation(3, 0, func(c *caller) error {
		for _, n := range many {
			for i := range 300 {
				c.ask(fmt.Sprintf("GET /%d?hold&size=%d", 200+i%5, i), shape{}, nil)
			}
			c.ask(fmt.Sprintf("GET /404?release&buffers=%d", n), shape{}, nil)
			if err := c.flushBuffers(n); err != nil {
				return err
			}
			if err := c.await(0, nil); err != nil {
				return err
			}
		}
		c.ask("PUT /201?size=10", shape{}, []byte("body"))
		return c.flush()
	})
}

// giveUp gives up a request before its answer, one within it, and one that is over, with others between them.
func giveUp(c *caller, slow, large, small string) error {
	before := c.ask(slow, shape{}, nil)
	c.ask(small, shape{}, nil)
	if err := c.flush(); err != nil {
		return err
	}
	if err := c.await(1, nil); err != nil {
		return err
	}
	c.give(before)
	within := c.ask(large, shape{}, nil)
	if err := c.flush(); err != nil {
		return err
	}
	isWithin := func(f http2.Frame) bool { return f.Header().StreamID == within && f.Header().Type == http2.FrameData }
	if err := c.await(0, isWithin); err != nil {
		return err
	}
	c.give(within)
	behind := c.ask(small, shape{}, nil)
	if err := c.flush(); err != nil {
		return err
	}
	if err := c.await(0, nil); err != nil {
		return err
	}
	c.give(behind)
	c.ask(small, shape{}, nil)
	return c.flush()
}

// spell puts a request into what will be sent whose fields are coded by hand.
func (c *caller) spell(method string, fields ...[]byte) {
	c.last += 2
	c.open[c.last] = method
	c.headBlock(c.last, true, shape{}, bytes.Join(fields, nil))
}

// scheme is ":scheme: http".
var scheme = index(6)

// index is a field that is in a table.
func index(n uint64) []byte { return integer(0x80, 7, n) }

// kept is a literal whose name is in a table. It is added to the table, and it is not coded.
func kept(name uint64, value string) []byte {
	return append(integer(0x40, 6, name), text(value, false)...)
}

// literal is one whose name is spelled. It is added with 0x40, not with 0x00, and never with 0x10.
func literal(kind byte, name, value string, coded bool) []byte {
	return append(append([]byte{kind}, text(name, coded)...), text(value, coded)...)
}

func text(s string, coded bool) []byte {
	if coded {
		return append(integer(0x80, 7, hpack.HuffmanEncodeLength(s)), hpack.AppendHuffmanString(nil, s)...)
	}
	return append(integer(0, 7, uint64(len(s))), s...)
}

// integer is one with a prefix of some bits (RFC 7541, 5.1).
func integer(kind byte, bits int, n uint64) []byte {
	most := uint64(1)<<bits - 1
	if n < most {
		return []byte{kind | byte(n)} //nolint:gosec // less than 128
	}
	out := []byte{kind | byte(most)} //nolint:gosec // less than 128
	for n -= most; n >= 128; n >>= 7 {
		out = append(out, byte(n)|0x80) //nolint:gosec // the lowest bits
	}
	return append(out, byte(n)) //nolint:gosec // less than 128
}

// bad sends something that is no HTTP/2 behind a conversation.
func bad(text string) func(*tally, string) error {
	return conversation(10, 0, func(c *caller) error {
		converse(c, shape{}, toGo(shape{}, ""))
		if err := c.flush(); err != nil {
			return err
		}
		if err := c.await(0, nil); err != nil {
			return err
		}
		if _, err := c.Write([]byte(text)); err != nil {
			return err
		}
		untilRefused(c.Framer)
		return nil
	})
}

// behindPreface sends the preface and something else.
func behindPreface(text string) func(*tally, string) error {
	return func(_ *tally, addr string) error {
		for range 10 {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				return err
			}
			_ = c.SetDeadline(time.Now().Add(20 * time.Second))
			if _, err := io.WriteString(c, http2.ClientPreface+text); err != nil {
				return err
			}
			_ = c.(*net.TCPConn).CloseWrite()
			untilRefused(http2.NewFramer(nil, c))
			_ = c.Close()
		}
		return nil
	}
}

// untilRefused reads until the server says that it does not understand.
func untilRefused(f *http2.Framer) {
	for {
		frame, err := f.ReadFrame()
		if err != nil || frame.Header().Type == http2.FrameGoAway || frame.Header().Type == http2.FrameRSTStream {
			return
		}
	}
}
