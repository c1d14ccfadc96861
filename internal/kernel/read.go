package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/fathomhq/fathom/internal/protocol"
)

// Snapshot sweeps and returns everything counted so far.
func (k *Kernel) Snapshot() (*Snapshot, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.sweepLocked(); err != nil {
		return nil, err
	}
	s := &Snapshot{Time: time.Now()}
	for _, read := range []func(*Snapshot) error{
		k.readWorkloads, k.readTraffic, k.readCoverage, k.readListeners, k.readCounters, k.readTables,
	} {
		if err := read(s); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (k *Kernel) readWorkloads(s *Snapshot) error {
	last, err := k.arrays.lastUsed(bpfTableTABLE_WORKLOADS, k.options.MaxWorkloads)
	if err != nil {
		return err
	}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return fmt.Errorf("read the monotonic clock: %w", err)
	}
	s.Workloads = make(map[WorkloadID]Workload, last)
	if err := k.arrays.workloads.each(last, func(id uint32, w *bpfWorkload) error {
		if w.Used != 0 {
			s.Workloads[WorkloadID(id)] = workload(id, w)
		}
		return nil
	}); err != nil {
		return err
	}
	if err := k.arrays.censuses.each(last, func(id uint32, census *bpfCensus) error {
		s.addCensus(WorkloadID(id), census, now.Nano())
		return nil
	}); err != nil {
		return err
	}
	if err := k.arrays.queue.each(last, func(id uint32, raw *bpfHistogram) error {
		if !raw.empty() {
			s.Queue = append(s.Queue, QueueSeries{WorkloadID(id), protocol.HTTP1, k.histogram(raw)})
		}
		return nil
	}); err != nil {
		return err
	}
	return k.readOtherQueues(s)
}

// readOtherQueues reads the waits of the protocols that have no array for them.
func (k *Kernel) readOtherQueues(s *Snapshot) error {
	var key bpfQueueKey
	var raw bpfHistogram
	// There are few: a batch would take more memory than they do.
	for all := k.objects.QueueOthers.Iterate(); ; {
		if !all.Next(&key, &raw) {
			return all.Err()
		}
		p, err := protocolOf(key.Protocol)
		if err != nil {
			return err
		}
		s.Queue = append(s.Queue, QueueSeries{WorkloadID(key.Workload), p, k.histogram(&raw)})
	}
}

// protocolOf finds a protocol by the number that a key has.
func protocolOf(number uint8) (*protocol.Protocol, error) {
	p := protocol.Numbered(number)
	if p == nil {
		return nil, fmt.Errorf("the kernel side counted exchanges of protocol %d, which the list does not have", number)
	}
	return p, nil
}

// addCensus adds what the last sweep counted for one workload; now is monotonic, in ns.
func (s *Snapshot) addCensus(id WorkloadID, census *bpfCensus, now int64) {
	if w, ok := s.Workloads[id]; ok {
		w.OpenConnections = int(census.Connections)
		s.Workloads[id] = w
	}
	for i, role := range []Role{RoleServer, RoleClient} {
		if n := census.Active[i]; n > 0 {
			oldest := time.Duration(0)
			if began := census.Oldest[i]; began > 0 {
				oldest = max(0, time.Duration(now-int64(began)))
			}
			s.Active = append(s.Active, ActiveExchanges{id, role, int(n), oldest})
		}
	}
}

const (
	// MaxCgroupNames is how many names the kernel side notes of a cgroup's path at most, the innermost ones.
	MaxCgroupNames = len(bpfWorkload{}.Names)
	// MaxCgroupName is how many bytes of a name it notes at most. One of as many may have been cut.
	MaxCgroupName = len(bpfWorkload{}.Names[0]) - 1
)

func workload(id uint32, w *bpfWorkload) Workload {
	out := Workload{ID: WorkloadID(id), CgroupID: w.Key.Cgroup, Command: cString(w.Key.Comm[:])}
	for i := range w.Names {
		if name := cString(w.Names[i][:]); name != "" {
			out.CgroupNames = append(out.CgroupNames, name)
		}
	}
	return out
}

// empty tells whether nothing was observed.
func (h *bpfHistogram) empty() bool {
	for _, n := range h.Buckets {
		if n != 0 {
			return false
		}
	}
	return true
}

func (k *Kernel) histogram(raw *bpfHistogram) Histogram {
	h := Histogram{Buckets: make([]uint64, len(k.upper)+1), Sum: time.Duration(raw.Sum)}
	copy(h.Buckets, raw.Buckets[:])
	return h
}

// readTraffic reads edges and series. Slot 0 of both is the overflow of the host, of the series that of HTTP/1.
func (k *Kernel) readTraffic(s *Snapshot) error {
	last, err := k.arrays.lastUsed(bpfTableTABLE_EDGES, k.options.MaxPeers)
	if err != nil {
		return err
	}
	keys, _, err := readSlots[bpfEdgeKey](k.objects.EdgeIndex, last)
	if err != nil {
		return err
	}
	keys[0].key, keys[0].used = bpfEdgeKey{Overflow: 1}, true
	for slot, key := range k.strays {
		keys[slot].key, keys[slot].used = key, true
	}
	if err := k.arrays.edges.each(last, func(slot uint32, raw *bpfEdge) error {
		if keys[slot].used && (slot != 0 || *raw != bpfEdge{}) {
			s.Edges = append(s.Edges, edge(keys[slot].key, raw))
		}
		return nil
	}); err != nil {
		return err
	}
	return k.readSeries(s, keys)
}

func (k *Kernel) readSeries(s *Snapshot, peers slots[bpfEdgeKey]) error {
	last, err := k.arrays.lastUsed(bpfTableTABLE_SERIES, k.options.MaxSeries)
	if err != nil {
		return err
	}
	keys, n, err := readSlots[bpfSeriesKey](k.objects.SeriesIndex, last)
	if err != nil {
		return err
	}
	s.series = n
	keys[0].key, keys[0].used = hostOverflow(protocol.HTTP1), true
	s.Exchanges = make([]ExchangeSeries, 0, n+1)
	size := len(k.upper) + 1
	buckets := make([]uint64, (n+1)*size) // of all series: one allocation
	if err := k.arrays.series.each(last, func(slot uint32, raw *bpfHistogram) error {
		key := keys[slot].key
		if !keys[slot].used || key.Flags&seriesOverflow != 0 && raw.empty() {
			return nil
		}
		x, err := exchangeSeries(key, peers)
		if err != nil {
			return err
		}
		x.Duration = Histogram{Buckets: buckets[:size:size], Sum: time.Duration(raw.Sum)}
		copy(x.Duration.Buckets, raw.Buckets[:])
		buckets = buckets[size:]
		s.Exchanges = append(s.Exchanges, x)
		return nil
	}); err != nil {
		return err
	}
	return k.readOtherOverflows(s, peers)
}

// readOtherOverflows reads what found no room anywhere, of all protocols but HTTP/1: series_overflow() of bpf/exchange/series.h.
func (k *Kernel) readOtherOverflows(s *Snapshot, peers slots[bpfEdgeKey]) error {
	for _, p := range protocol.All() {
		if p == protocol.HTTP1 {
			continue
		}
		raw, err := k.arrays.series.read(uint32(k.options.MaxSeries) + uint32(p.Number()-protocol.HTTP1.Number()))
		if err != nil {
			return err
		}
		if raw.empty() {
			continue
		}
		x, err := exchangeSeries(hostOverflow(p), peers)
		if err != nil {
			return err
		}
		x.Duration = k.histogram(&raw)
		s.Exchanges = append(s.Exchanges, x)
	}
	return nil
}

func hostOverflow(p *protocol.Protocol) bpfSeriesKey {
	return bpfSeriesKey{Flags: seriesOverflow, Status: StatusOther, Protocol: p.Number()}
}

// The flags of struct series_key.
const (
	seriesClient   = 0x01
	seriesTLS      = 0x02
	seriesOverflow = 0x80
)

func exchangeSeries(key bpfSeriesKey, peers slots[bpfEdgeKey]) (ExchangeSeries, error) {
	p, err := protocolOf(key.Protocol)
	if err != nil {
		return ExchangeSeries{}, err
	}
	x := ExchangeSeries{
		Workload: WorkloadID(key.Workload), Role: RoleServer, Protocol: p, Operation: p.Operation(key.Operation), Status: key.Status,
		TLS: key.Flags&seriesTLS != 0, Overflow: key.Flags&seriesOverflow != 0,
	}
	if key.Flags&seriesClient == 0 {
		return x, nil
	}
	x.Role = RoleClient
	if int(key.Peer) < len(peers) && peers[key.Peer].key.Overflow == 0 {
		peer := peers[key.Peer].key
		x.Peer = address(peer.Addr, peer.Port)
	} else {
		x.Overflow = true
	}
	return x, nil
}

func edge(key bpfEdgeKey, raw *bpfEdge) Edge {
	e := Edge{
		Workload: WorkloadID(key.Workload), Role: Role(key.Role), Overflow: key.Overflow != 0,
		SegmentsSent: raw.SegmentsSent, BytesSent: raw.BytesSent, BytesReceived: raw.BytesReceived,
		Opened: raw.Opened, Closed: raw.Closed, ResetsSent: raw.ResetsSent, ResetsReceived: raw.ResetsReceived,
		Retransmits: raw.Retransmits, ConnectFailures: raw.ConnectFailures,
		RTT: Histogram{Buckets: slices.Clone(raw.Rtt[:]), Sum: time.Duration(raw.RttSum) * time.Microsecond},
	}
	if !e.Overflow {
		e.Peer = address(key.Addr, key.Port)
	}
	return e
}

func (k *Kernel) readCoverage(s *Snapshot) error {
	all, err := entries[bpfCoverageKey, bpfCovered](k.objects.Coverage)
	if err != nil {
		return err
	}
	for key, v := range all {
		c := Coverage{
			Workload: WorkloadID(key.Workload), Class: protocol.ClassNumbered(int(key.Class)).Name,
			Reason:      coverageReason(bpfCoverageReason(key.Reason)),
			Connections: v.Connections, BytesReceived: v.Bytes[0], BytesSent: v.Bytes[1],
		}
		s.Coverage = append(s.Coverage, c)
	}
	return nil
}

func (k *Kernel) readListeners(s *Snapshot) error {
	all, err := entries[uint64, bpfListener](k.objects.Listeners)
	if err != nil {
		return err
	}
	for _, l := range all {
		s.Listeners = append(s.Listeners, Listener{
			Workload: WorkloadID(l.Workload), Address: address(l.Addr, l.Port), Queue: l.Queue, QueueMax: l.QueueMax, Drops: uint64(l.Drops),
		})
	}
	return nil
}

func (k *Kernel) readCounters(s *Snapshot) error {
	var perCPU []bpfCpuCounters
	if err := k.objects.Counters.Lookup(uint32(0), &perCPU); err != nil {
		return fmt.Errorf("read the counters: %w", err)
	}
	var sum bpfCpuCounters
	for i := range perCPU {
		sum.add(&perCPU[i])
	}
	for i, reason := range lostNames() {
		if reason != "" {
			s.Lost = append(s.Lost, Lost{reason, sum.Lost[i]})
		}
	}
	for d, direction := range directionNames {
		for i, reason := range lostBytesNames {
			s.LostBytes = append(s.LostBytes, LostBytes{direction, reason, sum.LostBytes[d][i]})
		}
	}
	for i, table := range tableNames {
		if bpfTable(i) == bpfTableTABLE_TLS_CALLERS && k.tls == nil {
			continue
		}
		s.Tables = append(s.Tables, Table{Name: table, Overflowed: sum.Overflows[i]})
	}
	if k.tls != nil {
		k.tls.callers.added.Store(sum.TlsCallers)
	}
	missed, err := k.missed()
	if err != nil {
		return err
	}
	for i, name := range programNames {
		run := sum.Runs[i]
		s.Programs = append(s.Programs, Program{
			Name: name, Runs: run.Samples * runSampling, Time: time.Duration(run.Ns * runSampling), Missed: missed[name],
		})
	}
	return nil
}

// runSampling is the share of runs that count_run() of bpf/base/counters.h times: one in so many.
const runSampling = 1024

func (c *bpfCpuCounters) add(o *bpfCpuCounters) {
	for i := range c.Lost {
		c.Lost[i] += o.Lost[i]
	}
	for d := range c.LostBytes {
		for i := range c.LostBytes[d] {
			c.LostBytes[d][i] += o.LostBytes[d][i]
		}
	}
	for i := range c.Overflows {
		c.Overflows[i] += o.Overflows[i]
	}
	c.TlsCallers += o.TlsCallers
	for i := range c.Runs {
		c.Runs[i].Samples += o.Runs[i].Samples
		c.Runs[i].Ns += o.Runs[i].Ns
	}
}

// missed returns, by tap, the runs that the kernel skipped.
func (k *Kernel) missed() (map[string]uint64, error) {
	out := make(map[string]uint64, len(k.taps))
	for _, t := range k.taps {
		misses, err := t.missed()
		if err != nil {
			return nil, err
		}
		out[t.name] = misses
	}
	return out, nil
}

// missed returns the runs that the kernel skipped. Where programs are attached twice, the other
// one has run instead; that both were skipped cannot be told from their numbers, and shows
// by its effect: as gap, missed_end, no_arrival, or a connection whose beginning was not seen. Retransmits are
// made up for by the next one of the connection. A reset that both have skipped is not counted, and nothing shows it.
func (a *attachedTap) missed() (uint64, error) {
	if a.way == nil || a.way.twice {
		return 0, nil
	}
	var sum uint64
	var last *ebpf.Program
	for _, p := range a.programs {
		if p == last {
			continue
		}
		last = p
		stats, err := p.Stats()
		if err != nil {
			return 0, fmt.Errorf("read the statistics of a program: %w", err)
		}
		sum += stats.RecursionMisses
	}
	return sum, nil
}

// readTables completes the tables: how full they are, and what they take of memory.
func (k *Kernel) readTables(s *Snapshot) error {
	o := &k.objects
	connections := 0
	if err := walk(o.ConnIndex, func(uint64, uint32) { connections++ }); err != nil {
		return err
	}
	counts, err := k.arrays.slots.read(0)
	if err != nil {
		return err
	}
	taken := func(table bpfTable) int { return int(counts.Taken[table]) }
	for i, t := range []struct {
		used, limit int
		maps        []*ebpf.Map
	}{
		{connections, k.options.MaxConnections, []*ebpf.Map{o.ConnIndex, o.ConnHints, o.Conns, o.ConnFree}},
		{len(s.Workloads), k.options.MaxWorkloads, []*ebpf.Map{o.WorkloadIndex, o.Workloads, o.WorkloadFree, o.Censuses, o.QueueSeries, o.QueueOthers}},
		{s.series, k.options.MaxSeries, []*ebpf.Map{o.SeriesIndex, o.Series, o.SeriesFree}},
		{len(s.Edges), k.options.MaxPeers, []*ebpf.Map{o.EdgeIndex, o.Edges, o.EdgeFree}},
		{len(s.Coverage), int(o.Coverage.MaxEntries()), []*ebpf.Map{o.Coverage}},
		{len(s.Listeners), int(o.Listeners.MaxEntries()), []*ebpf.Map{o.Listeners}},
		{taken(bpfTableTABLE_PIPELINES), int(o.PipelineFree.MaxEntries()), []*ebpf.Map{o.Pipelines, o.PipelineFree}},
		{taken(bpfTableTABLE_BACKLOGS), int(o.BacklogFree.MaxEntries()), []*ebpf.Map{o.Backlogs, o.BacklogFree}},
		{taken(bpfTableTABLE_HTTP2), k.options.MaxHTTP2Connections, []*ebpf.Map{o.Http2Conns, o.Http2Free}},
		{taken(bpfTableTABLE_STREAMS) * streamsPerPage, k.options.streamPages() * streamsPerPage, []*ebpf.Map{o.Http2Streams, o.Http2StreamsFree}},
		{k.tls.count(), int(o.TlsCalls.MaxEntries()), []*ebpf.Map{o.TlsCalls, o.TlsShaking, o.TlsSessions, o.TlsHellos, o.TlsProcesses, o.TlsLibraries}},
	} {
		if i == len(s.Tables) {
			break // TLS is not read
		}
		s.Tables[i].Used, s.Tables[i].Limit = t.used, t.limit
		for _, m := range t.maps {
			bytes, err := memoryOf(m)
			if err != nil {
				return fmt.Errorf("read about %s: %w", m, err)
			}
			s.Tables[i].MemoryBytes += bytes
		}
	}
	return nil
}

// memoryOf returns the kernel memory of a map. Before 5.14 the file that tells is closed to a process
// that has its capabilities from its program's file: then it is what the elements take.
func memoryOf(m *ebpf.Map) (uint64, error) {
	info, err := m.Info()
	if _, closed := errors.AsType[*fs.PathError](err); closed && errors.Is(err, os.ErrPermission) {
		return uint64(m.MaxEntries()) * uint64(m.KeySize()+m.ValueSize()), nil
	}
	if err != nil {
		return 0, err
	}
	bytes, _ := info.Memlock()
	return bytes, nil
}
