package history

import "encoding/binary"

// A vector is a row of counters, most of which are 0: buckets above all. It is kept as bytes: how many are not 0, and
// for each the distance from the one before and its value in one varint. The buckets of a busy
// workload are neighbours with small values, and take a byte or two each.

// gapBits are the low bits of a number's varint, which hold how many zeros precede it. All ones: the gap follows, less this.
const (
	gapBits = 2
	gapMore = 1<<gapBits - 1
)

// appendVector encodes v, whose numbers are below 2^62.
func appendVector(b []byte, v []uint64) []byte {
	n := 0
	for _, x := range v {
		if x != 0 {
			n++
		}
	}
	b = binary.AppendUvarint(b, uint64(n)) //nolint:gosec // not negative
	next := 0
	for i, x := range v {
		if x == 0 {
			continue
		}
		gap := uint64(i - next) //nolint:gosec // not negative
		b = binary.AppendUvarint(b, x<<gapBits|min(gap, gapMore))
		if gap >= gapMore {
			b = binary.AppendUvarint(b, gap-gapMore)
		}
		next = i + 1
	}
	return b
}

// readVector calls use with the position and value of all that are not 0, and returns what follows the vector.
func readVector(b []byte, use func(position int, value uint64)) []byte {
	n, b := readUvarint(b)
	next := uint64(0)
	for range n {
		var x uint64
		x, b = readUvarint(b)
		gap := x & gapMore
		if gap == gapMore {
			var more uint64
			more, b = readUvarint(b)
			gap += more
		}
		next += gap
		use(int(next), x>>gapBits) //nolint:gosec // a position of appendVector's
		next++
	}
	return b
}

// readUvarint reads what binary.AppendUvarint wrote.
func readUvarint(b []byte) (uint64, []byte) {
	x, n := binary.Uvarint(b)
	return x, b[n:]
}
