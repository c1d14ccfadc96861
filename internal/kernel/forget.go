package kernel

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/fathomhq/fathom/internal/protocol"
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
	for slot, key := range k.strays {
		if !dead[key.Workload] {
			continue
		}
		if err := errors.Join(k.arrays.edges.write(slot, new(bpfEdge)), o.EdgeFree.Update(nil, slot, ebpf.UpdateAny)); err != nil {
			return fmt.Errorf("release a peer: %w", err)
		}
		delete(k.strays, slot)
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
		for _, p := range protocol.All() {
			key := bpfQueueKey{Workload: id, Protocol: p.Number()}
			if err := o.QueueOthers.Delete(key); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
				return fmt.Errorf("forget how long requests waited: %w", err)
			}
		}
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

// EdgeID names an edge without overflow.
type EdgeID struct {
	Workload WorkloadID
	Role     Role
	Peer     netip.AddrPort // as in [Edge]
}

// ForgetPeers releases edges, and the client's series with the same peer, so that others find room. Those which
// have connections are kept; ForgetPeers returns the edges that it released. The caller folds their last values
// into its own state first.
func (k *Kernel) ForgetPeers(ids []EdgeID) ([]EdgeID, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	unused, err := k.unconnected(k.slotsOf(ids))
	if err != nil {
		return nil, err
	}
	for slot, key := range unused {
		if _, ok := k.strays[slot]; ok {
			continue
		}
		if err := k.objects.EdgeIndex.Delete(key); err != nil {
			return nil, fmt.Errorf("forget a peer: %w", err)
		}
	}
	// From here on no new connection finds these edges. Those that found one just before are seen by this sweep.
	dead, err := k.unconnected(unused)
	if err != nil {
		return nil, err
	}
	for slot, key := range unused {
		if _, ok := dead[slot]; ok {
			delete(k.strays, slot)
			continue
		}
		if err := k.objects.EdgeIndex.Update(key, slot, ebpf.UpdateNoExist); err != nil {
			k.strays[slot] = key // the peer has another edge by now, or there is no room
		}
	}
	var released []EdgeID
	for _, key := range dead {
		released = append(released, edgeID(key))
	}
	return released, k.releasePeers(dead)
}

// slotsOf finds the slots of edges.
func (k *Kernel) slotsOf(ids []EdgeID) map[uint32]bpfEdgeKey {
	found := make(map[uint32]bpfEdgeKey, len(ids))
	wanted := make(map[bpfEdgeKey]bool, len(ids))
	for _, id := range ids {
		key := bpfEdgeKey{Workload: uint32(id.Workload), Role: uint8(id.Role), Port: id.Peer.Port(), Addr: id.Peer.Addr().As16()}
		wanted[key] = true
		var slot uint32
		if err := k.objects.EdgeIndex.Lookup(key, &slot); err == nil {
			found[slot] = key
		}
	}
	for slot, key := range k.strays {
		if wanted[key] {
			found[slot] = key
		}
	}
	return found
}

func edgeID(key bpfEdgeKey) EdgeID {
	return EdgeID{WorkloadID(key.Workload), Role(key.Role), address(key.Addr, key.Port)}
}

// unconnected sweeps and returns the edges of which no connection was found.
func (k *Kernel) unconnected(edges map[uint32]bpfEdgeKey) (map[uint32]bpfEdgeKey, error) {
	if len(edges) == 0 {
		return nil, nil
	}
	var began unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &began); err != nil {
		return nil, fmt.Errorf("read the monotonic clock: %w", err)
	}
	if err := k.sweepLocked(); err != nil {
		return nil, err
	}
	unused := make(map[uint32]bpfEdgeKey)
	for slot, key := range edges {
		e, err := k.arrays.edges.read(slot)
		if err != nil {
			return nil, err
		}
		if e.Connected < uint64(began.Nano()) {
			unused[slot] = key
		}
	}
	return unused, nil
}

// releasePeers gives back edges that nothing leads to, and the series of their peers.
func (k *Kernel) releasePeers(dead map[uint32]bpfEdgeKey) error {
	type room struct{ edges, series uint64 }
	rooms := make(map[uint32]*room)
	of := func(workload uint32) *room {
		if rooms[workload] == nil {
			rooms[workload] = new(room)
		}
		return rooms[workload]
	}
	o := &k.objects
	err := releaseSlots(o.SeriesIndex, o.SeriesFree, k.arrays.series, func(key bpfSeriesKey) bool {
		_, ok := dead[key.Peer]
		if ok = ok && key.Flags&seriesClient != 0 && key.Flags&seriesOverflow == 0; ok {
			of(key.Workload).series++
		}
		return ok
	})
	for slot, key := range dead {
		of(key.Workload).edges++
		err = errors.Join(err, k.arrays.edges.write(slot, new(bpfEdge)), o.EdgeFree.Update(nil, slot, ebpf.UpdateAny))
	}
	for workload, r := range rooms {
		_, runErr := k.giveBack.Run(&ebpf.RunOptions{Context: []uint64{uint64(workload), r.edges, r.series}})
		err = errors.Join(err, runErr)
	}
	if err != nil {
		return fmt.Errorf("release peers: %w", err)
	}
	return nil
}
