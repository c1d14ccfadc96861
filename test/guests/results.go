package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// How a test ended.
const (
	pass = "pass"
	fail = "fail"
	skip = "skip"
)

// testResult is a test of a job: one that go test runs by itself, with counts of its parts.
type testResult struct {
	Name    string  `json:"name"`
	Outcome string  `json:"outcome"`
	Seconds float64 `json:"seconds"`
	// Parts are the subtests that have no subtests.
	Passed  int       `json:"parts_passed"`
	Failed  int       `json:"parts_failed"`
	Skips   []skipped `json:"skips,omitempty"` // of the test or of parts
	Failing []string  `json:"failing,omitempty"`
	output  strings.Builder
}

// skipped is a test that was skipped, or a part of one.
type skipped struct {
	Name    string `json:"name"`
	Reason  string `json:"reason"`
	Allowed bool   `json:"allowed"`
}

// event is what test2json prints (go doc test2json).
type event struct {
	Action  string
	Test    string
	Elapsed float64
	Output  string
}

// node is a test or a part of one, while events arrive.
type node struct {
	parts   bool
	outcome string
	seconds float64
	reason  string // where a skip says why
}

// collector makes results of events.
type collector struct {
	nodes map[string]*node
	order []string
	tests map[string]*testResult
	text  io.Writer // receives everything that is printed
}

func newCollector(text io.Writer) *collector {
	return &collector{nodes: map[string]*node{}, tests: map[string]*testResult{}, text: text}
}

// read takes events until the end.
func (c *collector) read(r io.Reader) error {
	for dec := json.NewDecoder(r); ; {
		var e event
		err := dec.Decode(&e)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the events of tests: %w", err)
		}
		if err := c.take(e); err != nil {
			return err
		}
	}
}

// skipReason finds what a test says when it skips itself: a line of its log.
var skipReason = regexp.MustCompile(`^\s+[\w.-]+\.go:\d+: (.*)`)

func (c *collector) take(e event) error {
	if _, err := io.WriteString(c.text, e.Output); err != nil {
		return fmt.Errorf("keep the output: %w", err)
	}
	if e.Test == "" {
		return nil
	}
	n := c.node(e.Test)
	switch e.Action {
	case "output":
		if m := skipReason.FindStringSubmatch(e.Output); m != nil {
			n.reason = m[1]
		}
		c.test(e.Test).output.WriteString(e.Output)
	case pass, fail, skip:
		n.outcome, n.seconds = e.Action, e.Elapsed
	}
	return nil
}

// node returns the test's, and lets those that it is part of know that they have parts.
func (c *collector) node(name string) *node {
	n := c.nodes[name]
	if n == nil {
		n = &node{}
		c.nodes[name] = n
		c.order = append(c.order, name)
		if i := strings.LastIndex(name, "/"); i >= 0 {
			c.node(name[:i]).parts = true
		}
	}
	return n
}

// test returns the result of the test that the named one is, or is part of.
func (c *collector) test(name string) *testResult {
	name, _, _ = strings.Cut(name, "/")
	if c.tests[name] == nil {
		c.tests[name] = &testResult{Name: name}
	}
	return c.tests[name]
}

// results returns the tests in the order in which they began. One that did not end has failed.
func (c *collector) results() []*testResult {
	var all []*testResult
	for _, name := range c.order {
		n, t := c.nodes[name], c.test(name)
		if n.outcome == "" {
			n.outcome = fail
		}
		whole := t.Name == name
		if whole {
			t.Outcome, t.Seconds = n.outcome, n.seconds
			all = append(all, t)
		}
		switch {
		case n.outcome == skip:
			t.Skips = append(t.Skips, skipped{Name: name, Reason: n.reason})
		case n.outcome == fail && !n.parts:
			t.Failing = append(t.Failing, name)
		}
		switch {
		case whole || n.parts:
		case n.outcome == pass:
			t.Passed++
		case n.outcome == fail:
			t.Failed++
		}
	}
	for _, t := range all {
		if t.Outcome == fail && len(t.Failing) == 0 { // all of its parts passed
			t.Failing = []string{t.Name}
		}
	}
	return all
}
