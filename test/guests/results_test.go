package main

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// What test binaries print with -test.v=test2json, but for the ^V before --- and ===.
const (
	printed = `=== RUN   TestPlain
--- PASS: TestPlain (1.50s)
=== RUN   TestParts
=== RUN   TestParts/good
--- PASS: TestParts/good (0.10s)
=== RUN   TestParts/bad
    x_test.go:9: not good
--- FAIL: TestParts/bad (0.20s)
=== RUN   TestParts/nested
=== RUN   TestParts/nested/inner
    programs_test.go:29: nginx is not in this guest
--- SKIP: TestParts/nested/inner (0.00s)
--- PASS: TestParts/nested (0.00s)
=== NAME  TestParts
    x_test.go:10: at the end
--- FAIL: TestParts (2.00s)
=== RUN   TestSkipped
    some words
    x_test.go:3: first
    x_test.go:4: loading needs root
--- SKIP: TestSkipped (0.00s)
=== RUN   TestWhole
=== RUN   TestWhole/good
--- PASS: TestWhole/good (0.00s)
=== NAME  TestWhole
    x_test.go:12: the parts do not add up
--- FAIL: TestWhole (0.00s)
FAIL
`
	crashed = `=== RUN   TestPlain
--- PASS: TestPlain (0.00s)
=== RUN   TestParts
=== RUN   TestParts/good
--- PASS: TestParts/good (0.00s)
=== RUN   TestParts/bad
panic: test timed out after 10m0s
	running tests:
		TestParts/bad (10m0s)
`
)

// convert lets the real test2json read what a test binary printed.
func convert(t *testing.T, text string) []*testResult {
	t.Helper()
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "===") || strings.HasPrefix(line, "---") {
			line = "\x16" + line
		}
		b.WriteString(line)
	}
	cmd := exec.Command("go", "tool", "test2json", "-t", "-p", "x")
	cmd.Stdin = strings.NewReader(b.String())
	events, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	c := newCollector(&log)
	if err := c.read(bytes.NewReader(events)); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "=== RUN   TestParts/good\n") || strings.Contains(log.String(), "\x16") {
		t.Errorf("the log is not what was printed: %q", log.String())
	}
	return c.results()
}

func TestResults(t *testing.T) {
	for _, c := range []struct {
		name, printed string
		want          []*testResult
	}{
		{"ended", printed, []*testResult{
			{Name: "TestPlain", Outcome: pass, Seconds: 1.5},
			{
				Name: "TestParts", Outcome: fail, Seconds: 2, Passed: 1, Failed: 1, Failing: []string{"TestParts/bad"},
				Skips: []skipped{{Name: "TestParts/nested/inner", Reason: "nginx is not in this guest"}},
			},
			{Name: "TestSkipped", Outcome: skip, Skips: []skipped{{Name: "TestSkipped", Reason: "loading needs root"}}},
			{Name: "TestWhole", Outcome: fail, Passed: 1, Failing: []string{"TestWhole"}},
		}},
		{"crashed", crashed, []*testResult{
			{Name: "TestPlain", Outcome: pass},
			{Name: "TestParts", Outcome: fail, Passed: 1, Failed: 1, Failing: []string{"TestParts/bad"}},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := convert(t, c.printed)
			if d := cmp.Diff(c.want, got, cmpopts.IgnoreFields(testResult{}, "output")); d != "" {
				t.Errorf("want -, got +\n%s", d)
			}
			for _, r := range got {
				if r.Outcome == fail && !strings.Contains(r.output.String(), r.Failing[0]) {
					t.Errorf("%s: its output is %q", r.Name, r.output.String())
				}
			}
		})
	}
}

func TestNoEvents(t *testing.T) {
	c := newCollector(&bytes.Buffer{})
	if err := c.read(strings.NewReader("")); err != nil || len(c.results()) != 0 {
		t.Errorf("results %v, error %v", c.results(), err)
	}
	if err := c.read(strings.NewReader("no JSON")); err == nil {
		t.Error("no error")
	}
}
