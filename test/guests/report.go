package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// report is what a run found out; it becomes results.json.
type report struct {
	Date     time.Time      `json:"date"`
	Partial  bool           `json:"partial"` // not the whole matrix
	Filter   string         `json:"filter,omitempty"`
	Seconds  float64        `json:"seconds"`
	Guests   []*guestResult `json:"guests"`
	Problems []string       `json:"problems"` // why the run failed
}

// guestResult is what happened in a guest.
type guestResult struct {
	Name       string       `json:"name"`
	Release    string       `json:"release"` // of the kernel; "" if it did not come up
	Boot       float64      `json:"boot_seconds"`
	Seconds    float64      `json:"seconds"`
	CPU        float64      `json:"cpu_seconds"` // of the host, for emulating it
	Jobs       []*jobResult `json:"jobs"`
	Complaints []string     `json:"complaints,omitempty"` // of the kernel
	Error      string       `json:"error,omitempty"`
}

// jobResult is what happened in a job.
type jobResult struct {
	Package  string        `json:"package"`
	Mode     string        `json:"mode"`
	Seconds  float64       `json:"seconds"`          // by the guest's clock
	Status   *int          `json:"status,omitempty"` // absent if the guest told none
	TimedOut bool          `json:"timed_out,omitempty"`
	Tests    []*testResult `json:"tests"`
	Log      string        `json:"log,omitempty"`
}

// complaint finds what a kernel writes when it caught itself, or a BPF program, doing wrong. RCU
// stalls are no such thing here: the host may let a guest wait.
var complaint = regexp.MustCompile(`WARNING: |BUG: |Oops|general protection|kernel panic|UBSAN|KASAN`)

func complaints(log string) []string {
	var all []string
	for line := range strings.Lines(log) {
		if complaint.MatchString(line) {
			all = append(all, strings.TrimSpace(line))
		}
	}
	return all
}

// judge allows skips and lists what makes the run fail.
func (r *report) judge(p *policy) {
	r.Problems = []string{}
	for _, g := range r.Guests {
		r.judgeGuest(g, p)
	}
	if r.Partial {
		return
	}
	for _, entry := range p.unused() {
		r.problem("allowed skip that nothing needs: %s", entry)
	}
}

func (r *report) judgeGuest(g *guestResult, p *policy) {
	ran := 0
	for _, j := range g.Jobs {
		where := fmt.Sprintf("%s %s %s", g.Name, j.Mode, j.Package)
		ran += len(j.Tests)
		failed := false
		for _, t := range j.Tests {
			for _, name := range t.Failing {
				failed = true
				r.problem("%s: %s failed; see %s", where, name, j.Log)
			}
			for i := range t.Skips {
				s := &t.Skips[i]
				if s.Allowed = p.allows(g.Name, *s); !s.Allowed {
					r.problem("%s: %s was skipped: %s", where, s.Name, s.Reason)
				}
			}
		}
		switch {
		case j.Status == nil:
			r.problem("%s: the guest told no exit status", where)
		case j.TimedOut:
			r.problem("%s: out of time; see %s", where, j.Log)
		case *j.Status != 0 && !failed:
			r.problem("%s: exit status %d; see %s", where, *j.Status, j.Log)
		case len(j.Tests) == 0 && r.Filter == "":
			r.problem("%s: no test ran", where)
		}
	}
	if ran == 0 {
		r.problem("%s: no test ran", g.Name)
	}
	for _, line := range g.Complaints {
		r.problem("%s: the kernel complains: %s", g.Name, line)
	}
	if g.Error != "" {
		r.problem("%s: %s", g.Name, g.Error)
	}
}

func (r *report) problem(format string, args ...any) {
	r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
}

// write writes results.json and results.md into the folder.
func (r *report) write(dir string) error {
	b, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "results.json"), append(b, '\n'), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "results.md"), []byte(r.markdown()), 0o644)
}
