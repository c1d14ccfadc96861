package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The Accept headers of a Prometheus without and with native histograms.
const (
	acceptText     = "text/plain;version=0.0.4"
	acceptProtobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
)

// agent is the real thing: bin/fathom agent.
type agent struct {
	*child
	url    string
	client *http.Client
}

func (b *bench) startAgent(ctx context.Context, settings ...string) (*agent, error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	args := append([]string{"agent", "--web.listen-address=" + address}, settings...)
	a := &agent{url: "http://" + address, client: &http.Client{
		Timeout:   time.Minute,
		Transport: &http.Transport{DisableCompression: true},
	}}
	// Ended by stop.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), b.fathom, args...)
	if a.child, err = b.starter.start("fathom agent", cmd, anyCPU); err != nil {
		return nil, err
	}
	err = poll(ctx, a.child, func() error {
		_, err := a.get(ctx, "/readyz", "")
		return err
	})
	if err != nil {
		a.stop()
		return nil, err
	}
	return a, nil
}

func (a *agent) stop() {
	a.client.CloseIdleConnections()
	a.child.stop(syscall.SIGTERM)
}

func (a *agent) get(ctx context.Context, path, accept string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.url+path, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", accept)
	r, err := a.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err == nil && r.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", path, r.Status)
	}
	return body, err
}

// scrape returns the bytes of one scrape.
func (a *agent) scrape(ctx context.Context, accept string) ([]byte, error) {
	return a.get(ctx, "/metrics", accept)
}

// metric is one line of the text format.
type metric struct {
	labels map[string]string
	value  float64
}

// metrics scrapes the lines of one name.
func (a *agent) metrics(ctx context.Context, name string) ([]metric, error) {
	body, err := a.scrape(ctx, acceptText)
	if err != nil {
		return nil, err
	}
	return parseMetrics(string(body), name)
}

// parseMetrics returns the lines of one name in the text format. It is no parser for
// every exposition: label values here have neither quotes nor commas.
func parseMetrics(text, name string) ([]metric, error) {
	var out []metric
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), name)
		if !ok || rest == "" || rest[0] != '{' && rest[0] != ' ' {
			continue
		}
		m := metric{labels: make(map[string]string)}
		inner, value, ok := strings.Cut(strings.TrimPrefix(rest, "{"), "} ")
		if !ok {
			inner, value = "", rest
		}
		for pair := range strings.SplitSeq(inner, ",") {
			if key, quoted, ok := strings.Cut(pair, "="); ok {
				m.labels[key] = strings.Trim(quoted, `"`)
			}
		}
		var err error
		if m.value, err = strconv.ParseFloat(strings.TrimSpace(value), 64); err != nil {
			return nil, errors.Join(fmt.Errorf("metric %s", name), err)
		}
		out = append(out, m)
	}
	return out, nil
}

// sumBy adds up values by one label.
func sumBy(metrics []metric, label string) map[string]float64 {
	out := make(map[string]float64)
	for _, m := range metrics {
		out[m.labels[label]] += m.value
	}
	return out
}
