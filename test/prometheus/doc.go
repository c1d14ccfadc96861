// Package prometheus lets a real Prometheus scrape a real agent, and looks at the agent in other ways too: through its API, and with
// `fathom top` in a pseudo-terminal. It needs the programs
// prometheus and promtool, and permission to load BPF: `make prometheus` sees to both.
package prometheus
