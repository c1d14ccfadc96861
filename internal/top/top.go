package top

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	tea "charm.land/bubbletea/v2"
)

// Options configure [Run].
type Options struct {
	Source *Source
	// Window is the part of the past that the numbers are of.
	Window time.Duration
	// Interval is the time between two questions.
	Interval time.Duration
	// Sort is a name of [Columns], with - before it in the opposite order.
	Sort string
	// Once: print a table and end.
	Once bool
	// JSON: print a [Report] in place of a table: one, or one per line and interval.
	JSON bool
	// Terminal tells whether Output is one.
	Terminal bool
	Input    io.Reader
	Output   io.Writer
	// Errors receives what goes wrong while JSON is printed, and about agents that do not answer.
	Errors io.Writer
}

// ErrNoTerminal means that there is nothing to draw on.
var ErrNoTerminal = errors.New("standard output is no terminal: use --once for a table, or --json")

// Run shows the workloads until ctx ends or the user ends it, or once.
func Run(ctx context.Context, o Options) error {
	order, err := parseOrder(o.Sort)
	if err != nil {
		return err
	}
	switch {
	case o.Once:
		return once(ctx, o, order)
	case o.JSON:
		return stream(ctx, o, order)
	case !o.Terminal:
		return ErrNoTerminal
	}
	program := tea.NewProgram(newModel(ctx, o, order),
		tea.WithContext(ctx), tea.WithInput(o.Input), tea.WithOutput(o.Output), tea.WithoutSignalHandler())
	_, err = program.Run()
	if errors.Is(err, tea.ErrProgramKilled) && ctx.Err() != nil {
		err = nil // asked to end
	}
	return err
}

// report asks and sorts.
func report(ctx context.Context, o Options, by order) (*Report, error) {
	r, err := o.Source.Overview(ctx, o.Window)
	if err != nil {
		return nil, err
	}
	by.sort(r.Workloads)
	return r, nil
}

// once prints one report.
func once(ctx context.Context, o Options, by order) error {
	r, err := report(ctx, o, by)
	if err != nil {
		return err
	}
	if o.JSON {
		encoder := json.NewEncoder(o.Output)
		encoder.SetIndent("", "  ")
		return encoder.Encode(r)
	}
	for _, a := range r.Agents {
		if a.Error != "" {
			_, _ = fmt.Fprintf(o.Errors, "fathom: the agent %s on %s does not answer: %s\n", a.Pod, a.Node, a.Error)
		}
		if a.NotShown > 0 {
			_, _ = fmt.Fprintf(o.Errors, "fathom: %d workloads on %s are not shown, as the history is full; /metrics has them\n", a.NotShown, a.Node)
		}
	}
	if len(r.Workloads) == 0 {
		_, _ = fmt.Fprintln(o.Errors, "fathom: no workload had a TCP connection yet")
	}
	return newTable(r.Workloads, 0, false, by.column).writeText(o.Output)
}

// stream prints a report per interval. Failures are told and do not end it.
func stream(ctx context.Context, o Options, by order) error {
	encoder := json.NewEncoder(o.Output)
	ticker := time.NewTicker(o.Interval)
	defer ticker.Stop()
	for {
		r, err := report(ctx, o, by)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			_, _ = fmt.Fprintf(o.Errors, "fathom: %s\n", oneLine(err))
		default:
			if err := encoder.Encode(r); err != nil {
				return fmt.Errorf("print: %w", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}
