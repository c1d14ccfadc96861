package http2

import (
	"bufio"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// counts are the exchanges at one end, by "METHOD STATUS": "GET 200", or "gRPC OK".
//
// Where the two ends of a connection may see different ends of an exchange, as with a deadline, a truth has several statuses:
// "gRPC CANCELLED|DEADLINE_EXCEEDED" are so many exchanges, each of which has one of these.
type counts map[string]uint64

// gRPC stands for the method of all gRPC calls, which Fathom has by themselves.
const gRPC = "gRPC"

// What Fathom says where a field was added to a table before it was there. A status of gRPC is called UNKNOWN as well.
const (
	unknownMethod = "UNKNOWN"
	unknownStatus = "unknown"
)

// methods are those that Fathom has names for; it calls all others OTHER.
var methods = []string{"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", unknownMethod, gRPC}

func (c counts) add(method, status string, n uint64) {
	if !slices.Contains(methods, method) {
		method = "OTHER"
	}
	if n > 0 {
		c[method+" "+status] += n
	}
}

func (c counts) total() (n uint64) {
	for _, v := range c {
		n += v
	}
	return n
}

func plus(all ...counts) counts {
	out := counts{}
	for _, c := range all {
		for key, n := range c {
			out[key] += n
		}
	}
	return out
}

// less takes away what was before.
func (c counts) less(before counts) counts {
	out := counts{}
	for key, n := range c {
		if n > before[key] {
			out[key] = n - before[key]
		}
	}
	return out
}

// either has a method end with any of several statuses, of which the first is the one that the client saw.
func (c counts) either(method string, statuses ...string) counts {
	out := maps.Clone(c)
	var n uint64
	for _, status := range statuses {
		n += out[method+" "+status]
		delete(out, method+" "+status)
	}
	out.add(method, strings.Join(statuses, "|"), n)
	return out
}

// differences says, one line each, in what the counts differ from the truth.
func differences(truth, got counts) (lines []string) {
	left := maps.Clone(got)
	for _, key := range slices.Sorted(maps.Keys(truth)) {
		method, statuses, _ := strings.Cut(key, " ")
		var n uint64
		for status := range strings.SplitSeq(statuses, "|") {
			n += left[method+" "+status]
			delete(left, method+" "+status)
		}
		if n != truth[key] {
			lines = append(lines, fmt.Sprintf("%s: %d counted, there were %d", key, n, truth[key]))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(left)) {
		lines = append(lines, fmt.Sprintf("%s: %d counted, there was none", key, left[key]))
	}
	return lines
}

// unknownOr is differences for a connection of which the beginning was not seen: a method or a status may be unknown, but it is no other
// than that of the truth; and a call of gRPC may be what it is in HTTP, a POST that is answered 200. Nothing says how many there are in all.
func unknownOr(truth, got counts) (lines []string) {
	known := func(c counts) counts {
		out := counts{}
		for key, n := range c {
			method, status, _ := strings.Cut(key, " ")
			if method != unknownMethod {
				out["method "+method] += n
			}
			if status != unknownStatus {
				out["status "+status] += n
			}
			if method != unknownMethod && status != unknownStatus {
				out[key] += n
			}
		}
		return out
	}
	got = maps.Clone(got)
	for key := range truth {
		if strings.HasPrefix(key, gRPC+" ") {
			delete(got, "POST 200")
		}
	}
	most, seen := known(truth), known(got)
	for _, key := range slices.Sorted(maps.Keys(seen)) {
		if seen[key] > most[key] {
			lines = append(lines, fmt.Sprintf("%s: %d counted, there were %d", key, seen[key], most[key]))
		}
	}
	return lines
}

// parseCounts reads what a client printed: lines of METHOD STATUS COUNT.
func parseCounts(t *testing.T, text string) counts {
	t.Helper()
	out := counts{}
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) != 3 {
			t.Fatalf("%q is not METHOD STATUS COUNT", lines.Text())
		}
		n, err := strconv.ParseUint(fields[2], 10, 64)
		if err != nil {
			t.Fatalf("%q: %v", lines.Text(), err)
		}
		out.add(fields[0], fields[1], n)
	}
	return out
}

// tally are counts that a client makes in several goroutines.
type tally struct {
	mu     sync.Mutex
	counts counts
}

func (t *tally) add(method, status string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts == nil {
		t.counts = counts{}
	}
	t.counts.add(method, status, 1)
}

// String is what parseCounts reads.
func (t *tally) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var text strings.Builder
	for _, key := range slices.Sorted(maps.Keys(t.counts)) {
		fmt.Fprintf(&text, "%s %d\n", key, t.counts[key])
	}
	return text.String()
}

// TestDifferences sees that what is wrong is found.
func TestDifferences(t *testing.T) {
	truth := counts{"GET 200": 3, "gRPC OK": 1, "gRPC CANCELLED|aborted": 2}
	for _, c := range []struct {
		name  string
		got   counts
		wrong int
	}{
		{"right", counts{"GET 200": 3, "gRPC OK": 1, "gRPC CANCELLED": 1, "gRPC aborted": 1}, 0},
		{"too few", counts{"GET 200": 2, "gRPC OK": 1, "gRPC CANCELLED": 2}, 1},
		{"too many", counts{"GET 200": 4, "gRPC OK": 1, "gRPC CANCELLED": 2}, 1},
		{"too many of several", counts{"GET 200": 3, "gRPC OK": 1, "gRPC CANCELLED": 2, "gRPC aborted": 1}, 1},
		{"another status", counts{"GET 200": 2, "GET 404": 1, "gRPC OK": 1, "gRPC aborted": 2}, 2},
		{"another method", counts{"GET 200": 3, "POST 200": 1, "gRPC OK": 1, "gRPC aborted": 2}, 1},
	} {
		if lines := differences(truth, c.got); len(lines) != c.wrong {
			t.Errorf("%s: %q", c.name, lines)
		}
	}
	truth = counts{"GET 200": 3, "GET 404": 1, "POST 200": 2}
	for _, c := range []struct {
		name  string
		got   counts
		wrong int
	}{
		{"known", counts{"GET 200": 3, "GET 404": 1, "POST 200": 2}, 0},
		{"unknown", counts{"GET 200": 3, "GET unknown": 1, "UNKNOWN 200": 1, "UNKNOWN unknown": 1}, 0},
		{"too few", counts{"GET 200": 3, "GET unknown": 1, "UNKNOWN 200": 1}, 0},
		{"too many of a method", counts{"GET 200": 3, "GET unknown": 2, "UNKNOWN 200": 1}, 1},
		{"too many of a status", counts{"GET 200": 2, "GET 404": 1, "UNKNOWN 404": 1, "UNKNOWN 200": 2}, 1},
		{"one for another", counts{"GET 200": 2, "GET 404": 2, "POST 200": 2}, 2},
	} {
		if lines := unknownOr(truth, c.got); len(lines) != c.wrong {
			t.Errorf("%s: %q", c.name, lines)
		}
	}
}
