// Package prometheus lets a real Prometheus scrape a real agent, and asks it every query of the mixin and of the documents.
// It needs the programs prometheus and promtool, Debian's and those that tools/prometheus pins, and permission to load
// BPF: `make prometheus` sees to all.
package prometheus
