package kernel

import (
	"fmt"

	"github.com/cilium/ebpf"
)

// sweepSlice is SWEEP_SLICE of bpf/sweep.bpf.c: connections looked at in one run.
const sweepSlice = 256

// Sweep settles exchanges whose end is not known and that have paused for Options.SettleAfter, samples the
// TCP counters of live connections and evicts dead ones. The owner calls it
// every second or two; [Kernel.Snapshot] sweeps too.
func (k *Kernel) Sweep() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.sweepLocked()
}

func (k *Kernel) sweepLocked() error {
	if err := k.clearCensuses(); err != nil {
		return err
	}
	for first := 1; first <= k.options.MaxConnections; first += sweepSlice {
		more, err := k.sweep.Run(&ebpf.RunOptions{Context: []uint64{uint64(first)}})
		if err != nil {
			return fmt.Errorf("sweep the connections: %w", err)
		}
		if more == 0 {
			break
		}
	}
	return nil
}

// clearCensuses prepares for the counting of the workloads' connections.
func (k *Kernel) clearCensuses() error {
	if k.options.Object != nil {
		return clearWhole(k.objects.Censuses, int(k.objects.Censuses.MaxEntries()))
	}
	workloads, err := k.arrays.lastUsed(bpfTableTABLE_WORKLOADS, k.options.MaxWorkloads)
	if err != nil {
		return err
	}
	return k.arrays.censuses.clear(workloads)
}
