// Package doctor says what works on this host, what does not, and what that costs.
package doctor

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/internal/privileges"
	"github.com/fathomhq/fathom/internal/requirements"
)

// Status says how well something is.
type Status string

// The statuses.
const (
	OK       Status = "ok"
	Gap      Status = "gap"      // the agent runs, and something is missing
	Fails    Status = "fails"    // the agent cannot run
	Unneeded Status = "unneeded" // it does not matter here
)

// Report is what the doctor found. Its JSON form is an interface: fields are added, not changed.
type Report struct {
	Version      string       `json:"version"`
	Commit       string       `json:"commit"`
	AttachMode   kernel.Mode  `json:"attach_mode"`
	Kernel       string       `json:"kernel"`       // release
	Architecture string       `json:"architecture"` // as uname(2) calls it
	Status       Status       `json:"status"`       // ok, gap or fails
	Summary      string       `json:"summary"`
	Host         []Finding    `json:"host"`
	Taps         []Tap        `json:"taps"`
	Capabilities []Capability `json:"capabilities"`
}

// Finding is one property of the host.
type Finding struct {
	Name   string `json:"name"` // as in the table of internal/requirements
	Status Status `json:"status"`
	Value  string `json:"value"` // what was found
	// Problem says what is lost, and what to do. It is empty where a missing capability says it.
	Problem string `json:"problem,omitempty"`
}

// Tap is one tap.
type Tap struct {
	Name   string   `json:"name"`
	Status Status   `json:"status"`
	Mode   string   `json:"mode"` // "none" if it cannot be attached
	Hooks  []string `json:"hooks,omitempty"`
	Passed []string `json:"passed_over,omitempty"` // ways that come first, and why they were not taken
	Error  string   `json:"error,omitempty"`
	Costs  string   `json:"costs,omitempty"` // what is lost without it
}

// Capability is one of capabilities(7).
type Capability struct {
	Name   string            `json:"name"`
	Status Status            `json:"status"`
	Held   bool              `json:"held"`
	Need   requirements.Need `json:"need"`         // of this process
	AsUser requirements.Need `json:"need_as_user"` // of one that is not root's
	For    string            `json:"for"`
	Costs  string            `json:"costs,omitempty"` // what is lost, where it is missing
}

// Examine loads and attaches what an agent with these options would, detaches it again, and
// reports.
func Examine(ctx context.Context, o kernel.Options, cgroupRoot string) (Report, error) {
	probe, failure := kernel.Try(ctx, o)
	r, err := Diagnose(probe, failure, cgroupRoot)
	r.AttachMode = o.Mode
	return r, err
}

// Diagnose reports on what loading and attaching came to. The error says that this host cannot be
// examined at all. cgroupRoot is where the host's cgroups are mounted, if the agent was told.
func Diagnose(probe kernel.Probe, failure error, cgroupRoot string) (Report, error) {
	h, err := readHost(os.DirFS("/").(fs.ReadLinkFS))
	if err != nil {
		return Report{}, err
	}
	if cgroupRoot != "" { // the host's own are there, whatever this namespace shows
		h.foreign = slices.DeleteFunc(h.foreign, func(name string) bool { return name == "cgroup" })
	}
	held, err := privileges.Effective()
	if err != nil {
		return Report{}, err
	}
	return report(examination{h, probe, held, failure}), nil
}

// examination is all that is known about a host.
type examination struct {
	host
	probe   kernel.Probe
	held    privileges.Set
	failure error // of loading and attaching: the agent cannot run
}

func (e examination) needs(c requirements.Capability) bool {
	return c.Need(e.probe.Situation) != requirements.Unneeded && !e.held.Serves(c)
}

func (e examination) lacks(name string) bool { return e.needs(requirements.Named(name)) }

func report(e examination) Report {
	r := Report{Kernel: e.release, Architecture: e.machine, Status: OK}
	for _, c := range requirements.Conditions() {
		f := examine[c.Name](e)
		f.Name = c.Name
		r.Host = append(r.Host, f)
	}
	r.Taps = examineTaps(e)
	for _, c := range requirements.Capabilities() {
		if c.OnlyTLS() && !e.probe.Situation.TLS {
			continue
		}
		r.Capabilities = append(r.Capabilities, e.capability(c))
	}
	r.summarize(e.failure)
	return r
}

const notTried = "not tried"

func examineTaps(e examination) []Tap {
	if len(e.probe.Taps) == 0 {
		var taps []Tap
		for _, t := range requirements.Taps() {
			taps = append(taps, Tap{Name: t.Name, Status: Fails, Mode: string(kernel.ModeNone), Error: notTried})
		}
		return taps
	}
	var taps []Tap
	for _, t := range e.probe.Taps {
		tap := Tap{Name: t.Name, Status: OK, Mode: t.Mode, Hooks: t.Hooks, Passed: t.Passed}
		if t.Err != nil {
			tap.Status, tap.Error, tap.Costs = Gap, t.Err.Error(), requirements.WithoutTap(t.Name)
			if e.failure != nil {
				tap.Status = Fails
			}
		}
		taps = append(taps, tap)
	}
	return taps
}

func (e examination) capability(c requirements.Capability) Capability {
	asUser := e.probe.Situation
	asUser.Root = false
	out := Capability{
		Name: c.Name, Status: OK, Held: e.held.Has(c), For: c.Purpose(e.probe.Situation),
		Need: c.Need(e.probe.Situation), AsUser: c.Need(asUser),
	}
	switch {
	case out.Need == requirements.Unneeded:
		out.Status = Unneeded
	case !e.held.Serves(c):
		out.Status, out.Costs = Gap, c.Costs(e.probe.Situation)
		if instead := c.Substitute(e.probe.Situation); instead != "" {
			out.Costs += " Instead: " + instead + "."
		}
		if out.Need == requirements.Required {
			out.Status = Fails
		}
	}
	return out
}

// Gaps returns what is missing, in a few words each.
func (r Report) Gaps() (gaps []string) {
	for _, t := range r.Taps {
		if t.Status == Gap {
			gaps = append(gaps, "no tap "+t.Name)
		}
	}
	for _, c := range r.Capabilities {
		if c.Status == Gap {
			gaps = append(gaps, "no "+c.Name)
		}
	}
	for _, f := range r.Host {
		switch {
		case f.Status != Gap || f.Problem == "":
		case f.Name == "preemption":
			gaps = append(gaps, "runs can be missed")
		default:
			gaps = append(gaps, f.Name+" "+f.Value)
		}
	}
	return gaps
}

func (r *Report) summarize(failure error) {
	attached := 0
	for _, t := range r.Taps {
		if t.Status == OK {
			attached++
		}
	}
	gaps := r.Gaps()
	switch {
	case failure != nil:
		r.Status = Fails
		r.Summary = "Cannot run: " + strings.Join(strings.Fields(failure.Error()), " ")
	case len(gaps) > 0:
		r.Status = Gap
		r.Summary = fmt.Sprintf("Works with gaps (%s): %d of %d taps can be attached.", strings.Join(gaps, ", "), attached, len(r.Taps))
	default:
		r.Summary = fmt.Sprintf("Works: all %d taps can be attached, and nothing is missing.", len(r.Taps))
	}
}

// Problems returns what is lost on this host but for taps, for the log of the agent.
func (r Report) Problems() (found []Finding) {
	for _, c := range r.Capabilities {
		if c.Status == Gap {
			found = append(found, Finding{Name: c.Name, Status: c.Status, Value: "missing", Problem: plain(c.Costs)})
		}
	}
	for _, f := range r.Host {
		if f.Status == Gap && f.Problem != "" {
			f.Problem = plain(f.Problem)
			found = append(found, f)
		}
	}
	return slices.Clip(found)
}

// plain takes the marks of Markdown off a text.
func plain(s string) string { return strings.TrimSpace(strings.ReplaceAll(s, "`", "")) }
