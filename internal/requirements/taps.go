package requirements

import "slices"

// Tap is a place in the kernel that Fathom hooks.
type Tap struct {
	Name string // as the kernel side calls it
	// Sees says what it tells, Without what the user lacks where it cannot be attached.
	Sees, Without string
}

var taps = []Tap{
	{
		"state", "connections open, fail to open, close, and sockets begin to listen",
		"`tcp_connections_opened_total` and `tcp_connect_failures_total` stand still. Connections are known from their first bytes on, as `joined`.",
	},
	{
		"destroyed", "sockets go",
		"`tcp_connections_closed_total` stands still, and what a connection's last moments brought is missing. Sweeps find its end: `fathom_lost_total{reason=\"missed_end\"}`.",
	},
	{
		"data_arrived", "bytes arrive at a socket",
		"Servers have neither `http_request_duration_seconds` nor `http_request_queue_seconds`. Their requests count as `fathom_lost_total{reason=\"no_arrival\"}`.",
	},
	{
		"data_written", "a process writes",
		"No HTTP metrics. TCP metrics remain; connections that a server accepted are named after their cgroup only.",
	},
	{
		"data_read", "a process reads",
		"No HTTP metrics. TCP metrics remain; connections that a server accepted are named after their cgroup only.",
	},
	{
		"retransmit", "a segment is sent again",
		"`tcp_retransmits_total` counts SYN-ACKs only.",
	},
	{
		"retransmit_synack", "a SYN-ACK is sent again",
		"`tcp_retransmits_total{kind=\"synack\"}` stands still.",
	},
	{
		"reset_received", "a reset is received",
		"`tcp_resets_total{direction=\"received\"}` stands still.",
	},
	{
		"reset_sent", "a reset is sent",
		"`tcp_resets_total{direction=\"sent\"}` stands still.",
	},
}

// Taps returns all taps, in the order in which they are attached.
func Taps() []Tap { return slices.Clone(taps) }

// WithoutTap says what the user lacks where a tap is not attached.
func WithoutTap(name string) string {
	for _, t := range taps {
		if t.Name == name {
			return t.Without
		}
	}
	return ""
}
