package directory

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/fathomhq/fathom/internal/kube"
)

// model computes answers from everything that is there, with the rules of [Index] written down plainly.
type model struct {
	pods     map[string]*modelPod
	services map[string]*kube.Service
	order    int
}

type modelPod struct {
	*kube.Pod
	got  map[netip.Addr]int // when it got an address
	gone time.Time
}

func (m *model) setPod(p *kube.Pod, now time.Time) {
	have := m.pods[p.UID]
	if p.Ended {
		m.deletePod(p.UID, now)
		return
	}
	fresh := &modelPod{Pod: p, got: make(map[netip.Addr]int)}
	m.order++
	for _, ip := range slices.Concat(p.IPs, p.HostIPs) {
		fresh.got[ip] = m.order
		if have != nil && have.gone.IsZero() && have.HostNetwork == p.HostNetwork {
			if since, ok := have.got[ip]; ok {
				fresh.got[ip] = since
			}
		}
	}
	m.pods[p.UID] = fresh
}

func (m *model) deletePod(uid string, now time.Time) {
	if p := m.pods[uid]; p != nil && p.gone.IsZero() {
		p.gone = now
	}
}

func (m *model) expire(until time.Time) {
	maps.DeleteFunc(m.pods, func(_ string, p *modelPod) bool { return !p.gone.IsZero() && !p.gone.After(until) })
}

// last returns the pod that fits and got the address last.
func (m *model) last(ip netip.Addr, fits func(*modelPod) bool) *modelPod {
	var best *modelPod
	for _, p := range m.pods {
		if !fits(p) {
			continue
		}
		if best == nil || best.gone.IsZero() == p.gone.IsZero() && p.got[ip] > best.got[ip] || !best.gone.IsZero() && p.gone.IsZero() {
			best = p
		}
	}
	return best
}

func (m *model) sorted() []*kube.Service {
	return slices.SortedFunc(maps.Values(m.services), func(a, b *kube.Service) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.UID, b.UID))
	})
}

func selects(s *kube.Service, p *modelPod) bool {
	if s.Namespace != p.Namespace || len(s.Selector) == 0 {
		return false
	}
	for k, v := range s.Selector {
		if have, ok := p.Labels[k]; !ok || have != v {
			return false
		}
	}
	return true
}

func (m *model) pod(p *modelPod, port uint16) Identity {
	id := Identity{Kind: PodKind, Namespace: p.Namespace, Workload: p.Owner.Name}
	var all []*kube.Service
	for _, s := range m.sorted() {
		if selects(s, p) {
			all = append(all, s)
		}
	}
	for _, s := range all {
		if port == 0 {
			id.Service = s.Name
			return id
		}
		for _, sp := range s.Ports {
			target := sp.Target == port
			if sp.TargetName != "" {
				target = slices.Contains(p.Ports, kube.Port{Name: sp.TargetName, Number: port})
			}
			if target {
				id.Service = s.Name
				return id
			}
		}
	}
	for _, s := range all {
		if len(s.Ports) == 0 && len(s.IPs) == 0 {
			id.Service = s.Name
			break
		}
	}
	return id
}

func (m *model) service(s *kube.Service) Identity {
	live, gone := map[string]bool{}, map[string]bool{}
	for _, p := range m.pods {
		if selects(s, p) {
			if gone[p.Owner.Name] = true; p.gone.IsZero() {
				live[p.Owner.Name] = true
			}
		}
	}
	if len(live) == 0 {
		live = gone
	}
	id := Identity{Kind: ServiceKind, Namespace: s.Namespace, Service: s.Name}
	if len(live) == 1 {
		for name := range live {
			id.Workload = name
		}
	}
	return id
}

func (m *model) identify(a netip.AddrPort) Identity {
	ip, port := a.Addr(), a.Port()
	if p := m.last(ip, func(p *modelPod) bool { return !p.HostNetwork && slices.Contains(p.IPs, ip) }); p != nil {
		return m.pod(p, port)
	}
	listens := func(p *modelPod) bool {
		return p.HostNetwork && slices.Contains(p.HostIPs, ip) &&
			slices.ContainsFunc(p.Ports, func(d kube.Port) bool { return d.Number == port })
	}
	if p := m.last(ip, listens); p != nil && port != 0 {
		return m.pod(p, port)
	}
	node := slices.ContainsFunc(slices.Collect(maps.Values(m.pods)), func(p *modelPod) bool { return slices.Contains(p.HostIPs, ip) })
	for _, s := range m.sorted() {
		if port != 0 && slices.Contains(s.IPs, ip) && slices.ContainsFunc(s.Ports, func(p kube.ServicePort) bool { return p.Port == port }) {
			return m.service(s)
		}
	}
	for _, s := range m.sorted() {
		if port != 0 && node && slices.ContainsFunc(s.Ports, func(p kube.ServicePort) bool { return p.NodePort == port }) {
			return m.service(s)
		}
	}
	if node {
		return Identity{Kind: NodeKind}
	}
	for _, s := range m.sorted() {
		if slices.Contains(s.IPs, ip) {
			return m.service(s)
		}
	}
	return Identity{}
}

func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

// The world is small, so that everything meets everything.
var (
	podIPs     = ipList("10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::1")
	nodeIPs    = ipList("192.0.2.1", "192.0.2.2")
	serviceIPs = ipList("10.96.0.1", "10.96.0.2", "192.0.2.1", "10.0.0.3")
)

func randomPod(r *rand.Rand) *kube.Pod {
	p := &kube.Pod{
		UID: fmt.Sprint(r.IntN(8)), Namespace: pick(r, "a", "a", "b"), Owner: kube.Owner{Name: pick(r, "v", "w")},
		HostNetwork: r.IntN(4) == 0, HostIPs: []netip.Addr{pick(r, nodeIPs...)},
		Labels: labels{"l": pick(r, "1", "2")}, Ended: r.IntN(8) == 0,
	}
	if r.IntN(2) == 0 {
		p.Labels["m"] = pick(r, "1", "2")
	}
	if p.HostNetwork {
		p.IPs = p.HostIPs
	} else if r.IntN(4) > 0 {
		p.IPs = []netip.Addr{pick(r, podIPs[:3]...)}
		if r.IntN(3) == 0 {
			p.IPs = append(p.IPs, podIPs[3])
		}
	}
	for range r.IntN(3) {
		p.Ports = append(p.Ports, kube.Port{Name: pick(r, "", "http"), Number: pick[uint16](r, 80, 8080)})
	}
	return p
}

func randomService(r *rand.Rand) *kube.Service {
	s := &kube.Service{UID: fmt.Sprint(r.IntN(5)), Namespace: pick(r, "a", "a", "b"), Name: pick(r, "r", "s", "t"), Selector: labels{}}
	for _, name := range []string{"l", "m"} {
		if r.IntN(2) == 0 {
			s.Selector[name] = pick(r, "1", "2")
		}
	}
	for range r.IntN(3) {
		if ip := pick(r, serviceIPs...); !slices.Contains(s.IPs, ip) {
			s.IPs = append(s.IPs, ip)
		}
	}
	for range r.IntN(3) {
		s.Ports = append(s.Ports, kube.ServicePort{
			Port: pick[uint16](r, 80, 81), NodePort: pick[uint16](r, 0, 0, 30000, 80),
			Target: pick[uint16](r, 80, 8080), TargetName: pick(r, "", "", "http"),
		})
	}
	return s
}

// TestProperty compares the index, and what it tells a watch, with the model after random changes.
func TestProperty(t *testing.T) {
	for _, grace := range []time.Duration{0, 5 * time.Second} {
		for seed := range uint64(60) {
			t.Run(fmt.Sprintf("%s/%d", grace, seed), func(t *testing.T) { walk(t, grace, rand.New(rand.NewPCG(seed, 0))) })
		}
	}
}

func walk(t *testing.T, grace time.Duration, r *rand.Rand) {
	now := time.Unix(1000, 0)
	m := &model{pods: make(map[string]*modelPod), services: make(map[string]*kube.Service)}
	x := NewIndex(grace)
	x.now = func() time.Time { return now }
	var all []netip.AddrPort
	for _, ip := range slices.Concat(podIPs, nodeIPs, serviceIPs[:2], ipList("203.0.113.1")) {
		for _, port := range []uint16{0, 80, 81, 8080, 30000} {
			all = append(all, netip.AddrPortFrom(ip, port))
		}
	}
	w := x.Watch(len(all))
	told := make(map[netip.AddrPort]Identity)
	if err := w.Add(all); err != nil {
		t.Fatal(err)
	}
	for step := range 150 {
		what := "expire"
		if r.IntN(4) > 0 {
			what = change(r, x, m, now)
		} else {
			now = now.Add(time.Duration(r.IntN(3)) * time.Second)
			x.Expire()
			m.expire(now.Add(-grace))
		}
		if grace == 0 {
			m.expire(now)
		}
		for _, a := range w.Take(1000) {
			if before, ok := told[a.Address]; ok && before == a.Identity {
				t.Errorf("step %d, %s: %s was told again", step, what, a.Address)
			}
			told[a.Address] = a.Identity
		}
		for _, a := range all {
			want := m.identify(a)
			if got := x.Identify(a); got != want || told[a] != want {
				t.Fatalf("step %d, %s: %s is %+v, told %+v, want %+v", step, what, a, got, told[a], want)
			}
		}
	}
	w.Close()
	x.ReplacePods(nil)
	x.ReplaceServices(nil)
	now = now.Add(grace)
	x.Expire()
	mustBeEmpty(t, x)
}

// change makes the same random change to both.
func change(r *rand.Rand, x *Index, m *model, now time.Time) string {
	switch r.IntN(12) {
	case 0, 1, 2, 3:
		p := randomPod(r)
		x.SetPod(p)
		m.setPod(p, now)
		return fmt.Sprintf("set %+v", *p)
	case 4, 5:
		uid := fmt.Sprint(r.IntN(8))
		x.DeletePod(uid)
		m.deletePod(uid, now)
		return "delete pod " + uid
	case 6, 7, 8:
		s := randomService(r)
		x.SetService(s)
		m.services[s.UID] = s
		return fmt.Sprintf("set %+v", *s)
	case 9:
		uid := fmt.Sprint(r.IntN(5))
		x.DeleteService(uid)
		delete(m.services, uid)
		return "delete service " + uid
	case 10:
		list := map[string]*kube.Pod{}
		for i := range r.IntN(8) {
			p := randomPod(r)
			p.Created = int64(i)
			list[p.UID] = p
		}
		pods := slices.Collect(maps.Values(list))
		for _, p := range slices.SortedFunc(maps.Values(list), func(a, b *kube.Pod) int { return cmp.Compare(a.Created, b.Created) }) {
			m.setPod(p, now)
		}
		for uid := range m.pods {
			if list[uid] == nil {
				m.deletePod(uid, now)
			}
		}
		x.ReplacePods(pods)
		return "replace pods"
	default:
		list := map[string]*kube.Service{}
		for range r.IntN(5) {
			s := randomService(r)
			list[s.UID] = s
		}
		m.services = list
		x.ReplaceServices(slices.Collect(maps.Values(list)))
		return "replace services"
	}
}
