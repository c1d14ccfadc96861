package main

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestSummarize(t *testing.T) {
	to := func(n int) (v []float64) {
		for i := n; i > 0; i-- {
			v = append(v, float64(i))
		}
		return v
	}
	for _, test := range []struct {
		name   string
		values []float64
		want   summary
	}{
		{"none", nil, summary{}},
		{"one", []float64{7}, summary{1, 7, 7, 7, 7, 7}},
		{"two", []float64{2, 1}, summary{2, 1.5, 1.25, 1.75, 1, 2}},
		{"five", to(5), summary{5, 3, 2, 4, 1, 5}},
		// Intervals of the median from published tables of the sign test.
		{"six", to(6), summary{6, 3.5, 2.25, 4.75, 1, 6}},
		{"ten", to(10), summary{10, 5.5, 3.25, 7.75, 2, 9}},
		{"thirty", to(30), summary{30, 15.5, 8.25, 22.75, 10, 21}},
		{"an outlier", []float64{1, 1, 1, 1, 1e9}, summary{5, 1, 1, 1, 1, 1e9}},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := slices.Clone(test.values)
			if got := summarize(test.values); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
			if !slices.Equal(test.values, before) {
				t.Error("the sample was changed")
			}
		})
	}
}

// The interval has to hold the true median in 95 % of samples of a skewed distribution.
func TestMedianIntervalCovers(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	const rounds = 4000
	for _, n := range []int{6, 9, 30, 100} {
		held := 0
		for range rounds {
			v := make([]float64, n)
			for i := range v {
				v[i] = random.ExpFloat64()
			}
			if s := summarize(v); s.Low <= math.Ln2 && math.Ln2 <= s.High {
				held++
			}
		}
		if share := float64(held) / rounds; share < 0.94 || share > 0.99 {
			t.Errorf("n=%d: the interval held the median in %.3f of the samples", n, share)
		}
	}
}

func TestShuffledBlocks(t *testing.T) {
	blocks := shuffledBlocks(3, 600, rand.New(rand.NewPCG(1, 2)))
	firsts := make([]int, 3)
	for _, b := range blocks {
		if !slices.Equal(slices.Sorted(slices.Values(b)), []int{0, 1, 2}) {
			t.Fatalf("block %v has not every state once", b)
		}
		firsts[b[0]]++
	}
	for state, n := range firsts {
		if n < 150 || n > 250 {
			t.Errorf("state %d comes first in %d of 600 blocks", state, n)
		}
	}
}

func TestPairs(t *testing.T) {
	blocks := []map[string]float64{
		{"a": 90, "b": 100},
		{"a": 40, "b": 50}, // a slower moment of the machine: the ratio stays about the same
		{"a": 10},
		{"a": 10, "b": 0},
		{"b": 10},
	}
	if got, want := pairRatios(blocks, "a", "b"), []float64{0.9, 0.8}; !slices.Equal(got, want) {
		t.Errorf("ratios %v, want %v", got, want)
	}
	if got, want := differences(blocks, "a", "b"), []float64{-10, -10}; !slices.Equal(got, want) {
		t.Errorf("differences %v, want %v", got, want)
	}
	if got := pairRatios(nil, "a", "b"); got != nil {
		t.Errorf("ratios of nothing: %v", got)
	}
}
