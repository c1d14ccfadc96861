package kernel

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
)

// Forget releases workloads: their series, edges and coverage. Those which
// still have connections are kept; Forget returns the ids that it released.
// The caller folds their last values into its own state first.
func (k *Kernel) Forget(ids []WorkloadID) ([]WorkloadID, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	dead := make(map[uint32]bool)
	for _, id := range ids {
		if err := k.unlist(uint32(id)); err != nil {
			return nil, err
		}
		dead[uint32(id)] = true
	}
	// From here on no new connection finds these workloads. Those that found one just
	// before are seen by this sweep.
	if err := k.sweepLocked(); err != nil {
		return nil, err
	}
	var released []WorkloadID
	for _, id := range ids {
		census, err := k.arrays.censuses.read(uint32(id))
		if err != nil {
			return nil, err
		}
		if census.Connections > 0 {
			delete(dead, uint32(id))
			if err := k.list(uint32(id)); err != nil {
				return nil, err
			}
			continue
		}
		released = append(released, id)
	}
	return released, k.release(dead)
}

// unlist makes a workload's id unknown to new connections.
func (k *Kernel) unlist(id uint32) error {
	w, err := k.arrays.workloads.read(id)
	if err != nil {
		return err
	}
	if w.Used == 0 {
		return nil
	}
	if err := k.objects.WorkloadIndex.Delete(w.Key); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return fmt.Errorf("forget workload %d: %w", id, err)
	}
	return nil
}

// list undoes unlist, unless the workload got a new id meanwhile: then the old one lives on
// as long as its connections do.
func (k *Kernel) list(id uint32) error {
	w, err := k.arrays.workloads.read(id)
	if err != nil {
		return err
	}
	err = k.objects.WorkloadIndex.Update(w.Key, id, ebpf.UpdateNoExist)
	if err != nil && !errors.Is(err, ebpf.ErrKeyExist) {
		return fmt.Errorf("keep workload %d: %w", id, err)
	}
	return nil
}

// release gives back everything that belongs to dead workloads, cleared.
func (k *Kernel) release(dead map[uint32]bool) error {
	o := &k.objects
	if err := releaseSlots(o.SeriesIndex, o.SeriesFree, k.arrays.series,
		func(key bpfSeriesKey) bool { return dead[key.Workload] }); err != nil {
		return err
	}
	if err := releaseSlots(o.EdgeIndex, o.EdgeFree, k.arrays.edges,
		func(key bpfEdgeKey) bool { return dead[key.Workload] }); err != nil {
		return err
	}
	covered, err := entries[bpfCoverageKey, bpfCovered](o.Coverage)
	if err != nil {
		return err
	}
	for key := range covered {
		if dead[key.Workload] {
			if err := o.Coverage.Delete(key); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
				return fmt.Errorf("forget coverage: %w", err)
			}
		}
	}
	for id := range dead {
		if err := errors.Join(
			k.arrays.queue.write(id, new(bpfHistogram)),
			k.arrays.workloads.write(id, new(bpfWorkload)),
			o.WorkloadFree.Update(nil, id, ebpf.UpdateAny),
		); err != nil {
			return fmt.Errorf("release workload %d: %w", id, err)
		}
	}
	return nil
}

// releaseSlots removes the keys that are dead from an index and gives their slots back.
func releaseSlots[K comparable, V any](index, free *ebpf.Map, values array[V], isDead func(K) bool) error {
	all, err := entries[K, uint32](index)
	if err != nil {
		return err
	}
	for key, slot := range all {
		if !isDead(key) {
			continue
		}
		if err := index.Delete(key); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("release a slot of %s: %w", index, err)
		}
		if err := values.write(slot, new(V)); err != nil {
			return err
		}
		if err := free.Update(nil, slot, ebpf.UpdateAny); err != nil {
			return fmt.Errorf("release a slot of %s: %w", index, err)
		}
	}
	return nil
}
