package kernel

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// batch is how many elements one system call moves.
const batch = 128

// array reads and writes a BPF array whose elements T mirrors. It is not mapped into memory,
// though the kernel would: all of it would count as resident, used or not.
type array[T any] struct{ m *ebpf.Map }

// each calls f for the elements from 0 to last. The kernel changes elements at any time, in
// words of 8 bytes: each number is whole, an element is not one moment's. The pointer
// is valid until f returns.
func (a array[T]) each(last int, f func(i uint32, v *T) error) error {
	n := min(batch, last+1)
	keys, values := make([]uint32, n), make([]T, n)
	var cursor ebpf.MapBatchCursor
	for {
		got, err := a.m.BatchLookup(&cursor, keys, values, nil)
		end := errors.Is(err, ebpf.ErrKeyNotExist) || err == nil && got == 0
		if err != nil && !end {
			return fmt.Errorf("read %s: %w", a.m, err)
		}
		for i := range got {
			if int(keys[i]) > last {
				return nil
			}
			if err := f(keys[i], &values[i]); err != nil {
				return err
			}
		}
		if end {
			return nil
		}
	}
}

func (a array[T]) read(i uint32) (v T, err error) {
	if err := a.m.Lookup(i, &v); err != nil {
		return v, fmt.Errorf("read element %d of %s: %w", i, a.m, err)
	}
	return v, nil
}

func (a array[T]) write(i uint32, v *T) error {
	if err := a.m.Update(i, v, ebpf.UpdateAny); err != nil {
		return fmt.Errorf("write element %d of %s: %w", i, a.m, err)
	}
	return nil
}

// clear zeroes the elements from 0 to last.
func (a array[T]) clear(last int) error {
	keys, values := make([]uint32, last+1), make([]T, last+1)
	for i := range keys {
		keys[i] = uint32(i)
	}
	if _, err := a.m.BatchUpdate(keys, values, nil); err != nil {
		return fmt.Errorf("clear %s: %w", a.m, err)
	}
	return nil
}

// arrays are those that user space reads at every scrape.
type arrays struct {
	workloads array[bpfWorkload]
	censuses  array[bpfCensus]
	queue     array[bpfHistogram]
	series    array[bpfHistogram]
	edges     array[bpfEdge]
	slots     array[bpfSlotCounts]
}

func arraysOf(o *bpfMaps) arrays {
	return arrays{
		workloads: array[bpfWorkload]{o.Workloads},
		censuses:  array[bpfCensus]{o.Censuses},
		queue:     array[bpfHistogram]{o.QueueSeries},
		series:    array[bpfHistogram]{o.Series},
		edges:     array[bpfEdge]{o.Edges},
		slots:     array[bpfSlotCounts]{o.SlotCounts},
	}
}

// lastUsed returns the highest slot of a table that was ever handed out, 0 if none.
func (a *arrays) lastUsed(table bpfTable, limit int) (int, error) {
	counts, err := a.slots.read(0)
	return min(int(counts.Fresh[table]), limit), err
}

// walk calls f for all entries of a hash map. The map may change meanwhile: an entry that is
// added or removed may or may not be seen.
func walk[K, V any](m *ebpf.Map, f func(K, V)) error {
	keys, values := make([]K, batch), make([]V, batch)
	var cursor ebpf.MapBatchCursor
	for {
		n, err := m.BatchLookup(&cursor, keys, values, nil)
		for i := range n {
			f(keys[i], values[i])
		}
		switch {
		case errors.Is(err, ebpf.ErrKeyNotExist):
			return nil
		case errors.Is(err, unix.ENOSPC):
			// One bucket of the hash holds more than a batch.
			keys, values = make([]K, 2*len(keys)), make([]V, 2*len(values))
		case err != nil:
			return fmt.Errorf("read %s: %w", m, err)
		}
	}
}

// entries reads all of a hash map.
func entries[K comparable, V any](m *ebpf.Map) (map[K]V, error) {
	out := make(map[K]V)
	err := walk(m, func(k K, v V) { out[k] = v })
	return out, err
}

// slots are the keys of an index by the slots that they name.
type slots[K any] []struct {
	key  K
	used bool
}

func readSlots[K any](index *ebpf.Map, last int) (slots[K], int, error) {
	s := make(slots[K], last+1)
	n := 0
	err := walk(index, func(key K, slot uint32) {
		if int(slot) < len(s) {
			s[slot].key, s[slot].used = key, true
			n++
		}
	})
	return s, n, err
}
