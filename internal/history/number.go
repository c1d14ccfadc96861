package history

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
)

// Number is a number of the API. NaN stands for one that does not exist, and is null in JSON.
type Number float64

// None is the number that does not exist.
func None() Number { return Number(math.NaN()) }

// Exists tells whether there is a number.
func (n Number) Exists() bool { return !math.IsNaN(float64(n)) && !math.IsInf(float64(n), 0) }

// digits is how many significant digits are shown: what was measured has fewer.
const digits = 6

// MarshalJSON implements [encoding/json.Marshaler].
func (n Number) MarshalJSON() ([]byte, error) {
	if !n.Exists() {
		return []byte("null"), nil
	}
	f := float64(n)
	if f == math.Trunc(f) && math.Abs(f) < 1e15 {
		return strconv.AppendInt(nil, int64(f), 10), nil
	}
	return strconv.AppendFloat(nil, f, 'g', digits, 64), nil
}

// UnmarshalJSON implements [encoding/json.Unmarshaler].
func (n *Number) UnmarshalJSON(b []byte) error {
	if bytes.Equal(b, []byte("null")) {
		*n = None()
		return nil
	}
	f, err := strconv.ParseFloat(string(b), 64)
	if err != nil {
		return fmt.Errorf("number %q: %w", b, err)
	}
	*n = Number(f)
	return nil
}

// ratio returns part of whole, or none if there is no whole.
func ratio(part, whole float64) Number {
	if whole <= 0 {
		return None()
	}
	return Number(part / whole)
}
