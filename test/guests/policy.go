package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// policy decides which skips are allowed, and remembers which of its rules were needed.
type policy struct{ rules []rule }

type rule struct {
	entry        allowedSkip
	test, reason *regexp.Regexp
	used         bool
}

// newPolicy returns the policy that the table describes.
func newPolicy(table []allowedSkip) (*policy, error) {
	p := &policy{}
	for _, entry := range table {
		test, err := regexp.Compile(entry.test)
		if err != nil {
			return nil, fmt.Errorf("allowed skip of a test: %w", err)
		}
		reason, err := regexp.Compile(entry.reason)
		if err != nil {
			return nil, fmt.Errorf("allowed skip of %s: %w", entry.test, err)
		}
		p.rules = append(p.rules, rule{entry: entry, test: test, reason: reason})
	}
	return p, nil
}

// allows tells whether the test may be skipped in the guest for its reason.
func (p *policy) allows(guest string, s skipped) bool {
	for i := range p.rules {
		r := &p.rules[i]
		if len(r.entry.guests) > 0 && !slices.Contains(r.entry.guests, guest) {
			continue
		}
		if r.test.MatchString(s.Name) && r.reason.MatchString(s.Reason) {
			r.used = true
			return true
		}
	}
	return false
}

// unused returns the entries of the table that allowed nothing.
func (p *policy) unused() []string {
	var all []string
	for _, r := range p.rules {
		if !r.used {
			in := "all guests"
			if len(r.entry.guests) > 0 {
				in = strings.Join(r.entry.guests, ", ")
			}
			all = append(all, fmt.Sprintf("%s (%s) in %s", r.entry.test, r.entry.reason, in))
		}
	}
	return all
}
