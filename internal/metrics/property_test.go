package metrics

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/fathomhq/fathom/internal/kernel"
)

// truth is what a test knows of one unit.
type truth struct {
	live     []kernel.WorkloadID
	requests map[int]float64 // by status, for all time
	died     time.Time       // when the last process ended
}

// shown is what a scrape showed of one series.
type shown struct {
	value  float64
	base   float64 // the truth at the last scrape without the series
	absent bool
}

// In any order of starts, requests, restarts, ends and scrapes, with ids used
// again: a series shows exactly what was counted since it last was absent; so
// counters never fall, and increase() is the truth. It is there while its unit
// lives and gone some time after.
func TestRandomSequences(t *testing.T) {
	for seed := range uint64(16) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 7))
			h := newHost(t)
			if seed%3 == 0 {
				h.snapshot.Tables = []kernel.Table{{Name: "workloads", Used: 900, Limit: 1000}}
			}
			units := map[string]*truth{}
			for _, name := range []string{"a", "b", "c"} {
				units[name] = &truth{requests: map[int]float64{}}
			}
			series := map[string]*shown{}
			for range 150 {
				h.act(random, units)
				after := time.Duration(random.IntN(90)) * time.Second
				g := h.scrape(after)
				for name, u := range units {
					for status, n := range u.requests {
						h.compare(g, series, name, u, status, n)
					}
				}
			}
		})
	}
}

// act does one random thing to one unit.
func (h *host) act(random *rand.Rand, units map[string]*truth) {
	name := string(rune('a' + random.IntN(len(units))))
	u := units[name]
	switch random.IntN(8) {
	case 0, 1:
		if len(u.live) < 3 {
			u.live = append(u.live, h.begin(name))
		}
	case 2, 3:
		if len(u.live) > 0 {
			h.end(u.live[0])
			if u.live = u.live[1:]; len(u.live) == 0 {
				u.died = h.snapshot.Time
			}
		}
	case 4:
		h.snapshot.Time = h.snapshot.Time.Add(time.Duration(random.IntN(10)) * time.Minute)
	default:
		if len(u.live) > 0 {
			status, n := 200+random.IntN(3), 1+random.IntN(5)
			h.serve(u.live[random.IntN(len(u.live))], uint16(status), n)
			u.requests[status] += float64(n)
		}
	}
}

// compare checks one series of a scrape against the truth.
func (h *host) compare(g gathered, series map[string]*shown, unit string, u *truth, status int, n float64) {
	h.t.Helper()
	key := requestsKey(unit, status)
	s := series[key]
	if s == nil {
		s = &shown{absent: true}
		series[key] = s
	}
	value := g.value(key)
	if value < 0 {
		if len(u.live) > 0 && !s.absent {
			h.t.Fatalf("%s left while its unit lives", key)
		}
		s.absent, s.base = true, n
		return
	}
	s.absent = false
	if value != n-s.base {
		h.t.Fatalf("%s is %g, want %g", key, value, n-s.base)
	}
	if value < s.value && s.value <= n-s.base {
		h.t.Fatalf("%s fell from %g to %g", key, s.value, value)
	}
	s.value = value
	// Found gone within a grace period and a quarter, forgotten within as much again, each at a scrape.
	if late := h.snapshot.Time.Sub(u.died); len(u.live) == 0 && late > time.Hour {
		h.t.Fatalf("%s is still there %v after its unit ended", key, late)
	}
}
