package kernel

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf/btf"

	"github.com/fathomhq/fathom/internal/protocol"
)

// What the list of protocols calls by number is what the programs number so.
func TestProtocolsAreTheObjects(t *testing.T) {
	spec, err := loadBpf()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range protocol.Enums() {
		var enum *btf.Enum
		if err := spec.Types.TypeByName(name, &enum); err != nil {
			t.Errorf("enum %s: %v", name, err)
			continue
		}
		listed := protocol.Enumerators(name)
		for i, v := range enum.Values {
			if i == len(enum.Values)-1 && strings.HasSuffix(v.Name, "_COUNT") {
				continue
			}
			if v.Value >= uint64(len(listed)) || listed[v.Value] != v.Name {
				t.Errorf("enum %s: %s is %d in the object, and %q there: run make generate", name, v.Name, v.Value, listed)
			}
		}
	}
	for i, class := range protocol.Enumerators("conn_class") {
		if protocol.ClassNumbered(i).Name == "" {
			t.Errorf("%s has no name", class)
		}
	}
	for i, p := range protocol.Enumerators("protocol") {
		if (protocol.Numbered(uint8(i)) == nil) != (p == "PROTOCOL_NONE") {
			t.Errorf("%s is not in the list", p)
		}
	}
	for status, want := range map[uint16]bpfCommonStatus{
		protocol.StatusAborted: bpfCommonStatusSTATUS_ABORTED, protocol.StatusUnknown: bpfCommonStatusSTATUS_UNKNOWN,
		protocol.StatusResetByClient: bpfCommonStatusSTATUS_RESET_BY_CLIENT, protocol.StatusResetByServer: bpfCommonStatusSTATUS_RESET_BY_SERVER,
		protocol.StatusRefused: bpfCommonStatusSTATUS_REFUSED,
	} {
		if uint16(want) != status {
			t.Errorf("status %#x is %#x in the object", status, want)
		}
	}
	if n := int(bpfProtocolPROTOCOL_COUNT); n != len(protocol.Enumerators("protocol")) {
		t.Errorf("%d protocols", n)
	}
}

// Families that have bounds of their own get them, next to the user's and the native ones, as long as there is room.
func TestBoundsFor(t *testing.T) {
	own := &protocol.Family{Bounds: protocol.Databases.Bounds}
	for _, test := range []struct {
		name    string
		classic []time.Duration
		fits    bool
	}{
		{"defaults", DefaultBuckets(), true},
		{"none", nil, true},
		{"as many as may be", manyBounds(maxClassicBounds), false},
		{"half as many", manyBounds(maxClassicBounds / 2), true},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := boundsFor(test.classic, []*protocol.Family{{}, own})
			if len(got) >= maxBuckets {
				t.Errorf("%d bounds do not fit %d buckets", len(got), maxBuckets)
			}
			if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
				t.Error("bounds do not ascend")
			}
			has := func(b time.Duration) bool { return slices.Contains(got, b) }
			if slices.IndexFunc(mergeBounds(test.classic), func(b time.Duration) bool { return !has(b) }) >= 0 {
				t.Error("a bound of the user's is missing")
			}
			if all := slices.IndexFunc(own.Bounds, func(b time.Duration) bool { return !has(b) }) < 0; all != test.fits {
				t.Errorf("the family has all of its bounds: %t", all)
			}
		})
	}
}

// manyBounds are n bounds that no other list has.
func manyBounds(n int) (bounds []time.Duration) {
	for i := range n {
		bounds = append(bounds, time.Duration(i+1)*7*time.Millisecond+time.Nanosecond)
	}
	return bounds
}

// Protocols other than HTTP/1 have a place for the time that requests wait, and one for what finds no room anywhere.
func TestOtherProtocolsAreRead(t *testing.T) {
	k := openKernel(t)
	all := protocol.All()
	p := all[len(all)-1]
	const id = 1 << 20 // no workload has it
	key, raw := bpfQueueKey{Workload: id, Protocol: p.Number()}, bpfHistogram{Sum: 1000}
	raw.Buckets[7] = 3
	if err := k.objects.QueueOthers.Put(key, raw); err != nil {
		t.Fatal(err)
	}
	if p != protocol.HTTP1 {
		slot := uint32(k.options.MaxSeries) + uint32(p.Number()-protocol.HTTP1.Number())
		if err := k.arrays.series.write(slot, &raw); err != nil {
			t.Fatal(err)
		}
	}
	s, err := k.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(s.Queue, func(q QueueSeries) bool { return q.Workload == id && q.Protocol == p })
	if i < 0 || s.Queue[i].Delay.Count() != 3 || s.Queue[i].Delay.Sum != 1000 {
		t.Errorf("queue: %v", s.Queue)
	}
	over := slices.IndexFunc(s.Exchanges, func(x ExchangeSeries) bool { return x.Workload == 0 && x.Protocol == p && x.Overflow })
	if p != protocol.HTTP1 && (over < 0 || s.Exchanges[over].Duration.Count() != 3) {
		t.Errorf("overflow of %s is missing", p.Title)
	}
	if err := k.release(map[uint32]bool{id: true}); err == nil {
		t.Error("a workload that is not there was released")
	}
	if s, err = k.Snapshot(); err != nil || slices.ContainsFunc(s.Queue, func(q QueueSeries) bool { return q.Workload == id }) {
		t.Errorf("still there: %v", err)
	}
}
