package demo

import (
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func TestLatency(t *testing.T) {
	ms := time.Millisecond
	two := latency{{0.9, 5 * ms}, {0.1, 40 * ms}}
	tests := []struct {
		l    latency
		p    float64
		want time.Duration
		mean time.Duration
		text string
	}{
		{latency{{1, 50 * ms}}, 0, 50 * ms, 50 * ms, "50 ms"},
		{latency{{1, 50 * ms}}, 0.999, 50 * ms, 50 * ms, "50 ms"},
		{two, 0, 5 * ms, 8500 * time.Microsecond, "5 ms (90 %) or 40 ms (10 %)"},
		{two, 0.89, 5 * ms, 8500 * time.Microsecond, "5 ms (90 %) or 40 ms (10 %)"},
		{two, 0.91, 40 * ms, 8500 * time.Microsecond, "5 ms (90 %) or 40 ms (10 %)"},
		{two, 1, 40 * ms, 8500 * time.Microsecond, "5 ms (90 %) or 40 ms (10 %)"},
	}
	for _, tt := range tests {
		if got := tt.l.draw(tt.p); got != tt.want {
			t.Errorf("%s at %g: got %s, want %s", tt.l, tt.p, got, tt.want)
		}
		if tt.l.mean() != tt.mean || tt.l.String() != tt.text {
			t.Errorf("got mean %s, text %q, want %s, %q", tt.l.mean(), tt.l, tt.mean, tt.text)
		}
	}
}

// TestPlan checks that the plan makes sense: what cannot be named is not told, and
// the one-thread service has time for all requests of a burst before the next comes.
func TestPlan(t *testing.T) {
	for name, o := range orders {
		if len(name) > 15 {
			t.Errorf("%s is longer than the name of a process can be", name)
		}
		var sum float64
		for _, v := range o.latency {
			sum += v.share
		}
		if o.serial && o.grpc {
			t.Errorf("%s: nothing serves gRPC one call at a time", name)
		}
		if sum < 0.999 || sum > 1.001 {
			t.Errorf("%s: shares add up to %g", name, sum)
		}
	}
	for _, s := range streams {
		to, ok := routes[s.method]
		if !ok {
			t.Errorf("%s has no route", s.method)
		}
		if (to.method == grpcMethod) != orders[to.service].grpc {
			t.Errorf("%s goes on to %s by %s, which it does not speak", s.method, to.service, to.method)
		}
		if o := orders[to.service]; o.serial && time.Duration(s.atOnce)*o.latency.mean() > s.every*9/10 {
			t.Errorf("%s cannot keep up with %s", to.service, s.method)
		}
	}
}

func TestDigest(t *testing.T) {
	tests := []struct {
		name   string
		values func(i int) time.Duration // of 1000
		p50    time.Duration
		p99    time.Duration
	}{
		{"equal", func(int) time.Duration { return 50 * time.Millisecond }, 50 * time.Millisecond, 50 * time.Millisecond},
		{"even", func(i int) time.Duration { return time.Duration(i+1) * time.Millisecond }, 500 * time.Millisecond, 990 * time.Millisecond},
		{"zero", func(int) time.Duration { return 0 }, 0, 0},
		{"an hour", func(int) time.Duration { return time.Hour }, time.Hour, time.Hour},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var g digest
			var sum time.Duration
			for _, i := range rand.Perm(1000) {
				g.add(tt.values(i))
				sum += tt.values(i)
			}
			if g.count != 1000 || g.sum != sum || g.max != tt.values(999) {
				t.Errorf("count %d, sum %s, max %s", g.count, g.sum, g.max)
			}
			for q, want := range map[float64]time.Duration{0.5: tt.p50, 0.99: tt.p99} {
				// What is beyond the last bucket has its lower end.
				if got := g.quantile(q); want < 15*time.Minute && (got < want || got > want+want/90) {
					t.Errorf("quantile %g: got %s, want %s", q, got, want)
				}
			}
		})
	}
}

func TestRecorderSorts(t *testing.T) {
	var r recorder
	for _, c := range []Calls{{From: "b"}, {From: "a", Status: "503"}, {From: "a", Status: "200"}, {From: "a", Status: "503"}} {
		r.record(c, time.Second)
	}
	calls := r.snapshot()
	got := make([]string, 0, len(calls))
	for _, c := range calls {
		got = append(got, c.From+":"+strings.Repeat("x", int(c.Count)))
	}
	if want := "a:x a:xx b:x"; strings.Join(got, " ") != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTail(t *testing.T) {
	tests := []struct {
		name      string
		writes    []string
		only      string
		out, last string
	}{
		{"lines", []string{"a\nb", "c\n"}, "", "a\nbc\n", "a\nbc\n"},
		{"filtered", []string{"INFO a\nWARN b\n"}, "WARN", "WARN b\n", "INFO a\nWARN b\n"},
		{"unfinished", []string{"a\nb"}, "", "a\n", "a\nb"},
		{"many", []string{strings.Repeat("x\n", 100)}, "none", "", strings.Repeat("x\n", tailLines)},
		{"long", []string{strings.Repeat("x", 10*tailWidth) + "\n"}, "none", "", strings.Repeat("x", tailWidth) + "\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			l := &tail{out: &out, only: [][]byte{[]byte(tt.only)}}
			for _, w := range tt.writes {
				if n, err := io.WriteString(l, w); n != len(w) || err != nil {
					t.Fatal(n, err)
				}
			}
			if out.String() != tt.out || l.last() != tt.last {
				t.Errorf("passed %q, kept %q, want %q, %q", out.String(), l.last(), tt.out, tt.last)
			}
		})
	}
}
