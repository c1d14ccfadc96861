package prometheus

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	restarts = 20
	requests = "http_request_duration_seconds_count"
)

// TestRestarts restarts a unit under load. Prometheus must not notice: the unit's series go
// on as if nothing had been. One agent forgets the unit's former lives while it
// watches, the other keeps all of them.
func TestRestarts(t *testing.T) {
	u := newUnit(t)
	hasty, patient := startAgent(t, "--grace-period=2s"), startAgent(t)
	forgetting := startPrometheus(t, "grace period 2 s", hasty)
	keeping := startPrometheus(t, "usual grace period", patient)
	both := []prometheus{forgetting, keeping}
	const ids = `fathom_series{map="workloads"}`

	// A series begins with its first request, and increase() with the first sample of it. So one
	// request of each status comes before the load.
	u.start(t)
	warmUp := new(tally)
	u.visit(t.Context(), warmUp, 2)
	idsBefore := make(map[string]float64)
	for _, p := range both {
		for status, n := range warmUp.answered {
			p.becomes(t, p.name+", before the load", u.requests(status), float64(n))
		}
		idsBefore[p.name] = p.query(t, ids)
	}

	truth := u.restartUnderLoad(t)
	for _, p := range both {
		u.compare(t, p, warmUp, truth)
	}
	kept := keeping.query(t, ids) - idsBefore[keeping.name]
	left := forgetting.query(t, ids) - idsBefore[forgetting.name]
	if kept < restarts || left > restarts/2 {
		t.Errorf("after %d restarts, one agent has %g workloads more, the one that forgets %g", restarts, kept, left)
	}

	u.stop(t, gracefully)
	forgetting.becomes(t, "series of the unit that is gone", "count("+u.selector("")+")", 0)
	t.Logf("workloads: %g were kept, %g left by the agent that forgets", kept, left)
	if strings.Contains(exposition(t, hasty), u.name) {
		t.Errorf("%s: something of the unit is left", forgetting.name)
	}
	if !strings.Contains(exposition(t, patient), u.name) {
		t.Errorf("%s: the unit's series went with its process", keeping.name)
	}
}

// restartUnderLoad returns what the clients saw.
func (u *unit) restartUnderLoad(t *testing.T) *tally {
	t.Helper()
	seen, stop := u.load(t)
	defer stop()
	for i := range restarts {
		// Each third life may end before a scrape sees its beginning.
		if i%3 != 0 {
			time.Sleep(2 * time.Second)
		}
		seen.grows(t)
		u.stop(t, i%2 == 0)
		u.start(t)
	}
	seen.grows(t)
	stop()
	t.Logf("%d restarts, answers by status: %v, requests without answer: %d", restarts, seen.answered, seen.unanswered)
	return seen
}

// compare holds what a Prometheus stored against what the clients saw.
func (u *unit) compare(t *testing.T, p prometheus, warmUp, truth *tally) {
	t.Helper()
	for status, n := range truth.answered {
		p.becomes(t, p.name, u.requests(status), float64(warmUp.answered[status]+n))
	}
	counters := p.series(t, u.selector(`,__name__=~".+_(total|count|sum|bucket)"`)+"[10m]")
	scrapes := p.series(t, "up[10m]")[0].Values
	if slices.ContainsFunc(scrapes, func(s sample) bool { return s.value != 1 }) {
		t.Errorf("%s: a scrape failed", p.name)
	}
	statuses := make(map[string]bool)
	var fell []series
	for _, s := range counters {
		if s.Metric["workload_kind"] != "unit" {
			t.Errorf("%s: the unit has the labels %v", p.name, s.Metric)
		}
		if !slices.IsSortedFunc(s.Values, func(a, b sample) int { return cmp.Compare(a.value, b.value) }) {
			fell = append(fell, s)
		}
		if s.Metric["__name__"] != requests {
			continue
		}
		status := s.Metric["status"]
		if statuses[status] || s.Metric["method"] != http.MethodGet {
			t.Errorf("%s: unexpected or double series: %v", p.name, s.Metric)
		}
		statuses[status] = true
		if status == "aborted" {
			// Killed between reading a request and answering it. The client cannot tell
			// that from a request which nobody read.
			n := s.Values[len(s.Values)-1].value
			if t.Logf("%s: %g aborted", p.name, n); n > float64(truth.unanswered) {
				t.Errorf("%s: %g aborted, of %d without answer", p.name, n, truth.unanswered)
			}
			continue
		}
		u.compareSeries(t, p, s, scrapes, truth)
	}
	if len(fell) > 0 {
		t.Errorf("%s: %d of %d counters fell, one of them %v", p.name, len(fell), len(counters), fell[0])
	}
	delete(statuses, "aborted")
	if len(statuses) != len(truth.answered) {
		t.Errorf("%s: series for the statuses %v", p.name, statuses)
	}
}

// compareSeries checks that a series is in all scrapes since its first one, and that
// increase() is the truth.
//
// Over any window increase() extrapolates from the first and the last sample within to the
// window's borders, by half the interval between samples or more: here that would be 1 to 4 %.
// This window ends at its last sample and begins 1 ms before its first one (from Prometheus 3
// on, a window does not include its beginning). The extrapolation over 1 ms of half a minute
// adds a fifth of a request to some thousands.
func (u *unit) compareSeries(t *testing.T, p prometheus, s series, scrapes []sample, truth *tally) {
	t.Helper()
	first, last := s.Values[0].time, s.Values[len(s.Values)-1].time
	scrapes = slices.DeleteFunc(slices.Clone(scrapes), func(s sample) bool { return s.time < first || s.time > last })
	if len(s.Values) != len(scrapes) {
		t.Errorf("%s: in %d of %d scrapes: %v", p.name, len(s.Values), len(scrapes), s.Metric)
	}
	window := fmt.Sprintf("%s{workload=%q,status=%q}[%dms] @ %d.%03d", requests, u.name, s.Metric["status"], last-first+1, last/1000, last%1000)
	if n := p.query(t, "resets("+window+")"); n != 0 {
		t.Errorf("%s: %g resets of %v", p.name, n, s.Metric)
	}
	increase := p.query(t, "sum(increase("+window+"))")
	t.Logf("%s, status %s: %d samples, increase() %f", p.name, s.Metric["status"], len(s.Values), increase)
	if want := truth.answered[s.Metric["status"]]; int(math.Round(increase)) != want {
		t.Errorf("%s: increase() is %f, the clients saw %d: %v", p.name, increase, want, s.Metric)
	}
}

// selector selects all series of the unit that match more.
func (u *unit) selector(more string) string { return fmt.Sprintf("{workload=%q%s}", u.name, more) }

// requests is the expression for the count of one status.
func (u *unit) requests(status string) string {
	return "sum(" + requests + u.selector(fmt.Sprintf(",status=%q", status)) + ")"
}

func exposition(t *testing.T, agent string) string {
	t.Helper()
	resp, err := http.Get("http://" + agent + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
