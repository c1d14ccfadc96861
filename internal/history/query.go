package history

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// query is what a request asks for.
type query struct {
	window time.Duration
	id     string
}

const (
	overviewWindow = time.Minute // by default
	maxQuery       = 256         // bytes of a query
)

// parseQuery reads the query of a request, which may have the given parameters.
func parseQuery(raw string, window time.Duration, parameters ...string) (query, error) {
	q := query{window: window}
	if len(raw) > maxQuery {
		return q, fmt.Errorf("the query has %d bytes, more than %d", len(raw), maxQuery)
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return q, fmt.Errorf("cannot read the query: %w", err)
	}
	for name, given := range values {
		if !slices.Contains(parameters, name) {
			return q, fmt.Errorf("unknown parameter %q; known are: %s", name, strings.Join(parameters, ", "))
		}
		if len(given) > 1 {
			return q, fmt.Errorf("the parameter %s is given %d times", name, len(given))
		}
		switch name {
		case "window":
			if q.window, err = parseWindow(given[0]); err != nil {
				return q, err
			}
		case "id":
			q.id = given[0]
		}
	}
	if slices.Contains(parameters, "id") && q.id == "" {
		return q, errors.New("the parameter id is missing: take one from /api/v1/workloads")
	}
	return q, nil
}

// parseWindow reads a duration. Those that Go and Prometheus both know are enough: 90s, 5m, 1m30s.
func parseWindow(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("window %q is not a duration as 90s or 5m", text)
	}
	if d < Interval || d > Span {
		return 0, fmt.Errorf("window %s is not between %s and %s", text, Interval, Span)
	}
	return d, nil
}
