package kernel

import (
	"slices"
	"testing"
	"time"
)

func TestMergeBounds(t *testing.T) {
	tests := []struct {
		name    string
		classic []time.Duration
		want    int
	}{
		{"native alone", nil, 25*8 + 1},
		{"one between", []time.Duration{3 * time.Second}, 25*8 + 2},
		{"one of both", []time.Duration{time.Second}, 25*8 + 1},
		{"outside", []time.Duration{time.Microsecond, time.Hour}, 25*8 + 3},
		{"defaults", DefaultBuckets(), 25*8 + 1 + len(DefaultBuckets()) - len(inBoth(DefaultBuckets()))},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := mergeBounds(test.classic)
			if len(got) != test.want {
				t.Errorf("%d bounds, want %d", len(got), test.want)
			}
			if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
				t.Error("bounds do not ascend")
			}
			for _, b := range test.classic {
				if !slices.Contains(got, b) {
					t.Errorf("no bound %s", b)
				}
			}
			if len(got) >= maxBuckets {
				t.Errorf("%d bounds do not fit %d buckets", len(got), maxBuckets)
			}
		})
	}
}

func TestRTTBounds(t *testing.T) {
	bounds := rttBounds()
	if bounds[0] != 16*time.Microsecond || bounds[len(bounds)-1] != 16*time.Microsecond<<19 {
		t.Errorf("bounds from %s to %s", bounds[0], bounds[len(bounds)-1])
	}
}

// inBoth returns the classic bounds that are native ones too.
func inBoth(classic []time.Duration) (both []time.Duration) {
	native := mergeBounds(nil)
	for _, b := range classic {
		if slices.Contains(native, b) {
			both = append(both, b)
		}
	}
	return both
}
