package history

import (
	"encoding/binary"
	"time"
)

// frame is what was counted between two samples or, if it is older, between four.
type frame struct {
	first, last uint64 // numbers of the samples
	start, end  time.Time
	// data has a record for each workload that counted something: its reference, less that of the one before, and the
	// record's length, as varints. In a record follow index and kind in one varint, and a vector, for each series.
	data []byte
	host totals // at the end
}

// seconds is how long it took.
func (f *frame) seconds() float64 { return f.end.Sub(f.start).Seconds() }

// appendEntry encodes what one series counted.
func appendEntry(b []byte, k kind, index int, v []uint64) []byte {
	b = binary.AppendUvarint(b, uint64(index)<<kindBits|uint64(k)) //nolint:gosec // not negative
	return appendVector(b, v)
}

// appendRecord encodes what one workload counted. before is the reference of the one before.
func appendRecord(b []byte, before, ref uint32, record []byte) []byte {
	b = binary.AppendUvarint(b, uint64(ref-before))
	b = binary.AppendUvarint(b, uint64(len(record)))
	return append(b, record...)
}

// cursor reads the records of a frame in order.
type cursor struct {
	rest   []byte
	ref    uint32
	record []byte
	done   bool
}

func newCursor(f *frame) cursor {
	c := cursor{rest: f.data}
	c.next()
	return c
}

func (c *cursor) next() {
	if len(c.rest) == 0 {
		c.done, c.record = true, nil
		return
	}
	var delta, size uint64
	delta, c.rest = readUvarint(c.rest)
	size, c.rest = readUvarint(c.rest)
	c.ref += uint32(delta) //nolint:gosec // of appendRecord
	c.record, c.rest = c.rest[:size], c.rest[size:]
}

// seek returns the record of a workload, nil if there is none. References must ascend from call to call.
func (c *cursor) seek(ref uint32) []byte {
	for !c.done && c.ref < ref {
		c.next()
	}
	if c.done || c.ref != ref {
		return nil
	}
	return c.record
}

// merge makes one frame of several that follow each other. s is scratch.
func merge(frames []frame, s *sums) frame {
	last := frames[len(frames)-1]
	out := frame{first: frames[0].first, last: last.last, start: frames[0].start, end: last.end, host: last.host}
	cursors := make([]cursor, len(frames))
	for i := range frames {
		cursors[i] = newCursor(&frames[i])
	}
	var data, record []byte
	before := uint32(0)
	for {
		ref, found := uint32(0), false
		for i := range cursors {
			if c := &cursors[i]; !c.done && (!found || c.ref < ref) {
				ref, found = c.ref, true
			}
		}
		if !found {
			break
		}
		s.reset()
		for i := range cursors {
			s.decode(cursors[i].seek(ref))
			if c := &cursors[i]; !c.done && c.ref == ref {
				c.next()
			}
		}
		record = s.encode(record[:0])
		data = appendRecord(data, before, ref, record)
		before = ref
	}
	s.reset()
	out.data = append(make([]byte, 0, len(data)), data...)
	return out
}
