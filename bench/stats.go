package main

import (
	"math"
	"math/rand/v2"
	"slices"
)

// summary describes a sample by its order, which outliers do not move.
type summary struct {
	N      int     `json:"n"`
	Median float64 `json:"median"`
	Q1     float64 `json:"q1"`
	Q3     float64 `json:"q3"`
	// Low and High enclose the true median with a probability of 95 %, whatever the
	// distribution; with fewer than 6 values they are the extremes.
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// summarize returns the zero summary for an empty sample. It leaves values as they are.
func summarize(values []float64) summary {
	if len(values) == 0 {
		return summary{}
	}
	v := slices.Sorted(slices.Values(values))
	skip := medianInterval(len(v))
	return summary{
		N: len(v), Median: quantile(v, 0.5), Q1: quantile(v, 0.25), Q3: quantile(v, 0.75),
		Low: v[skip], High: v[len(v)-1-skip],
	}
}

// quantile interpolates between the two nearest of the ascending values (type 7 of Hyndman
// and Fan, which R and NumPy take too).
func quantile(ascending []float64, q float64) float64 {
	at := q * float64(len(ascending)-1)
	i := int(at)
	if i+1 >= len(ascending) {
		return ascending[len(ascending)-1]
	}
	return ascending[i] + (at-float64(i))*(ascending[i+1]-ascending[i])
}

// medianInterval returns how many of n ordered values to skip at each end so that those left
// enclose the median with 95 %: the number of values below the median is binomial.
func medianInterval(n int) int {
	skip, below := 0, math.Pow(0.5, float64(n)) // P(none is below)
	for term := below; below <= 0.025; skip++ {
		term *= float64(n-skip) / float64(skip+1)
		below += term
	}
	return max(0, skip-1)
}

// shuffledBlocks returns n blocks, each with every state once in a random order, so that
// neither a drift of the machine nor the state before favours one of them.
func shuffledBlocks(states, n int, random *rand.Rand) [][]int {
	blocks := make([][]int, n)
	for i := range blocks {
		blocks[i] = random.Perm(states)
	}
	return blocks
}

// pairRatios divides, block by block, what was measured in state of by what was measured in
// state to. Blocks that lack one of them, or where it is zero, are left out.
func pairRatios(blocks []map[string]float64, of, to string) []float64 {
	var out []float64
	for _, b := range blocks {
		if b[of] > 0 && b[to] > 0 {
			out = append(out, b[of]/b[to])
		}
	}
	return out
}

// differences is like pairRatios, with a subtraction.
func differences(blocks []map[string]float64, of, to string) []float64 {
	var out []float64
	for _, b := range blocks {
		if b[of] > 0 && b[to] > 0 {
			out = append(out, b[of]-b[to])
		}
	}
	return out
}
