package history

import (
	"crypto/sha256"
	"encoding/hex"
	"hash/maphash"
	"net/netip"

	"github.com/fathomhq/fathom/internal/metrics"
	"github.com/fathomhq/fathom/internal/protocol"
	"github.com/fathomhq/fathom/internal/workload"
)

// track is a workload of the history.
type track struct {
	ref    uint32 // in frames
	id     string
	labels workload.Labels
	chosen map[string]string
	seen   uint64 // the last sample at which the metrics showed it
	held   uint64 // the last sample with a record of it

	served    series[metrics.Request]
	made      series[metrics.Request]
	queue     series[*protocol.Protocol]
	edges     series[metrics.Connections]
	coverage  series[metrics.Class]
	bytes     series[metrics.Class]
	listeners series[netip.AddrPort]
	asked     series[asked] // what ofMadeLatency is by

	active [2]uint64 // by position in ofActive, at the last sample
	oldest [2]uint64 // nanoseconds

	pending []byte // its record of this sample
}

// asked is whom a workload asks in a protocol.
type asked struct {
	protocol *protocol.Protocol
	peer     metrics.Peer
}

// idOf returns the id that stands for labels.
func idOf(l workload.Labels) string {
	h := sha256.New()
	for _, s := range []string{l.Namespace, l.Workload, l.Kind, l.Pod, l.Container, l.Chosen} {
		h.Write([]byte(s))
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil)[:idBytes])
}

// idBytes makes it hard enough to find labels that have the id of others.
const idBytes = 12

// lists are all series of a workload.
func (t *track) lists() []list {
	return []list{&t.served, &t.made, &t.queue, &t.edges, &t.coverage, &t.bytes, &t.listeners, &t.asked}
}

// list is a series[K] of whatever keys.
type list interface {
	purge(oldest, sample uint64) (removed int)
	size() int
}

// series are those of one kind of a workload. Their indices stand in frames.
type series[K comparable] struct {
	index map[uint64]int32 // by hash of the key; the next number if that is taken by another
	list  []entry[K]
}

type entry[K comparable] struct {
	key     K
	before  []byte // the cumulative vector at the last sample that changed it
	counted uint64 // all of its numbers: equal as long as nothing changed
	seen    uint64 // the last sample at which the metrics showed it; 0: the place is free
	held    uint64 // the last sample at which it counted something
	gauges  [2]uint64
}

var seed = maphash.MakeSeed()

// find returns the index of a key, -1 if it is not there.
func (s *series[K]) find(key K) int {
	for h := maphash.Comparable(seed, key); ; h++ {
		i, ok := s.index[h]
		if !ok {
			return -1
		}
		if s.list[i].key == key {
			return int(i)
		}
	}
}

// insert returns the index of a key that is not there.
func (s *series[K]) insert(key K, sample uint64) int {
	at := -1
	for i := range s.list {
		if s.list[i].seen == 0 {
			at = i
			break
		}
	}
	if at < 0 {
		s.list = append(s.list, entry[K]{})
		at = len(s.list) - 1
	}
	s.list[at] = entry[K]{key: key, seen: sample}
	s.hash(at)
	return at
}

func (s *series[K]) hash(at int) {
	if s.index == nil {
		s.index = make(map[uint64]int32, 1)
	}
	h := maphash.Comparable(seed, s.list[at].key)
	for {
		if _, taken := s.index[h]; !taken {
			s.index[h] = int32(at) //nolint:gosec // the history has far fewer
			return
		}
		h++
	}
}

// purge removes what neither the metrics nor a frame have any more.
func (s *series[K]) purge(oldest, sample uint64) (removed int) {
	for i := range s.list {
		e := &s.list[i]
		switch {
		case e.seen == 0 || e.seen == sample:
		case e.held < oldest:
			*e = entry[K]{}
			removed++
		default:
			e.before, e.counted = nil, 0 // should the metrics show it again, it starts from zero
		}
	}
	if removed == 0 {
		return 0
	}
	clear(s.index)
	for i := range s.list {
		if s.list[i].seen != 0 {
			s.hash(i)
		}
	}
	return removed
}

// size is how many there are.
func (s *series[K]) size() (n int) {
	for i := range s.list {
		if s.list[i].seen != 0 {
			n++
		}
	}
	return n
}

// absorb takes over what the series of another workload had counted at the last sample, as the metrics count it here
// from now on. It returns how many series are new.
func (s *series[K]) absorb(o *series[K], k kind, sample uint64) (added int) {
	for i := range o.list {
		from := &o.list[i]
		if from.seen == 0 || from.before == nil {
			continue
		}
		at := s.find(from.key)
		if at < 0 {
			at = s.insert(from.key, sample)
			added++
		}
		to := &s.list[at]
		sum := make([]uint64, k.cumulativeWidth())
		for _, b := range [][]byte{from.before, to.before} {
			if b != nil {
				readVector(b, func(i int, n uint64) { sum[i] += n })
			}
		}
		to.before, to.counted = appendVector(nil, sum), 0
		from.before, from.counted = nil, 0
	}
	return added
}
