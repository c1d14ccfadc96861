package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// LogFormat is the form of log lines.
type LogFormat string

// The log formats.
const (
	LogText LogFormat = "text"
	LogJSON LogFormat = "json"
)

// UnmarshalText implements [encoding.TextUnmarshaler].
func (f *LogFormat) UnmarshalText(text []byte) error {
	switch v := LogFormat(text); v {
	case LogText, LogJSON:
		*f = v
		return nil
	default:
		return fmt.Errorf("%q is neither text nor json", text)
	}
}

// Buckets are ascending upper bounds of histogram buckets.
type Buckets []time.Duration

// UnmarshalText implements [encoding.TextUnmarshaler]. It reads bounds between
// commas: numbers are seconds, everything else a duration with its unit.
func (b *Buckets) UnmarshalText(text []byte) error {
	var bounds Buckets
	for field := range strings.SplitSeq(string(text), ",") {
		bound, err := parseBound(strings.TrimSpace(field))
		if err != nil {
			return err
		}
		bounds = append(bounds, bound)
	}
	*b = bounds
	return nil
}

// String returns the bounds in seconds, as UnmarshalText reads them.
func (b Buckets) String() string {
	fields := make([]string, len(b))
	for i, bound := range b {
		fields[i] = strconv.FormatFloat(bound.Seconds(), 'g', -1, 64)
	}
	return strings.Join(fields, ",")
}

func parseBound(s string) (time.Duration, error) {
	seconds, err := strconv.ParseFloat(s, 64)
	if err != nil {
		d, err := time.ParseDuration(s)
		if err != nil {
			return 0, fmt.Errorf("%q is neither seconds (0.25) nor a duration (250ms)", s)
		}
		return d, nil
	}
	// Not a number, infinities, and what overflows a duration fail this.
	if !(math.Abs(seconds) <= maxBound.Seconds()) {
		return 0, fmt.Errorf("%q is not between %s and %s", s, minBound, maxBound)
	}
	return time.Duration(math.Round(seconds * float64(time.Second))), nil
}
