// Package top shows in a terminal what the agents of a host or of a cluster keep of the last minutes: `fathom top`.
package top

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fathomhq/fathom/internal/history"
)

const (
	// atOnce bounds the agents that are asked at one time.
	atOnce = 16
	// patience is how long one agent may take.
	patience = 5 * time.Second
	// MaxAnswer bounds an answer, in bytes. One with all workloads that there may be has some 3 MB.
	MaxAnswer = 16 << 20
)

// Endpoint is an agent that can be asked.
type Endpoint struct {
	// Node and Pod say where it runs; empty if that is not known before it answers.
	Node, Pod string
	// Get returns the answer to a path with a query. It reads MaxAnswer bytes at most.
	Get func(ctx context.Context, path string, query url.Values) ([]byte, error)
}

// Source is where the numbers come from. Its methods may be called concurrently.
type Source struct {
	// Name is shown: an address or a cluster's name.
	Name string
	// Find returns the agents.
	Find func(context.Context) ([]Endpoint, error)
	// Namespace chooses workloads; empty: all.
	Namespace string
	// Cluster: there may be more than one agent, and rows say of which node they are.
	Cluster bool
}

// Report is what `fathom top --json` prints.
type Report struct {
	// Time is when the newest sample was taken, in Unix seconds.
	Time float64 `json:"time"`
	// WindowSeconds is the longest time that any agent's numbers cover.
	WindowSeconds float64 `json:"window_seconds"`
	// Agents are those that were asked.
	Agents []Agent `json:"agents"`
	// Workloads are sorted as asked for.
	Workloads []Row `json:"workloads"`
}

// Agent is one that was asked.
type Agent struct {
	Node string `json:"node"`
	Pod  string `json:"pod"`
	// Error says why it did not answer; empty if it did.
	Error string `json:"error"`
	// NotShown are workloads that its history has no room for.
	NotShown int `json:"not_shown"`
}

// Row is a workload on a node.
type Row struct {
	Node string `json:"node"`
	history.Workload
	agent string // Pod of the Endpoint
}

// key identifies a row from one report to the next.
func (r *Row) key() string { return r.Node + "/" + r.ID }

// failed tells how many agents did not answer.
func (r *Report) failed() (n int) {
	for _, a := range r.Agents {
		if a.Error != "" {
			n++
		}
	}
	return n
}

// Overview asks all agents. It fails if none answers.
func (s *Source) Overview(ctx context.Context, window time.Duration) (*Report, error) {
	answers, err := ask[history.Workloads](ctx, s, history.WorkloadsPath, windowQuery(window))
	if err != nil {
		return nil, err
	}
	r := &Report{Agents: []Agent{}, Workloads: []Row{}}
	for _, a := range answers {
		agent := Agent{Node: a.node, Pod: a.pod}
		if a.err != nil {
			agent.Error = oneLine(a.err)
			r.Agents = append(r.Agents, agent)
			continue
		}
		agent.NotShown = a.body.History.NotShown
		r.Agents = append(r.Agents, agent)
		r.Time, r.WindowSeconds = max(r.Time, a.body.Time), max(r.WindowSeconds, a.body.WindowSeconds)
		for _, w := range a.body.Workloads {
			if s.Namespace == "" || w.Namespace == s.Namespace {
				r.Workloads = append(r.Workloads, Row{Node: a.node, Workload: w, agent: a.pod})
			}
		}
	}
	return r, nil
}

// Details asks the agent of one row.
func (s *Source) Details(ctx context.Context, row *Row, window time.Duration) (*history.WorkloadDetails, error) {
	agents, err := s.Find(ctx)
	if err != nil {
		return nil, err
	}
	for _, a := range agents {
		if a.Node != "" && a.Node != row.Node || a.Pod != row.agent {
			continue
		}
		query := windowQuery(window)
		query.Set("id", row.ID)
		return get[history.WorkloadDetails](ctx, a, history.WorkloadPath, query)
	}
	return nil, fmt.Errorf("there is no agent on the node %s any more", row.Node)
}

// Coverage asks all agents. Those that did not answer are left out; it fails if none did.
func (s *Source) Coverage(ctx context.Context, window time.Duration) ([]*history.CoverageReport, error) {
	answers, err := ask[history.CoverageReport](ctx, s, history.CoveragePath, windowQuery(window))
	if err != nil {
		return nil, err
	}
	var reports []*history.CoverageReport
	for _, a := range answers {
		if a.err == nil {
			a.body.Node = a.node
			reports = append(reports, a.body)
		}
	}
	return reports, nil
}

func windowQuery(window time.Duration) url.Values { return url.Values{"window": {window.String()}} }

// answer is what one agent said.
type answer[T any] struct {
	node, pod string
	body      *T
	err       error
}

// ask asks all agents. It fails if no agent can be found, or none answers.
func ask[T any](ctx context.Context, s *Source, path string, query url.Values) ([]answer[T], error) {
	agents, err := s.Find(ctx)
	if err != nil {
		return nil, err
	}
	answers := make([]answer[T], len(agents))
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i, a := range agents {
		group.Go(func() error {
			body, err := get[T](ctx, a, path, query)
			answers[i] = answer[T]{a.Node, a.Pod, body, err}
			if err == nil && a.Node == "" {
				answers[i].node = head(body).Node
			}
			return nil
		})
	}
	_ = group.Wait() // errors are in the answers
	var errs []error
	for _, a := range answers {
		if a.err == nil {
			return answers, nil
		}
		errs = append(errs, a.err)
	}
	if len(errs) > 1 {
		return nil, fmt.Errorf("none of %d agents answers, the first one: %w", len(errs), errs[0])
	}
	return nil, errors.Join(errs...)
}

// head returns the beginning of an answer.
func head(body any) history.Head {
	switch b := body.(type) {
	case *history.Workloads:
		return b.Head
	case *history.CoverageReport:
		return b.Head
	}
	return history.Head{}
}

// get asks one agent.
func get[T any](ctx context.Context, a Endpoint, path string, query url.Values) (*T, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	data, err := a.Get(ctx, path, query)
	if err != nil {
		return nil, err
	}
	body := new(T)
	if err := json.Unmarshal(data, body); err != nil {
		return nil, fmt.Errorf("the answer is not that of a Fathom agent: %w", err)
	}
	return body, nil
}

// oneLine makes one line of an error.
func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
