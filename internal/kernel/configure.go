package kernel

import (
	"fmt"
	"math"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

// configure sizes the maps and sets the programs' constants.
func (k *Kernel) configure(spec *ebpf.CollectionSpec, cache *btf.Cache) error {
	o := k.options
	for name, entries := range map[string]int{
		"conn_index": o.MaxConnections, "conns": o.MaxConnections + 1, "conn_free": o.MaxConnections,
		"workload_index": o.MaxWorkloads, "workloads": o.MaxWorkloads + 1, "workload_free": o.MaxWorkloads,
		"censuses": o.MaxWorkloads + 1, "queue_series": o.MaxWorkloads + 1,
		"series_index": o.MaxSeries, "series": o.MaxSeries + 1, "series_free": o.MaxSeries,
		"edge_index": o.MaxPeers, "edges": o.MaxPeers + 1, "edge_free": o.MaxPeers,
		"coverage": 4 * o.MaxWorkloads,
	} {
		m, ok := spec.Maps[name]
		if !ok {
			return fmt.Errorf("no map %s in the BPF object", name)
		}
		m.MaxEntries = uint32(entries)
	}
	types, err := kernelTypes(cache)
	if err != nil {
		return err
	}
	var bounds [256]uint64
	for i := range bounds {
		bounds[i] = math.MaxInt64
	}
	for i, b := range k.upper {
		bounds[i] = uint64(b)
	}
	for name, value := range map[string]any{
		"direct_loads":            hasReadOnlyCast(types),
		"retransmit_tells_error":  tellsRetransmitError(types),
		"settle_after_ns":         uint64(o.SettleAfter),
		"max_connections":         uint32(o.MaxConnections),
		"max_workloads":           uint32(o.MaxWorkloads),
		"max_series":              uint32(o.MaxSeries),
		"max_series_per_workload": uint32(o.MaxSeriesPerWorkload),
		"max_edges":               uint32(o.MaxPeers),
		"max_edges_per_workload":  uint32(o.MaxPeersPerWorkload),
		"bounds":                  bounds,
	} {
		v, ok := spec.Variables[name]
		if !ok {
			return fmt.Errorf("no constant %s in the BPF object", name)
		}
		if err := v.Set(value); err != nil {
			return fmt.Errorf("set constant %s: %w", name, err)
		}
	}
	return nil
}

func kernelTypes(cache *btf.Cache) (*btf.Spec, error) {
	types, err := cache.Kernel()
	switch {
	case os.IsPermission(err):
		return nil, fmt.Errorf("read the kernel's BTF (/sys/kernel/btf/vmlinux): %w: run as root, or with CAP_BPF and CAP_PERFMON", ErrPermission)
	case err != nil:
		return nil, fmt.Errorf("read the kernel's BTF (/sys/kernel/btf/vmlinux): %w: a kernel with CONFIG_DEBUG_INFO_BTF is needed: %w", ErrUnsupported, err)
	}
	return types, nil
}

// hasReadOnlyCast tells whether the kernel has the kfunc bpf_rdonly_cast (6.2), by which
// programs read kernel memory with plain loads.
func hasReadOnlyCast(types *btf.Spec) bool {
	var f *btf.Func
	return types.TypeByName("bpf_rdonly_cast", &f) == nil
}

// tellsRetransmitError tells whether the tracepoint tcp_retransmit_skb has a third argument,
// the error; its type has the probe's data as one more in front.
func tellsRetransmitError(types *btf.Spec) bool {
	var t *btf.Typedef
	if types.TypeByName("btf_trace_tcp_retransmit_skb", &t) != nil {
		return false
	}
	p, ok := t.Type.(*btf.Pointer)
	if !ok {
		return false
	}
	f, ok := p.Target.(*btf.FuncProto)
	return ok && len(f.Params) == 4
}
