package directory

import (
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"
	"strings"

	"github.com/fathomhq/fathom/internal/kube"
)

// group is what pods have in common that were made from one template: services select it as a whole, so that
// the work and the memory follow the number of templates and not of pods.
type group struct {
	key         groupKey
	namespace   string
	workload    string
	hostNetwork bool
	ports       []kube.Port
	labels      []membership
	services    []*service // that select it, by name
	pods        []*pod
	live        int // pods that are not gone
}

// maxName is the length of a DNS subdomain, which names of workloads are.
const maxName = 253

// groupKey is a hash of everything that tells groups apart.
type groupKey [sha256.Size]byte

// label is a label of pods in a namespace.
type label struct{ namespace, name, value string }

// pair holds who has a label, or selects by it.
type pair struct {
	label    label
	groups   []*group
	services []*service // that are found by this one of their selector's labels
	uses     int        // by groups and selectors
}

// membership is a group's place among those with a label.
type membership struct {
	pair *pair
	at   int
}

func keyOf(p *kube.Pod) groupKey {
	b := make([]byte, 0, 1024)
	add := func(s string) {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	add(p.Namespace)
	add(p.Owner.Name)
	if p.HostNetwork {
		b = append(b, 1)
	}
	b = binary.AppendUvarint(b, uint64(len(p.Ports)))
	for _, port := range p.Ports {
		add(port.Name)
		b = binary.BigEndian.AppendUint16(b, port.Number)
	}
	for _, name := range slices.Sorted(maps.Keys(p.Labels)) {
		add(name)
		add(p.Labels[name])
	}
	return sha256.Sum256(b)
}

// groupOf returns the group that a pod belongs to, for it to join.
func (x *Index) groupOf(p *kube.Pod) *group {
	key := keyOf(p)
	if g := x.groups[key]; g != nil {
		return g
	}
	g := &group{
		key: key, namespace: p.Namespace, workload: clean(p.Owner.Name), hostNetwork: p.HostNetwork,
		ports: slices.Clone(p.Ports), labels: make([]membership, 0, len(p.Labels)),
	}
	x.groups[key] = g
	for name, value := range p.Labels {
		pair := x.use(label{p.Namespace, name, value})
		g.labels = append(g.labels, membership{pair, len(pair.groups)})
		pair.groups = append(pair.groups, g)
	}
	for _, m := range g.labels {
		for _, s := range m.pair.services {
			if g.has(s.selector) {
				x.selectGroup(s, g)
			}
		}
	}
	return g
}

// clean makes the name of an owner fit for an answer: the API server does not look at it (ValidateOwnerReferences in
// apimachinery's pkg/api/validation), and whoever makes pods chooses it.
func clean(name string) string {
	if len(name) > maxName {
		name = name[:maxName]
	}
	return strings.ToValidUTF8(name, "\uFFFD")
}

func (x *Index) dropGroup(g *group) {
	for _, s := range g.services {
		delete(s.groups, g)
		s.count(g, -1, 0)
		x.touchService(s)
	}
	for _, m := range g.labels {
		last := m.pair.groups[len(m.pair.groups)-1]
		last.place(m.pair).at = m.at
		m.pair.groups[m.at] = last
		m.pair.groups[len(m.pair.groups)-1] = nil
		m.pair.groups = m.pair.groups[:len(m.pair.groups)-1]
		x.unuse(m.pair)
	}
	delete(x.groups, g.key)
}

func (x *Index) join(p *pod, g *group) {
	p.group, p.at = g, len(g.pods)
	g.pods = append(g.pods, p)
	x.count(g, 1)
	x.touchPod(p)
}

// leave takes a pod out of its group, if it has one.
func (x *Index) leave(p *pod) {
	g := p.group
	if g == nil {
		return
	}
	last := g.pods[len(g.pods)-1]
	g.pods[p.at], last.at = last, p.at
	g.pods[len(g.pods)-1] = nil
	g.pods = g.pods[:len(g.pods)-1]
	p.group = nil
	if p.alive() {
		x.count(g, -1)
	}
	if len(g.pods) == 0 {
		x.dropGroup(g)
	}
}

// count counts pods of a group that came to life or went.
func (x *Index) count(g *group, n int) {
	before := g.live
	g.live += n
	if (before > 0) == (g.live > 0) {
		return
	}
	for _, s := range g.services {
		s.count(g, 0, n)
		x.touchService(s)
	}
}

// has tells whether the group has all of the labels.
func (g *group) has(labels []*pair) bool {
	for _, l := range labels {
		if g.place(l) == nil {
			return false
		}
	}
	return true
}

func (g *group) place(l *pair) *membership {
	for i := range g.labels {
		if g.labels[i].pair == l {
			return &g.labels[i]
		}
	}
	return nil
}

func (g *group) declares(port uint16) bool {
	return slices.ContainsFunc(g.ports, func(p kube.Port) bool { return p.Number == port })
}

func (g *group) identity(port uint16) Identity {
	return Identity{Kind: PodKind, Namespace: g.namespace, Workload: g.workload, Service: g.service(port)}
}

// service returns the service that leads to the port, or for port 0 the first.
func (g *group) service(port uint16) string {
	for _, s := range g.services {
		if port == 0 || s.leads(g, port) {
			return s.Name
		}
	}
	for _, s := range g.services {
		if len(s.Ports) == 0 && len(s.IPs) == 0 {
			return s.Name
		}
	}
	return ""
}

func (x *Index) use(l label) *pair {
	p := x.pairs[l]
	if p == nil {
		p = &pair{label: l}
		x.pairs[l] = p
	}
	p.uses++
	return p
}

func (x *Index) unuse(p *pair) {
	if p.uses--; p.uses == 0 {
		delete(x.pairs, p.label)
	}
}
