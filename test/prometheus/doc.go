// Package prometheus lets a real Prometheus scrape a real agent, asks it every query of the mixin and of the documents, and looks
// at the agent in other ways too: through its API, with `fathom top` in a pseudo-terminal, and
// beside the demonstration, whose callers measure the same. It needs the programs prometheus
// and promtool, Debian's and those that tools/prometheus pins, and permission to load BPF: `make prometheus` sees to all.
package prometheus
