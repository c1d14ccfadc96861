package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// passing returns a guest in which everything is as it should be.
func passing(name string) *guestResult {
	return &guestResult{Name: name, Release: "6.12", Jobs: []*jobResult{{
		Package: "./p", Mode: tracepoint, Status: new(0),
		Tests: []*testResult{
			{Name: "TestA", Outcome: pass, Passed: 3, Skips: []skipped{{Name: "TestA/nginx", Reason: "not here"}}},
			{Name: "TestB", Outcome: pass},
		},
	}}}
}

func TestJudge(t *testing.T) {
	table := []allowedSkip{
		{test: "^TestA/nginx$", reason: "^not here$"},
		{guests: []string{"old"}, test: "^TestB$", reason: "^too old$"},
	}
	for _, c := range []struct {
		name   string
		filter string
		whole  bool
		spoil  func(g *guestResult)
		want   []string // what is in the problems, one each
	}{
		{name: "all is well", spoil: func(*guestResult) {}},
		{name: "an unused entry", whole: true, spoil: func(*guestResult) {}, want: []string{"nothing needs: ^TestB$"}},
		{
			name: "a failure", want: []string{"TestA/x failed"},
			spoil: func(g *guestResult) {
				g.Jobs[0].Status, g.Jobs[0].Tests[0].Outcome = new(1), fail
				g.Jobs[0].Tests[0].Failing = []string{"TestA/x"}
			},
		},
		{
			name: "a crash after all tests", want: []string{"exit status 2"},
			spoil: func(g *guestResult) { g.Jobs[0].Status = new(2) },
		},
		{
			name: "another reason", want: []string{"TestA/nginx was skipped: no reason of note"},
			spoil: func(g *guestResult) { g.Jobs[0].Tests[0].Skips[0].Reason = "no reason of note" },
		},
		{
			name: "a skip that is allowed elsewhere", want: []string{"TestB was skipped: too old"},
			spoil: func(g *guestResult) { g.Jobs[0].Tests[1].Skips = []skipped{{Name: "TestB", Reason: "too old"}} },
		},
		{
			name: "a skip that is allowed here",
			spoil: func(g *guestResult) {
				g.Name, g.Jobs[0].Tests[1].Skips = "old", []skipped{{Name: "TestB", Reason: "too old"}}
			},
		},
		{
			name: "no test", want: []string{"./p: no test ran", "6.12: no test ran"},
			spoil: func(g *guestResult) { g.Jobs[0].Tests = nil },
		},
		{
			name:  "no test in one job",
			spoil: func(g *guestResult) { g.Jobs = append(g.Jobs, &jobResult{Package: "./q", Status: new(0)}) },
			want:  []string{"./q: no test ran"},
		},
		{
			name: "no test in one job, which the filter explains", filter: "TestA",
			spoil: func(g *guestResult) { g.Jobs = append(g.Jobs, &jobResult{Package: "./q", Status: new(0)}) },
		},
		{
			name: "no test in a guest, filter or not", filter: "TestX", want: []string{"6.12: no test ran"},
			spoil: func(g *guestResult) { g.Jobs[0].Tests = nil },
		},
		{
			name: "no status", want: []string{"told no exit status"},
			spoil: func(g *guestResult) { g.Jobs[0].Status = nil },
		},
		{
			name: "out of time", want: []string{"out of time"},
			spoil: func(g *guestResult) { g.Jobs[0].Status, g.Jobs[0].TimedOut = new(131), true },
		},
		{
			name: "a kernel that complains", want: []string{"WARNING: CPU: 0"},
			spoil: func(g *guestResult) { g.Complaints = []string{"<4>[1.0] WARNING: CPU: 0"} },
		},
		{
			name: "a guest that died", want: []string{"no exit status", "6.12: no test ran", "panic"},
			spoil: func(g *guestResult) { g.Jobs, g.Error = []*jobResult{{}}, "kernel panic" },
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := newPolicy(table)
			if err != nil {
				t.Fatal(err)
			}
			g := passing("6.12")
			c.spoil(g)
			r := &report{Guests: []*guestResult{g}, Partial: !c.whole, Filter: c.filter}
			r.judge(p)
			if len(r.Problems) != len(c.want) {
				t.Fatalf("problems %q, want %d: %q", r.Problems, len(c.want), c.want)
			}
			for i, want := range c.want {
				if !strings.Contains(r.Problems[i], want) {
					t.Errorf("problem %q, want %q", r.Problems[i], want)
				}
			}
		})
	}
}

func TestPolicyRejects(t *testing.T) {
	for _, table := range [][]allowedSkip{{{test: "("}}, {{test: "x", reason: "("}}} {
		if _, err := newPolicy(table); err == nil {
			t.Errorf("%v: no error", table)
		}
	}
}

func TestComplaints(t *testing.T) {
	log := "<6>[    0.1] Linux version\n<4>[    2.0] WARNING: CPU: 1 PID: 7 at kernel/bpf/x.c:1 f+0x1/0x2\n" +
		"<3>[    3.0] rcu: INFO: rcu_preempt self-detected stall on CPU\n<1>[    4.0] BUG: unable to handle page fault\n"
	got := complaints(log)
	if len(got) != 2 || !strings.Contains(got[0], "WARNING: CPU: 1") || !strings.Contains(got[1], "BUG: unable") {
		t.Errorf("got %q", got)
	}
}

// TestReport: the table says what happened, in all of its forms.
func TestReport(t *testing.T) {
	bad := passing("6.1")
	bad.Jobs[0].Tests[1] = &testResult{Name: "TestB", Outcome: fail, Failed: 2, Passed: 1, Failing: []string{"TestB/x", "TestB/y"}}
	bad.Jobs[0].Tests[1].output.WriteString("    b_test.go:1: this is wrong\n")
	bad.Jobs = append(bad.Jobs, &jobResult{Package: "./q", Mode: kprobe})
	r := &report{Guests: []*guestResult{passing("6.12"), bad}, Partial: true}
	p, err := newPolicy([]allowedSkip{{test: "^TestA/nginx$", reason: "here"}})
	if err != nil {
		t.Fatal(err)
	}
	r.judge(p)
	printed := r.text()
	for _, want := range []string{"3, 1 skipped", "1, 2 FAILED", "this is wrong", "not here; allowed; in 6.12, 6.1", "TestB/y failed"} {
		if !strings.Contains(printed, want) {
			t.Errorf("not printed: %q in\n%s", want, printed)
		}
	}
	dir := t.TempDir()
	if err := r.write(dir); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "results.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| 6.1 | kprobe | q |  | FAIL |", "| 6.12 | tracepoint | p | TestA | pass | 3, 1 skipped | 0.0 |", "**Failed.**"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("not in the document: %q in\n%s", want, text)
		}
	}
	b, err := os.ReadFile(filepath.Join(dir, "results.json"))
	if err != nil {
		t.Fatal(err)
	}
	var back report
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(back.Problems, r.Problems) || len(back.Guests) != 2 {
		t.Errorf("read back %v", back)
	}
}
