// Package prometheus lets a real Prometheus scrape a real agent. It needs the programs
// prometheus and promtool, and permission to load BPF: `make prometheus` sees to both.
package prometheus
