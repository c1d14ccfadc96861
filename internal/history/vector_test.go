package history

import (
	"encoding/binary"
	"slices"
	"testing"
)

func FuzzVector(f *testing.F) {
	f.Add([]byte{}, uint8(3))
	f.Add([]byte{1, 0, 0, 255, 1, 0, 9}, uint8(7))
	f.Add(append(make([]byte, 200), 1), uint8(201))
	f.Fuzz(func(t *testing.T, data []byte, shift uint8) {
		v := make([]uint64, len(data))
		for i, b := range data {
			v[i] = uint64(b) << (shift % 54) // larger counts do not happen: two bits go to the gap
		}
		encoded := appendVector(nil, v)
		got := make([]uint64, len(v))
		rest := readVector(binary.AppendUvarint(encoded, 77), func(i int, n uint64) { got[i] = n })
		if !slices.Equal(got, v) {
			t.Errorf("%v comes back as %v", v, got)
		}
		if after, _ := readUvarint(rest); after != 77 {
			t.Error("it ends elsewhere")
		}
	})
}

// What is neighbouring and small takes a byte each.
func TestVectorIsSmall(t *testing.T) {
	v := make([]uint64, widest)
	for i := range 20 {
		v[80+i] = uint64(i + 1)
	}
	if n := len(appendVector(nil, v)); n > 23 {
		t.Errorf("%d bytes", n)
	}
}
