package http1

import (
	"bufio"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// count is a number of exchanges of one method and status.
type count struct {
	n       uint64
	more    uint64  // a truth only: there may be up to so many more, as the client was stopped in the middle of its work
	seconds float64 // of all together; a negative truth is not known
}

// counts are the exchanges at one end, by "METHOD STATUS". A truth may leave the method open: "any STATUS".
type counts map[string]count

// anyMethod is the method of a request line that is none, which a server answers all the same.
const anyMethod = "any"

const unknown = -1

// methods are those that Fathom has names for; it calls all others OTHER.
var methods = []string{"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", anyMethod}

func (c counts) add(method, status string, n uint64, seconds float64) {
	if !slices.Contains(methods, method) {
		method = "OTHER"
	}
	if n > 0 {
		c.join(method+" "+status, count{n: n, seconds: seconds})
	}
}

func (c counts) join(key string, v count) {
	now := c[key]
	now.n += v.n
	now.more += v.more
	if now.seconds < 0 || v.seconds < 0 {
		now.seconds = unknown
	} else {
		now.seconds += v.seconds
	}
	c[key] = now
}

func (c counts) total() (n uint64) {
	for _, v := range c {
		n += v.n
	}
	return n
}

// leaveOpen returns the counts with the methods of some statuses left open.
func (c counts) leaveOpen(statuses ...string) counts {
	out := counts{}
	for key, v := range c {
		method, status, _ := strings.Cut(key, " ")
		if slices.Contains(statuses, status) {
			method = anyMethod
		}
		out.join(method+" "+status, v)
	}
	return out
}

// untimed returns the counts without durations.
func (c counts) untimed() counts {
	out := counts{}
	for key, v := range c {
		v.seconds = unknown
		out[key] = v
	}
	return out
}

func plus(all ...counts) counts {
	out := counts{}
	for _, c := range all {
		for key, v := range c {
			out.join(key, v)
		}
	}
	return out
}

// slack is how much longer than the client measured exchanges may seem to be, in all. It is for a machine that is busy.
const slack = 1.0

// differences says, one line each, what was counted differs from the truth.
func differences(truth, got counts) (lines []string) {
	left := maps.Clone(got)
	one := func(key string, want, have count) {
		switch {
		case have.n < want.n:
			lines = append(lines, fmt.Sprintf("%s: only %d of %d counted", key, have.n, want.n))
		case have.n > want.n+want.more:
			lines = append(lines, fmt.Sprintf("%s: %d counted, there were %d", key, have.n, want.n+want.more))
		case want.seconds >= 0 && have.seconds > want.seconds+slack:
			lines = append(lines, fmt.Sprintf("%s: took %.3f s, counted %.3f s", key, want.seconds, have.seconds))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(truth)) {
		if !strings.HasPrefix(key, anyMethod+" ") {
			one(key, truth[key], got[key])
			delete(left, key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(truth)) {
		if status, open := strings.CutPrefix(key, anyMethod+" "); open {
			var have count
			for k, v := range left {
				if strings.HasSuffix(k, " "+status) {
					have.n += v.n
					have.seconds += v.seconds
					delete(left, k)
				}
			}
			one(key, truth[key], have)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(left)) {
		one(key, count{seconds: unknown}, left[key])
	}
	return lines
}

// parseCounts reads what a client printed: lines of METHOD STATUS COUNT SECONDS. Lines of "unasked STATUS COUNT" are
// responses that answered nothing.
func parseCounts(t *testing.T, text string) (out counts, unasked uint64) {
	t.Helper()
	out = counts{}
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 3 {
			t.Fatalf("%q is not METHOD STATUS COUNT", lines.Text())
		}
		n, err := strconv.ParseUint(fields[2], 10, 64)
		if err != nil {
			t.Fatalf("%q: %v", lines.Text(), err)
		}
		if fields[0] == "unasked" {
			unasked += n
			continue
		}
		seconds := float64(unknown)
		if len(fields) > 3 {
			if seconds, err = strconv.ParseFloat(fields[3], 64); err != nil {
				t.Fatalf("%q: %v", lines.Text(), err)
			}
		}
		out.add(fields[0], fields[1], n, seconds)
	}
	return out, unasked
}

// TestDifferences sees that what is wrong is found.
func TestDifferences(t *testing.T) {
	truth := counts{"GET 200": {n: 3, seconds: 0.5}, "POST 201": {n: 2, seconds: unknown}, "any 400": {n: 2}, "PUT 200": {n: 5, more: 2, seconds: unknown}}
	for _, c := range []struct {
		name  string
		got   counts
		wrong int
	}{
		{"right", counts{"GET 200": {n: 3, seconds: 0.6}, "POST 201": {n: 2, seconds: 9}, "OTHER 400": {n: 1}, "GET 400": {n: 1}, "PUT 200": {n: 7}}, 0},
		{"too few", counts{"GET 200": {n: 2}, "POST 201": {n: 2}, "OTHER 400": {n: 2}, "PUT 200": {n: 5}}, 1},
		{"too many", counts{"GET 200": {n: 3}, "POST 201": {n: 2}, "OTHER 400": {n: 2}, "PUT 200": {n: 8}}, 1},
		{"too long", counts{"GET 200": {n: 3, seconds: 1.6}, "POST 201": {n: 2}, "OTHER 400": {n: 2}, "PUT 200": {n: 5}}, 1},
		{"another status", counts{"GET 200": {n: 3}, "POST 500": {n: 2}, "OTHER 400": {n: 2}, "PUT 200": {n: 5}}, 2},
		{"another method", counts{"GET 200": {n: 3}, "POST 201": {n: 2}, "OTHER 404": {n: 2}, "PUT 200": {n: 5}}, 2},
		{"nothing", counts{}, 4},
	} {
		if lines := differences(truth, c.got); len(lines) != c.wrong {
			t.Errorf("%s: %d differences, want %d: %v", c.name, len(lines), c.wrong, lines)
		}
	}
}
