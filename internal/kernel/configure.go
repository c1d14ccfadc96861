package kernel

import (
	"fmt"
	"math"
	"time"

	"github.com/cilium/ebpf"
)

// workloadsPerQueue is how many workloads there may be for each that serves a protocol other than HTTP/1: see queue_others in
// bpf/maps.h.
const workloadsPerQueue = 8

// streamsPerPage is HTTP2_PLACES of bpf/types.h: what a connection takes of [Options.MaxStreams] at a time.
const streamsPerPage = 64

// streamPages is how many times there is room for as many.
func (o *Options) streamPages() int { return (o.MaxStreams + streamsPerPage - 1) / streamsPerPage }

// sizeMaps gives the maps the sizes of the options.
func sizeMaps(spec *ebpf.CollectionSpec, o Options, f *facts) error {
	sizes := map[string]int{
		"conn_index": o.MaxConnections, "conns": o.MaxConnections + 1, "conn_free": o.MaxConnections,
		"workload_index": o.MaxWorkloads, "workloads": o.MaxWorkloads + 1, "workload_free": o.MaxWorkloads,
		"censuses": o.MaxWorkloads + 1, "queue_series": o.MaxWorkloads + 1, "queue_others": max(o.MaxWorkloads/workloadsPerQueue, 1),
		"series_index": o.MaxSeries, "series": o.MaxSeries + int(bpfProtocolPROTOCOL_COUNT-bpfProtocolPROTOCOL_HTTP1), "series_free": o.MaxSeries,
		"edge_index": o.MaxPeers, "edges": o.MaxPeers + 1, "edge_free": o.MaxPeers,
		"coverage":    4 * o.MaxWorkloads,
		"http2_conns": o.MaxHTTP2Connections + 1, "http2_free": o.MaxHTTP2Connections,
		"http2_streams": o.streamPages() + 1, "http2_streams_free": o.streamPages(),
	}
	if o.TLS {
		sizes["tls_calls"], sizes["tls_sessions"], sizes["tls_processes"] = o.MaxTLSCallers, o.MaxConnections, tlsProcesses
		sizes["tls_hellos"], sizes["tls_shaking"] = tlsHandshakes, tlsHandshakes
		sizes["tls_libraries"] = tlsLibraries
	}
	if f.fetchingAtomics {
		sizes["claims"] = 1 // unused
	}
	for name, entries := range sizes {
		m, ok := spec.Maps[name]
		if !ok {
			return fmt.Errorf("no map %s in the BPF object", name)
		}
		m.MaxEntries = uint32(entries)
	}
	return nil
}

// setConstants sets what the programs take for constant.
func setConstants(spec *ebpf.CollectionSpec, o Options, bounds [256]uint64, f *facts) error {
	for name, value := range map[string]any{
		"direct_loads":            f.readOnlyCast,
		"reads_tls":               o.TLS,
		"fetching_atomics":        f.fetchingAtomics,
		"retransmit_tells_error":  f.retransmitError,
		"settle_after_ns":         uint64(o.SettleAfter),
		"ask_again_ns":            uint64(o.TLSAskAgain),
		"max_connections":         uint32(o.MaxConnections),
		"max_workloads":           uint32(o.MaxWorkloads),
		"max_series":              uint32(o.MaxSeries),
		"max_series_per_workload": uint32(o.MaxSeriesPerWorkload),
		"max_edges":               uint32(o.MaxPeers),
		"max_edges_per_workload":  uint32(o.MaxPeersPerWorkload),
		"max_http2_connections":   uint32(o.MaxHTTP2Connections),
		"max_http2_pages":         uint32(o.streamPages()),
		"bounds":                  bounds,
	} {
		v, ok := spec.Variables[name]
		if !ok {
			if o.Object != nil {
				continue
			}
			return fmt.Errorf("no constant %s in the BPF object", name)
		}
		if err := v.Set(value); err != nil {
			return fmt.Errorf("set constant %s: %w", name, err)
		}
	}
	return nil
}

// boundsOf returns the bounds as the programs search them: all 256 of the binary search.
func boundsOf(upper []time.Duration) [256]uint64 {
	var bounds [256]uint64
	for i := range bounds {
		bounds[i] = math.MaxInt64
	}
	for i, b := range upper {
		bounds[i] = uint64(b)
	}
	return bounds
}
