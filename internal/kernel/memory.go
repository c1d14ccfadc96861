package kernel

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/cilium/ebpf"
)

// array is a BPF array that is mapped into our memory: reading it costs no system call.
// T mirrors the C type of its elements.
type array[T any] struct {
	memory *ebpf.Memory
	stride int64
	length int
}

func mapArray[T any](m *ebpf.Map) (array[T], error) {
	memory, err := m.Memory()
	if err != nil {
		return array[T]{}, fmt.Errorf("map %s into memory: %w", m, err)
	}
	var zero T
	size := int64(unsafe.Sizeof(zero))
	if int64(m.ValueSize()) != size {
		return array[T]{}, fmt.Errorf("%s has values of %d bytes, not %d", m, m.ValueSize(), size)
	}
	return array[T]{memory, (size + 7) &^ 7, int(m.MaxEntries())}, nil
}

// read copies element i into out. The kernel changes elements at any time, in words of
// 8 bytes: each number is whole, the whole is not one moment's.
func (a array[T]) read(i uint32, out *T) error {
	if int(i) >= a.length {
		return fmt.Errorf("element %d of %d", i, a.length)
	}
	_, err := a.memory.ReadAt(bytesOf(out), int64(i)*a.stride)
	return err
}

func (a array[T]) write(i uint32, in *T) error {
	if int(i) >= a.length {
		return fmt.Errorf("element %d of %d", i, a.length)
	}
	_, err := a.memory.WriteAt(bytesOf(in), int64(i)*a.stride)
	return err
}

// clear zeroes the elements from 0 to n-1.
func (a array[T]) clear(n int) error {
	zeros := make([]byte, min(n, a.length)*int(a.stride))
	_, err := a.memory.WriteAt(zeros, 0)
	return err
}

func bytesOf[T any](v *T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v))
}

// memories are the arrays that user space reads at every scrape.
type memories struct {
	workloads array[bpfWorkload]
	censuses  array[bpfCensus]
	queue     array[bpfHistogram]
	series    array[bpfHistogram]
	edges     array[bpfEdge]
	fresh     array[bpfFreshSlots]
}

func mapMemories(o *bpfObjects) (memories, error) {
	var m memories
	var errs [6]error
	m.workloads, errs[0] = mapArray[bpfWorkload](o.Workloads)
	m.censuses, errs[1] = mapArray[bpfCensus](o.Censuses)
	m.queue, errs[2] = mapArray[bpfHistogram](o.QueueSeries)
	m.series, errs[3] = mapArray[bpfHistogram](o.Series)
	m.edges, errs[4] = mapArray[bpfEdge](o.Edges)
	m.fresh, errs[5] = mapArray[bpfFreshSlots](o.Fresh)
	return m, errors.Join(errs[:]...)
}

// used returns how many slots of a table were ever handed out.
func (m *memories) used(table bpfTable) (int, error) {
	var f bpfFreshSlots
	err := m.fresh.read(0, &f)
	return int(f.Next[table]), err
}

// entries reads all of a hash map, in batches.
func entries[K comparable, V any](m *ebpf.Map) (map[K]V, error) {
	const batch = 512
	out := make(map[K]V)
	keys, values := make([]K, batch), make([]V, batch)
	var cursor ebpf.MapBatchCursor
	for {
		n, err := m.BatchLookup(&cursor, keys, values, nil)
		for i := range n {
			out[keys[i]] = values[i]
		}
		switch {
		case errors.Is(err, ebpf.ErrKeyNotExist):
			return out, nil
		case err != nil:
			return nil, fmt.Errorf("read %s: %w", m, err)
		}
	}
}
