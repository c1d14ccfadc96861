package peer

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	pb "github.com/fathomhq/fathom/internal/directory/directorypb"
)

func at(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// clock is a resolver's time.
type clock struct{ now time.Time }

func (c *clock) pass(d time.Duration) { c.now = c.now.Add(d) }

func newTest(t testing.TB, o Options) (*Resolver, *clock) {
	t.Helper()
	r, err := NewResolver(o)
	if err != nil {
		t.Fatal(err)
	}
	c := &clock{time.Unix(1000, 0)}
	r.now = func() time.Time { return c.now }
	return r, c
}

// somewhere is a directory that the tests answer for.
var somewhere = &Directory{Addresses: []string{"127.0.0.1:1"}, Insecure: true}

// answers as a directory would.
func (r *Resolver) answers(address string, kind pb.Kind, names ...string) {
	a := at(address)
	answer := &pb.Answer{Address: &pb.Address{Ip: a.Addr().AsSlice(), Port: uint32(a.Port())}, Kind: kind}
	for i, to := range []*string{&answer.Namespace, &answer.Workload, &answer.Service} {
		if i < len(names) {
			*to = names[i]
		}
	}
	r.take([]*pb.Answer{answer})
}

// localPods know pods by address.
type localPods map[string]Peer

func (p localPods) Peer(a netip.AddrPort) (Peer, bool) {
	who, ok := p[a.Addr().String()]
	return who, ok
}

func TestWithoutDirectory(t *testing.T) {
	pods := localPods{"10.0.0.1": {"shop", "web", ""}}
	r, _ := newTest(t, Options{Pods: pods, Networks: []Network{
		{netip.MustParsePrefix("10.0.0.0/8"), "office"},
		{netip.MustParsePrefix("10.7.0.0/16"), "lab"},
		{netip.MustParsePrefix("10.7.0.0/16"), "second"},
		{netip.MustParsePrefix("2001:db8::1/32"), "six"},
		{netip.MustParsePrefix("::ffff:192.0.2.0/120"), "mapped"},
	}})
	for address, want := range map[string]Peer{
		"10.0.0.1:80":              {"shop", "web", ""},
		"[::ffff:10.0.0.1]:80":     {"shop", "web", ""},
		"10.0.0.2:80":              {Workload: "office"},
		"10.7.1.1:0":               {Workload: "lab"},
		"[2001:db8:1::2]:443":      {Workload: "six"},
		"192.0.2.7:1":              {Workload: "mapped"},
		"203.0.113.1:443":          {Workload: External},
		"[fe80::1%eth0]:1":         {Workload: External},
		"127.0.0.1:80":             {Workload: Localhost},
		"127.9.9.9:0":              {Workload: Localhost},
		"[::1]:80":                 {Workload: Localhost},
		"[::ffff:127.0.0.1]:80":    {Workload: Localhost},
		"[::ffff:203.0.113.1]:443": {Workload: External},
	} {
		if got := r.Resolve(at(address)); got.Peer != want || got.State != Known {
			t.Errorf("%s: %+v, want %+v", address, got, want)
		}
	}
	if got := r.Resolve(netip.AddrPort{}); got != (Answer{}) {
		t.Errorf("no address is %+v", got)
	}
	before := r.Resolve(at("10.0.0.1:80"))
	pods["10.0.0.1"] = Peer{"shop", "db", ""}
	after := r.Resolve(at("10.0.0.1:80"))
	if after.Peer.Workload != "db" || r.Stats().Changes != 1 {
		t.Errorf("%+v, before %+v", after, before)
	}
	if again := r.Resolve(at("10.0.0.1:80")); again != after {
		t.Errorf("%+v, before %+v", again, after)
	}
}

func TestAnswers(t *testing.T) {
	r, _ := newTest(t, Options{
		Directory: somewhere,
		Networks:  []Network{{netip.MustParsePrefix("10.0.0.0/24"), "office"}},
		Pods:      localPods{"10.0.0.9": {"shop", "here", ""}},
	})
	const address = "10.0.0.1:80"
	if got := r.Resolve(at(address)); got.State != Pending {
		t.Errorf("before the answer: %+v", got)
	}
	if got := r.Resolve(at("10.0.0.9:80")); got.State != Pending {
		t.Errorf("a local pod before the answer: %+v", got)
	}
	for _, step := range []struct {
		kind  pb.Kind
		names []string
		want  Peer
	}{
		{pb.Kind_KIND_POD, []string{"shop", "web", "www"}, Peer{"shop", "web", "www"}},
		{pb.Kind_KIND_POD, []string{"shop", "web", "www"}, Peer{"shop", "web", "www"}},
		{pb.Kind_KIND_POD, []string{"shop", "web"}, Peer{"shop", "web", ""}},
		{pb.Kind_KIND_OUTSIDE, nil, Peer{Workload: "office"}},
		{pb.Kind_KIND_NODE, nil, Peer{Workload: Node}},
		{pb.Kind_KIND_SERVICE, []string{"shop", "", "www"}, Peer{"shop", "", "www"}},
		{pb.Kind(77), []string{"shop", "web", "www"}, Peer{"shop", "web", "www"}},
	} {
		r.answers(address, step.kind, step.names...)
		got := r.Resolve(at(address))
		if got.Peer != step.want || got.State != Known {
			t.Errorf("%+v, want %+v", got, step.want)
		}
	}
	r.answers("10.0.0.2:80", pb.Kind_KIND_POD, "shop", "nobody") // not asked for
	r.take([]*pb.Answer{nil, {}, {Address: &pb.Address{Ip: []byte{1}}}})
	if s := r.Stats(); s.Answers != 7 || s.Changes != 5 || s.Addresses != 2 {
		t.Errorf("%+v", s)
	}
}

func TestUnavailable(t *testing.T) {
	r, c := newTest(t, Options{
		Directory: somewhere, Pods: localPods{"10.0.0.9": {"shop", "here", ""}},
		Networks: []Network{{netip.MustParsePrefix("0.0.0.0/0"), "all"}},
	})
	r.Resolve(at("10.0.0.1:80"))
	r.Resolve(at("10.0.0.9:80"))
	r.Resolve(at("10.0.0.3:80"))
	r.answers("10.0.0.3:80", pb.Kind_KIND_POD, "shop", "known")
	c.pass(patience - 1)
	if got := r.Resolve(at("10.0.0.1:80")); got.State != Pending {
		t.Errorf("%+v", got)
	}
	c.pass(1)
	unknown, own := r.Resolve(at("10.0.0.1:80")), r.Resolve(at("10.0.0.9:80"))
	if unknown.State != Unavailable || unknown.Peer != (Peer{Workload: Unknown}) {
		t.Errorf("%+v", unknown)
	}
	if own.State != Unavailable || own.Peer != (Peer{"shop", "here", ""}) {
		t.Errorf("%+v", own)
	}
	if got := r.Resolve(at("10.0.0.3:80")); got.State != Known {
		t.Errorf("%+v", got)
	}
	r.answers("10.0.0.1:80", pb.Kind_KIND_POD, "shop", "web")
	r.answers("10.0.0.9:80", pb.Kind_KIND_POD, "shop", "here")
	if got := r.Resolve(at("10.0.0.1:80")); got.State != Known || got.Peer.Workload != "web" {
		t.Errorf("%+v, before %+v", got, unknown)
	}
	if got := r.Resolve(at("10.0.0.9:80")); got.State != Known {
		t.Errorf("%+v, before %+v", got, own)
	}
	if r.Stats().Changes != 0 {
		t.Error("an answer that was late is a change")
	}
}

func TestBounded(t *testing.T) {
	r, c := newTest(t, Options{MaxAddresses: 3})
	for _, a := range []string{"10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1", "10.0.0.1:1", "10.0.0.4:1"} {
		r.Resolve(at(a))
		c.pass(time.Minute)
	}
	if r.entries[at("10.0.0.2:1")] != nil || r.entries[at("10.0.0.1:1")] == nil || len(r.entries) != 3 || r.order.Len() != 3 {
		t.Errorf("%d remembered, %v", len(r.entries), r.entries)
	}
	// All were asked for a moment ago: none makes room.
	r.Resolve(at("10.0.0.3:1"))
	r.Resolve(at("10.0.0.1:1"))
	r.Resolve(at("10.0.0.4:1"))
	c.pass(recent - 1)
	if got := r.Resolve(at("10.0.0.5:1")); got != (Answer{Peer{Workload: Unknown}, Unavailable}) || r.Stats().Refused != 1 {
		t.Errorf("%+v, %+v", got, r.Stats())
	}
	r.Resolve(at("10.0.0.1:1"))
	r.Resolve(at("10.0.0.4:1"))
	c.pass(idle - recent + 1)
	r.forgetIdle()
	if len(r.entries) != 2 || r.entries[at("10.0.0.3:1")] != nil {
		t.Errorf("%d remembered, %v", len(r.entries), r.entries)
	}
	c.pass(idle)
	r.forgetIdle()
	if len(r.entries) != 0 || r.order.Len() != 0 {
		t.Errorf("%d remembered", len(r.entries))
	}
}

// TestOutbox follows what a directory is told: it has what the resolver has, and never more than that.
func TestOutbox(t *testing.T) {
	const limit = 50
	r, c := newTest(t, Options{Directory: somewhere, MaxAddresses: limit})
	r.Resolve(at("10.9.9.9:1")) // before there is a connection
	r.outbox.open(r.entries)
	has := make(map[netip.AddrPort]bool)
	tell := func(n int) {
		adds, removes := r.outbox.take(n)
		if len(adds)+len(removes) > n {
			t.Fatalf("%d at once", len(adds)+len(removes))
		}
		for _, a := range removes {
			if !has[a] {
				t.Fatalf("%s is removed and was not there", a)
			}
			delete(has, a)
		}
		for _, a := range adds {
			has[a] = true
		}
		if len(has) > limit {
			t.Fatalf("the directory has %d", len(has))
		}
	}
	for i := range 5000 {
		r.Resolve(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i * i % 251)}), uint16(i%3)))
		switch {
		case i%7 == 0:
			tell(5)
		case i%1501 == 0:
			r.outbox.close()
			r.Resolve(at(fmt.Sprintf("10.8.0.%d:1", i%50)))
			r.outbox.open(r.entries)
			clear(has)
		case i%997 == 0:
			c.pass(idle)
			r.forgetIdle()
		}
		c.pass(recent)
	}
	for len(r.outbox.adds)+len(r.outbox.removes) > 0 {
		tell(7)
	}
	for a := range r.entries {
		if !has[a] {
			t.Errorf("the directory was not told of %s", a)
		}
	}
	if len(has) != len(r.entries) {
		t.Errorf("the directory has %d, the resolver %d", len(has), len(r.entries))
	}
}

func TestOptions(t *testing.T) {
	for name, d := range map[string]*Directory{
		"no address":        {},
		"no port":           {Addresses: []string{"fathom-directory"}},
		"no key":            {Addresses: []string{"a:1"}, Certificate: "c"},
		"no certificate":    {Addresses: []string{"a:1"}, Key: "k"},
		"token in the open": {Addresses: []string{"a:1"}, Insecure: true, Token: "t"},
	} {
		if _, err := NewResolver(Options{Directory: d}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestResolveAllocatesNothing(t *testing.T) {
	r, _ := newTest(t, Options{Directory: somewhere})
	r.now = time.Now
	a, b := at("10.0.0.1:80"), at("[::ffff:10.0.0.2]:80")
	r.Resolve(a)
	r.Resolve(b)
	r.answers("10.0.0.1:80", pb.Kind_KIND_POD, "shop", "web", "www")
	if n := testing.AllocsPerRun(100, func() { r.Resolve(a); r.Resolve(b) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkResolve asks for all edges of a scrape.
func BenchmarkResolve(b *testing.B) {
	r, _ := newTest(b, Options{Directory: somewhere})
	r.now = time.Now
	var all []netip.AddrPort
	for i := range 4096 {
		a := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 80)
		all = append(all, a)
		r.Resolve(a)
		r.answers(a.String(), pb.Kind_KIND_POD, "shop", "web", "www")
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		r.Resolve(all[i%len(all)])
		i++
	}
}
