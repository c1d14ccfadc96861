package decoder

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// methods are those of enum http_method, by number.
var methods = []string{
	otherMethod, "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", unknownMethod,
}

// The flags of enum http2_flags.
const (
	hasStatus = 1 << iota
	hasMethod
	isGRPC
	hasUnknown
	ends
	promised
)

// program is the decoder, by its path, and what it is to be given.
type program struct {
	path  string
	input bytes.Buffer
	cases int
}

func compile(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "decoder")
	out, err := exec.CommandContext(t.Context(), "clang-19", "-std=gnu11", "-g", "-O1", "-Wall", "-Wextra", "-Werror",
		"-fsanitize=address,undefined", "-fno-sanitize-recover=all", "testdata/decoder.c", "-o", path).CombinedOutput()
	if err != nil {
		t.Fatalf("compile the decoder: %v\n%s", err, out)
	}
	return path
}

// give adds a direction, which is WHOLE or not, in pieces.
func (p *program) give(whole bool, data []byte, pieces []uint32) {
	head := []uint32{0, uint32(len(data)), uint32(len(pieces))}
	if whole {
		head[0] = 1
	}
	for _, part := range []any{head, pieces, data} {
		if binary.Write(&p.input, binary.LittleEndian, part) != nil {
			panic("a buffer took no bytes")
		}
	}
	p.cases++
}

// run returns the events of each direction.
func (p *program) run(t *testing.T) (cases [][]event) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), p.path)
	var failure bytes.Buffer
	cmd.Stdin, cmd.Stderr = &p.input, &failure
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &failure)
	}
	var events []event
	for line := range strings.Lines(string(out)) {
		if line = strings.TrimSpace(line); line == "" {
			cases = append(cases, events)
			events = nil
			continue
		}
		e, err := parse(line)
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
	}
	if len(cases) != p.cases {
		t.Fatalf("%d directions of %d came back", len(cases), p.cases)
	}
	return cases
}

func parse(line string) (e event, err error) {
	at, text, _ := strings.Cut(line, " ")
	if e.end, err = strconv.Atoi(at); err != nil {
		return e, err
	}
	if !strings.HasPrefix(text, "headers ") {
		e.text = text
		return e, nil
	}
	var method, flags int
	b := &block{}
	if _, err := fmt.Sscanf(text, "headers %d %d %d %d %d %d", &b.stream, &b.promised, &method, &b.status, &b.grpc, &flags); err != nil {
		return e, err
	}
	b.isGRPC, b.unknown, b.ends = flags&isGRPC != 0, flags&hasUnknown != 0, flags&ends != 0
	if flags&hasMethod != 0 {
		b.method = methods[method]
	}
	b.status = special(b.status, 0, 0xffff, 0xfffd)
	b.grpc = special(b.grpc, 0xff, 0xfd, 0xfe)
	if flags&hasStatus == 0 != (b.status == none) || flags&promised == 0 != (b.promised == 0) || (flags&hasMethod == 0 && method != 0) {
		return e, fmt.Errorf("flags that do not fit: %s", line)
	}
	e.block = b
	return e, nil
}

func special(n, isNone, isOther, isUnknown int) int {
	switch n {
	case isNone:
		return none
	case isOther:
		return other
	case isUnknown:
		return unknown
	}
	return n
}

// difference says how events differ, if one may know nothing (late) of what came before.
func difference(want, got []event, late bool) string {
	if len(want) != len(got) {
		return fmt.Sprintf("%d events, not %d", len(got), len(want))
	}
	for i, w := range want {
		g := got[i]
		same := w.end == g.end && w.text == g.text && (w.block == nil) == (g.block == nil)
		if same && w.block != nil {
			same = w.is(g.block, late)
		}
		if !same {
			return fmt.Sprintf("event %d at %d is %q %+v, not %q %+v at %d", i, g.end, g.text, g.block, w.text, w.block, w.end)
		}
	}
	return ""
}

// is reports whether g is what was found of w. Where a field of g is unknown, others may be too, but never wrong; a gRPC status is
// missed only where none has to be.
func (w *block) is(g *block, late bool) bool {
	if !g.unknown {
		return *w == *g
	}
	return late && w.stream == g.stream && w.promised == g.promised && w.ends == g.ends &&
		(w.method == g.method || g.method == unknownMethod) &&
		(w.status == g.status || g.status == unknown) &&
		(w.grpc == g.grpc || g.grpc == unknown || g.grpc == none && !w.ends) &&
		(w.isGRPC || !g.isGRPC)
}

// cuts are six ways in which DATA, with frames at certain places, may come in calls.
func cuts(random *rand.Rand, data []byte) [][]uint32 {
	each := func(next func() int) (pieces []uint32) {
		for left := len(data); left > 0; {
			n := min(next(), left)
			pieces = append(pieces, uint32(n))
			left -= n
		}
		return pieces
	}
	// As Go's server reads: the header of a frame, and its payload.
	at, header := 0, false
	frames := each(func() int {
		if header = !header; header {
			return 9
		}
		n := int(data[at])<<16 | int(data[at+1])<<8 | int(data[at+2])
		if at += 9 + n; n == 0 {
			header = true
			return 9
		}
		return n
	})
	return [][]uint32{
		{uint32(len(data))},
		each(func() int { return 1 }),
		each(func() int { return 1 + random.IntN(16) }),
		each(func() int { return 1 + random.IntN(300) }),
		each(func() int { return 13 }),
		frames,
	}
}

func TestDecoder(t *testing.T) {
	path := compile(t)
	t.Run("whole", func(t *testing.T) { testWhole(t, path) })
	t.Run("large table", func(t *testing.T) { testLargeTable(t, path) })
	t.Run("late", func(t *testing.T) { testLate(t, path) })
}

// testWhole follows connections from their beginning.
func testWhole(t *testing.T, path string) {
	random := rand.New(rand.NewPCG(1, 2))
	p := &program{path: path}
	var want [][]event
	for range 300 {
		d := newDirection(random, tableLimit)
		for range 40 {
			d.frame(t)
		}
		for _, pieces := range cuts(random, d.Bytes()) {
			p.give(true, d.Bytes(), pieces)
			want = append(want, d.events)
		}
	}
	compare(t, want, p.run(t), false)
}

// testLargeTable has tables with more entries than the decoder has places: what lost its own is unknown.
func testLargeTable(t *testing.T, path string) {
	random := rand.New(rand.NewPCG(3, 4))
	p := &program{path: path}
	var want [][]event
	for range 10 {
		d := newDirection(random, 1<<16)
		for range 400 {
			d.frame(t)
		}
		for _, pieces := range cuts(random, d.Bytes())[2:4] {
			p.give(true, d.Bytes(), pieces)
			want = append(want, d.events)
		}
	}
	compare(t, want, p.run(t), true)
}

// testLate follows connections from a frame in the middle.
func testLate(t *testing.T, path string) {
	random := rand.New(rand.NewPCG(5, 6))
	p := &program{path: path}
	var want [][]event
	for range 200 {
		d := newDirection(random, pick(random, tableLimit, tableLimit, 1<<16))
		for range 60 {
			d.frame(t)
		}
		begin := d.frames[random.IntN(len(d.frames))]
		var events []event
		for _, e := range d.events {
			if e.end > begin {
				e.end -= begin
				events = append(events, e)
			}
		}
		for _, pieces := range cuts(random, d.Bytes()[begin:]) {
			p.give(false, d.Bytes()[begin:], pieces)
			want = append(want, events)
		}
	}
	compare(t, want, p.run(t), true)
}

// compare fails if anything is wrong; or if nothing is exact, or nothing is unknown where some things have to be.
func compare(t *testing.T, want, got [][]event, late bool) {
	t.Helper()
	exact, unknown := 0, 0
	for i := range got {
		if diff := difference(want[i], got[i], late); diff != "" {
			t.Fatalf("direction %d: %s", i, diff)
		}
		for _, e := range got[i] {
			if e.block != nil && e.unknown {
				unknown++
			} else if e.block != nil {
				exact++
			}
		}
	}
	if exact == 0 || late != (unknown > 0) {
		t.Errorf("%d exact blocks, %d with unknown fields", exact, unknown)
	}
	t.Logf("%d directions: %d header blocks are exact, %d have unknown fields, none is wrong", len(got), exact, unknown)
}
