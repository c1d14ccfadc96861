package history

import (
	"encoding/json"
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/internal/protocol"
	"github.com/fathomhq/fathom/internal/workload"
)

const ms = time.Millisecond

// repeat returns n equal durations.
func repeat(n int, d time.Duration) (all []time.Duration) {
	for range n {
		all = append(all, d)
	}
	return all
}

func near(a Number, b float64) bool { return math.Abs(float64(a)-b) <= 1e-9*math.Max(1, math.Abs(b)) }

// What the overview says is what was counted in the window, by definition of each number.
func TestOverview(t *testing.T) {
	h := newHost(t, nil)
	id := h.begin(1, unit("web.service"))
	h.serve(id, 200, repeat(1000, ms)...) // before the window
	h.snapshot.Active = []kernel.ActiveExchanges{{Workload: id, Role: kernel.RoleServer, Count: 3, Oldest: 2 * time.Second}}
	h.next(Interval)
	for range 24 { // two minutes: 4 requests/s, one of ten fails
		h.serve(id, 200, repeat(18, 10*ms)...)
		h.serve(id, 503, 100*ms)
		h.http(id, kernel.ExchangeSeries{Role: kernel.RoleServer, Protocol: protocol.HTTP1, Operation: "GET", Status: kernel.StatusAborted, TLS: true}, 100*ms)
		h.wait(id, repeat(20, 5*ms)...)
		h.http(id, kernel.ExchangeSeries{Role: kernel.RoleClient, Protocol: protocol.HTTP1, Operation: "POST", Status: 500, Peer: netip.MustParseAddrPort("10.0.0.2:80")}, 20*ms)
		e := h.edge(id, kernel.RoleServer, "10.0.0.1:0")
		e.SegmentsSent += 100
		e.BytesSent += 5000
		e.BytesReceived += 500
		e.Retransmits[kernel.RetransmitFast]++
		e.Retransmits[kernel.RetransmitTimeout]++
		e.Retransmits[kernel.RetransmitSynack] += 7
		h.cover(id, "http1", "", 1, 300, 0)
		h.cover(id, "tls", "java", 1, 0, 100)
		h.next(Interval)
	}

	w := h.row("web.service", time.Minute)
	if w == nil {
		t.Fatal("the workload is not there")
	}
	for what, c := range map[string]struct {
		got  Number
		want float64
	}{
		"requests":         {Number(w.Served.Count), 12 * 20},
		"rate":             {w.Served.PerSecond, 4},
		"error ratio":      {w.Served.ErrorRatio, 0.1},
		"mean":             {w.Served.Latency.Mean, (18*0.01 + 2*0.1) / 20},
		"queue ratio":      {w.QueueRatio, 20 * 5.0 / (18*10 + 2*100)},
		"retransmit ratio": {w.TCP.RetransmitRatio, 0.02},
		"bytes sent":       {w.TCP.BytesSentPerSecond, 1000},
		"bytes received":   {w.TCP.BytesReceivedPerSecond, 100},
		"opaque ratio":     {w.OpaqueRatio, 0.25},
		"TLS ratio":        {w.TLSRatio, 1.0 / 21},
		"active":           {Number(w.Served.Active), 3},
		"oldest":           {w.Served.OldestSeconds, 2},
		"client's rate":    {w.Client.PerSecond, 0.2},
		"client's errors":  {w.Client.ErrorRatio, 1},
		"client's mean":    {w.Client.Latency.Mean, 0.02},
		"a point's rate":   {w.Series.PerSecond[5], 4},
		"a point's errors": {w.Series.ErrorRatio[5], 0.1},
	} {
		if !near(c.got, c.want) {
			t.Errorf("%s: %v, want %v", what, c.got, c.want)
		}
	}
	if w.Client.OldestSeconds.Exists() || w.Gone {
		t.Errorf("oldest of no request is %v; gone %v", w.Client.OldestSeconds, w.Gone)
	}
	// 90 % took 10 ms. A bucket is 9 % wide.
	if p := w.Served.Latency.P50; p < 0.0091 || p > 0.0109 {
		t.Errorf("p50 is %v s", p)
	}
	if p := w.Served.Latency.P99; p < 0.091 || p > 0.109 {
		t.Errorf("p99 is %v s", p)
	}
	if all := h.row("web.service", Span); all.Served.Count != 1000+24*20 {
		t.Errorf("%d requests in all, want %d", all.Served.Count, 1000+24*20)
	}
}

// Counts are in their steps, whatever has been merged, and leave with the window.
func TestWindows(t *testing.T) {
	h := newHost(t, nil)
	id := h.begin(1, unit("web"))
	var truth []int // requests by sample
	for i := range 400 {
		n := 1 + i%7
		h.serve(id, 200, repeat(n, ms)...)
		truth = append(truth, n)
		h.next(Interval)
		if i%13 != 0 && i != 399 {
			continue
		}
		for _, window := range []time.Duration{5 * time.Second, 30 * time.Second, time.Minute, 3 * time.Minute, 7 * time.Minute, Span} {
			w := h.window(window, overviewSteps)
			covered := int(math.Round(w.seconds / Interval.Seconds()))
			if least := min(int(window/Interval), i+1); covered < least || covered > least+together-1 {
				t.Fatalf("sample %d: %s covers %d samples", i, window, covered)
			}
			if len(w.steps) > overviewSteps+1 {
				t.Fatalf("%s: %d steps", window, len(w.steps))
			}
			want, got, points := 0, h.row("web", window), 0.0
			for _, n := range truth[len(truth)-covered:] {
				want += n
			}
			for j, p := range got.Series.PerSecond {
				points += float64(p) * w.steps[j].seconds
			}
			if got.Served.Count != uint64(want) || math.Round(points) != float64(want) {
				t.Fatalf("sample %d: %s has %d requests, %g in points, want %d", i, window, got.Served.Count, points, want)
			}
		}
	}
	if n := len(h.frames); n > fine+int(Span/Interval)/together+2 {
		t.Errorf("%d frames", n)
	}
	if r := h.room(); r.Seconds < Span.Seconds()-15 || r.Seconds > Span.Seconds()+15 || r.Shortened {
		t.Errorf("it reaches back %g s, shortened %v", r.Seconds, r.Shortened)
	}
	// Points stay what they are while time goes on: steps are aligned.
	before := h.row("web", Span).Series.PerSecond
	times := h.overview(Span).Times
	h.next(Interval)
	after, afterTimes := h.row("web", Span).Series.PerSecond, h.overview(Span).Times
	for i, at := range times[:len(times)-1] {
		for j, then := range afterTimes {
			if then == at && i > 0 && j > 0 && before[i] != after[j] {
				t.Errorf("the point at %v was %v, is %v", at, before[i], after[j])
			}
		}
	}
}

// A workload that has gone stays for as long as its counts are in a window, and then makes room.
func TestComeAndGo(t *testing.T) {
	h := newHost(t, nil)
	a, b := h.begin(1, unit("a")), h.begin(2, unit("b"))
	h.serve(a, 200, repeat(5, ms)...)
	h.serve(b, 200, ms)
	h.next(Interval)
	h.gone[a] = true
	samples := 0
	for ; !h.row("a", Span).Gone; samples++ {
		if samples > 100 {
			t.Fatal("it is never gone")
		}
		h.serve(b, 200, ms)
		h.next(Interval)
	}
	if w := h.row("a", Span); w.Served.Count != 5 || w.Served.Active != 0 {
		t.Errorf("gone with %d requests, %d active", w.Served.Count, w.Served.Active)
	}
	if h.row("a", time.Minute) != nil && samples > 12 {
		t.Error("it is in a window in which it counted nothing")
	}
	// It comes back, and starts from zero in the metrics.
	c := h.begin(3, unit("a"))
	h.serve(c, 200, repeat(3, ms)...)
	h.next(Interval)
	if w := h.row("a", Span); w.Gone || w.Served.Count != 8 {
		t.Errorf("back with %d requests, want 8", w.Served.Count)
	}
	h.gone[c] = true
	for range 2 * int(Span/Interval) {
		h.next(Interval)
	}
	if h.row("a", Span) != nil || len(h.tracks) != 1 || len(h.byID) != 1 || h.byRef[0] != nil && h.byRef[1] != nil {
		t.Errorf("%d tracks are left, want that of b", len(h.tracks))
	}
	if h.series != 1 {
		t.Errorf("%d series are left, want 1", h.series)
	}
	// The place is taken by the next.
	d := h.begin(4, unit("d"))
	h.serve(d, 200, ms)
	h.next(Interval)
	if len(h.byRef) != 2 || h.row("d", time.Minute).Served.Count != 1 {
		t.Errorf("%d references", len(h.byRef))
	}
}

// A restarted unit goes on where it was, as in the metrics.
func TestRestart(t *testing.T) {
	h := newHost(t, nil)
	a := h.begin(1, unit("a"))
	h.serve(a, 200, repeat(10, ms)...)
	h.next(Interval)
	h.gone[a] = true
	b := h.begin(2, unit("a"))
	total := 10
	for range 30 { // a is forgotten meanwhile
		h.serve(b, 200, repeat(2, ms)...)
		total += 2
		h.next(Interval)
	}
	if _, there := h.snapshot.Workloads[a]; there {
		t.Fatal("the old id was not forgotten")
	}
	if got := h.row("a", Span).Served.Count; got != uint64(total) {
		t.Errorf("%d requests, want %d", got, total)
	}
}

// Labels that change take the history along; nothing is counted twice, and nothing is lost.
func TestMove(t *testing.T) {
	pod := workload.Labels{Namespace: "shop", Workload: "web", Kind: "Deployment", Pod: "web-1", Container: "app", Chosen: "blue\x00"}
	container := workload.Labels{Workload: "3f1b6c0d9e8a", Kind: "container", Container: "3f1b6c0d9e8a"}
	for name, known := range map[string]bool{"new labels": false, "labels in use": true} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, nil)
			id := h.begin(1, container)
			h.states[id] = workload.Provisional
			want := uint64(7)
			if known {
				other := h.begin(2, pod)
				h.serve(other, 200, repeat(100, ms)...)
				want += 100
			}
			h.serve(id, 200, repeat(5, ms)...)
			h.next(Interval)
			h.labels[id], h.states[id] = pod, workload.Final
			h.serve(id, 200, repeat(2, ms)...)
			h.next(Interval)
			h.next(Interval)
			got := uint64(0)
			for _, w := range h.overview(Span).Workloads {
				got += w.Served.Count
			}
			if got != want {
				t.Errorf("%d requests, want %d", got, want)
			}
			w := h.row("web", Span)
			if w == nil || w.Labels["label_team"] != "blue" || w.ID != idOf(pod) {
				t.Fatalf("the pod is %+v", w)
			}
			if old := h.row("3f1b6c0d9e8a", Span); (old != nil) != known {
				t.Errorf("under its old labels: %+v", old)
			}
		})
	}
}

// What exceeds a limit is told.
func TestLimits(t *testing.T) {
	t.Run("workloads", func(t *testing.T) {
		h := newHost(t, func(o *Options) { o.limitBytes, o.limitWorkloads, o.limitSeries = limitBytes, 2, limitSeries })
		for id, name := range []string{"a", "b", "c", "d"} {
			h.serve(h.begin(kernel.WorkloadID(id+1), unit(name)), 200, ms)
		}
		h.next(Interval)
		h.next(Interval)
		all := h.overview(time.Minute)
		if r := all.History; len(all.Workloads) != 2 || r.NotShown != 2 || r.NotShownTotal != 4 || r.LimitWorkloads != 2 {
			t.Errorf("%d workloads, %+v", len(all.Workloads), r)
		}
		if s := h.Stats(); s.Workloads != 2 || s.NotShownTotal != 4 {
			t.Errorf("stats %+v", s)
		}
	})
	t.Run("series", func(t *testing.T) {
		h := newHost(t, func(o *Options) { o.limitBytes, o.limitWorkloads, o.limitSeries = limitBytes, 10, 3 })
		id := h.begin(1, unit("a"))
		for status := range uint16(5) {
			h.serve(id, 200+status, ms)
		}
		h.next(Interval)
		all := h.overview(time.Minute)
		if r := all.History; all.Workloads[0].Served.Count != 3 || r.SeriesNotShownTotal != 2 {
			t.Errorf("%d requests, %+v", all.Workloads[0].Served.Count, r)
		}
	})
	t.Run("bytes", func(t *testing.T) {
		h := newHost(t, func(o *Options) { o.limitBytes, o.limitWorkloads, o.limitSeries = 800, 10, 100 })
		id := h.begin(1, unit("a"))
		for i := range 200 {
			h.serve(id, 200, time.Duration(i)*ms, ms, 2*ms, 3*ms)
			h.next(Interval)
			if h.bytes > 800 {
				t.Fatalf("%d bytes", h.bytes)
			}
		}
		if r := h.room(); !r.Shortened || r.Seconds > 890 || r.Seconds < 60 {
			t.Errorf("%+v", r)
		}
		if w := h.row("a", 30*time.Second); w.Served.Count != 6*4 {
			t.Errorf("%d requests of the last 30 s, want 24", w.Served.Count)
		}
	})
}

// A sample that fails is made up for by the next one.
func TestFailure(t *testing.T) {
	h := newHost(t, nil)
	id := h.begin(1, unit("a"))
	h.serve(id, 200, ms)
	h.next(Interval)
	h.serve(id, 200, ms, ms)
	h.err = kernel.ErrPermission
	h.snapshot.Time = h.snapshot.Time.Add(Interval)
	if h.Sample(t.Context()) == nil {
		t.Fatal("no error")
	}
	h.err = nil
	h.serve(id, 200, ms)
	h.next(Interval)
	if w := h.row("a", time.Minute); w.Served.Count != 4 || !near(w.Series.PerSecond[1], 0.3) {
		t.Errorf("%d requests, points %v", w.Served.Count, w.Series.PerSecond)
	}
}

// The agent's first sample follows so soon that a rate over it would be chance.
func TestBeginning(t *testing.T) {
	h := newHost(t, nil)
	id := h.begin(1, unit("a"))
	h.serve(id, 200, ms)
	h.next(10 * ms)
	h.serve(id, 200, repeat(9, ms)...)
	h.next(Interval)
	if all := h.overview(time.Minute); len(all.Times) != 1 || all.Workloads[0].Served.Count != 10 {
		t.Errorf("%d points, %d requests", len(all.Times), all.Workloads[0].Served.Count)
	}
}

func TestDetails(t *testing.T) {
	h := newHost(t, nil)
	id := h.begin(1, unit("web"))
	const samples = 70
	for i := range samples {
		if i == samples-3 {
			e := h.edge(id, kernel.RoleClient, "10.0.0.9:80")
			e.SegmentsSent += 5
		}
		h.serve(id, 200, 10*ms, 30*ms)
		h.serve(id, 404, ms)
		h.wait(id, 4*ms, 4*ms, 4*ms)
		db := kernel.ExchangeSeries{Role: kernel.RoleClient, Protocol: protocol.HTTP1, Operation: "GET", Status: 200, Peer: netip.MustParseAddrPort("10.0.0.2:80")}
		h.http(id, db, 3*ms, 5*ms)
		db.Peer = netip.MustParseAddrPort("10.0.0.3:80")
		db.Status = 502
		h.http(id, db, 700*ms)
		e := h.edge(id, kernel.RoleClient, "10.0.0.2:80")
		e.SegmentsSent += 50
		e.BytesSent += 1000
		h.observe(&e.RTT, rttBounds, 100*time.Microsecond, 600*time.Microsecond)
		e = h.edge(id, kernel.RoleClient, "10.0.0.3:80")
		e.SegmentsSent += 10
		e.BytesSent += 10
		e.Retransmits[kernel.RetransmitProbe]++
		e.ConnectFailures[kernel.ConnectRefused] += 2
		e.ResetsReceived++
		h.snapshot.Listeners = []kernel.Listener{{Workload: id, Address: netip.MustParseAddrPort("0.0.0.0:80"), Queue: 3, QueueMax: 128, Drops: uint64(i)}}
		h.snapshot.Active = []kernel.ActiveExchanges{{Workload: id, Role: kernel.RoleServer, Count: 1 + i%3}}
		h.cover(id, "http1", "", 2, 100, 200)
		h.next(Interval)
	}
	d := h.details(h.byID[idOf(unit("web"))], time.Minute)
	n := len(d.Times)
	if n != 12 || d.StepSeconds != 5 || d.Workload.Served.Count != 36 {
		t.Fatalf("%d steps of %g s, %d requests", n, d.StepSeconds, d.Workload.Served.Count)
	}
	rows, sum := 0, uint64(0)
	for _, step := range d.Heatmap.Counts {
		rows = len(step)
		for i, c := range step {
			sum += c
			if c > 0 && d.Heatmap.Bounds[i] >= d.Heatmap.Bounds[i+1] {
				t.Errorf("row %d from %g to %g s", i, d.Heatmap.Bounds[i], d.Heatmap.Bounds[i+1])
			}
		}
	}
	first, last := d.Heatmap.Bounds[0], d.Heatmap.Bounds[rows]
	if sum != 36 || len(d.Heatmap.Bounds) != rows+1 || first >= 0.001 || first < 0.0007 || last < 0.03 || last > 0.04 {
		t.Errorf("heat map: %d requests in %d rows from %g to %g s", sum, rows, first, last)
	}
	if q, s := d.Series.Queue[3], d.Series.Service[3]; !near(q, 0.004) || !near(s, 0.041/3-0.004) {
		t.Errorf("queue %v, service %v", q, s)
	}
	if len(d.Statuses) != 2 || d.Statuses[0].Status != "200" || d.Statuses[0].Count != 24 || !near(d.Statuses[0].Mean, 0.02) || !near(d.Statuses[0].PerSecond[2], 0.4) {
		t.Errorf("statuses %+v", d.Statuses)
	}
	if len(d.Client.Peers) != 2 || d.Client.Peers[0].Peer != "10.0.0.2:80" || !near(d.Client.Peers[0].Latency.Mean, 0.004) || !near(d.Client.Peers[0].ErrorRatio, 0) ||
		d.Client.Peers[1].Count != 12 || !near(d.Client.Peers[1].ErrorRatio, 1) || d.Client.Peers[1].Statuses[0].Status != "502" {
		t.Errorf("client %+v", d.Client.Peers)
	}
	if p := d.Client.Peers[1].Latency.P50; p < 0.64 || p > 0.76 {
		t.Errorf("median of the second peer %v", p)
	}
	slow := d.Peers[1]
	if d.Peers[0].Peer != "10.0.0.2:80" || slow.Role != "client" || !near(slow.RetransmitRatio, 0.1) || slow.Retransmits["probe"] != 12 || slow.ConnectFailures["refused"] != 24 ||
		slow.ResetsReceived != 12 || len(slow.ConnectFailures) != 1 || slow.RTT.Mean.Exists() || !near(slow.RetransmitRatios[4], 0.1) {
		t.Errorf("peers %+v", d.Peers)
	}
	if late := d.Peers[2]; late.Peer != "10.0.0.9:80" || late.RetransmitRatios[0].Exists() || !near(late.RetransmitRatios[n-3], 0) {
		t.Errorf("a peer of one moment: %+v", late)
	}
	if r := d.Peers[0].RTT; !near(r.Mean, 0.00035) || !near(r.P50, 0.000128) || r.P99 <= 0.000512 || r.P99 > 0.001 {
		t.Errorf("round-trip time %+v", r)
	}
	if diff := cmp.Diff([]Listener{{"0.0.0.0:80", 3, 128, 12}}, d.Listeners); diff != "" {
		t.Error(diff)
	}
	if d.Series.Active[n-1] != Number(1+(samples-1)%3) || len(d.Classes) != 1 || d.Classes[0].BytesSent != 2400 || d.Classes[0].BytesSentTotal != 200*samples || d.Classes[0].Reasons[0].Connections != 24 {
		t.Errorf("active %v, classes %+v", d.Series.Active, d.Classes)
	}
	// Over a step of three samples it is the most.
	if all := h.details(h.byID[d.Workload.ID], Span); slicesMax(all.Series.Active) != 3 || all.StepSeconds != 15 {
		t.Errorf("active %v in steps of %g s", all.Series.Active, all.StepSeconds)
	}
}

func slicesMax(all []Number) (m Number) {
	for _, n := range all {
		if n.Exists() {
			m = max(m, n)
		}
	}
	return m
}

func TestCoverageAndAgent(t *testing.T) {
	h := newHost(t, nil)
	a, b := h.begin(1, unit("a")), h.begin(2, unit("b"))
	grow := func() {
		h.cover(a, "http1", "", 1, 100, 100)
		h.cover(b, "tls", "java", 2, 300, 0)
		h.cover(b, "idle", "", 1, 0, 0)
		s := &h.snapshot
		s.Lost = []kernel.Lost{{Reason: "gap", Count: s.Lost[0].Count + 1}, {Reason: "unreadable_io_uring"}}
		s.LostBytes = []kernel.LostBytes{{Direction: "read", Reason: "untapped", Bytes: 5}, {Direction: "write", Reason: "untapped"}}
		s.Programs = []kernel.Program{{Name: "data_read", Runs: s.Programs[0].Runs + 1000, Time: s.Programs[0].Time + 50*ms, Missed: 2}}
		s.Tables = []kernel.Table{{Name: "http_series", Used: 7, Limit: 3000, MemoryBytes: 1 << 20}, {Name: "edges", Used: 10, Limit: 10, Overflowed: s.Tables[1].Overflowed + 3}}
		h.next(Interval)
	}
	for range 20 {
		grow()
	}
	c := h.coverage(30 * time.Second)
	if !near(c.OpaqueRatio, 0.6) || c.Workloads[0].Workload != "b" || !near(c.Workloads[0].OpaqueRatio, 1) || !near(c.Workloads[1].OpaqueRatio, 0) {
		t.Errorf("opaque %v, %+v", c.OpaqueRatio, c.Workloads)
	}
	if tls := c.Classes[0]; tls.Class != "tls" || tls.Readable || tls.BytesReceived != 1800 || tls.BytesReceivedTotal != 6000 ||
		tls.Reasons[0].Reason != "java" || tls.Reasons[0].Why == "" || tls.Reasons[0].Connections != 12 || tls.Reasons[0].ConnectionsTotal != 40 {
		t.Errorf("%+v", tls)
	}
	if l := c.Lost[0]; l.Reason != "gap" || l.Count != 6 || l.Total != 20 || l.Why == "" || len(c.Lost) != 3 {
		t.Errorf("lost %+v", c.Lost)
	}
	if l := c.LostBytes[0]; l.Direction != "received" || l.Bytes != 0 || l.Total != 5 || l.Why == "" {
		t.Errorf("lost bytes %+v", c.LostBytes)
	}
	if e := c.Tables[1]; !e.Full || e.Overflowed != 18 || e.OverflowedTotal != 60 || c.Tables[0].Full {
		t.Errorf("tables %+v", c.Tables)
	}
	g := h.agent(30 * time.Second)
	if !near(g.CPURatio, 0.01) || !near(g.BPFRatio, 0.01) || g.ResidentBytes != 20<<20 || !near(g.Programs[0].RunsPerSecond, 200) || !near(g.CPURatios[2], 0.01) {
		t.Errorf("agent %+v", g)
	}
	if g.AttachMode != "tracepoint" || g.Taps[2].Error == "" || g.Series != 7 || g.SeriesLimit != 3000 || g.UptimeSeconds != 100 || g.Kernel == "" || g.Node != "n1" {
		t.Errorf("agent %+v", g)
	}
}

// A number that does not exist is null and comes back as none.
func TestNumber(t *testing.T) {
	for text, n := range map[string]Number{
		"null": None(), "0": 0, "1234567": 1234567, "0.333333": Number(1.0 / 3), "1.5e-07": 1.5e-7, "-3": -3,
	} {
		b, err := json.Marshal(n)
		if err != nil || string(b) != text {
			t.Errorf("%v is %s, %v; want %s", n, b, err, text)
		}
		var back Number
		if err := json.Unmarshal(b, &back); err != nil || back.Exists() != n.Exists() || n.Exists() && math.Abs(float64(back-n)) > 1e-6*math.Abs(float64(n)) {
			t.Errorf("%s comes back as %v, %v", b, back, err)
		}
	}
	if b, _ := json.Marshal(Number(math.Inf(1))); string(b) != "null" {
		t.Errorf("infinity is %s", b)
	}
	if json.Unmarshal([]byte(`"a"`), new(Number)) == nil {
		t.Error("a text is a number")
	}
}
