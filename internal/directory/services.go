package directory

import (
	"maps"
	"slices"
	"strings"

	"github.com/fathomhq/fathom/internal/kube"
)

// service is a service and whom it selects.
type service struct {
	*kube.Service
	selector  []*pair
	found     *pair // the one of selector by which new groups find it; nil without selector
	groups    map[*group]struct{}
	workloads map[string]tally
}

// tally counts the groups of a workload that a service selects.
type tally struct{ groups, live int }

func (x *Index) setService(s *kube.Service) {
	have := x.services[s.UID]
	if have != nil && have.equal(s) {
		return
	}
	x.removeService(have)
	x.addService(s)
}

func (s *service) equal(other *kube.Service) bool {
	return s.Namespace == other.Namespace && s.Name == other.Name && slices.Equal(s.IPs, other.IPs) &&
		maps.Equal(s.Selector, other.Selector) && slices.Equal(s.Ports, other.Ports)
}

func (x *Index) addService(spec *kube.Service) {
	s := &service{Service: spec, groups: make(map[*group]struct{}), workloads: make(map[string]tally)}
	x.services[spec.UID] = s
	for _, ip := range s.IPs {
		x.change(ip.Unmap(), func(a *address) { a.services = insert(without(a.services, s), s) })
	}
	for _, p := range s.Ports {
		if p.NodePort != 0 {
			x.nodePorts[p.NodePort] = insert(without(x.nodePorts[p.NodePort], s), s)
		}
	}
	for name, value := range spec.Selector {
		s.selector = append(s.selector, x.use(label{spec.Namespace, name, value}))
	}
	if len(s.selector) > 0 {
		// Those with the rarest of the labels are looked at, here and when a group comes.
		s.found = slices.MinFunc(s.selector, func(a, b *pair) int {
			return len(a.groups) + len(a.services) - len(b.groups) - len(b.services)
		})
		s.found.services = append(s.found.services, s)
		for _, g := range s.found.groups {
			if g.has(s.selector) {
				x.selectGroup(s, g)
			}
		}
	}
	x.touchService(s)
}

// removeService removes a service, which may be nil.
func (x *Index) removeService(s *service) {
	if s == nil {
		return
	}
	x.touchService(s)
	delete(x.services, s.UID)
	for _, ip := range s.IPs {
		x.change(ip.Unmap(), func(a *address) { a.services = without(a.services, s) })
	}
	for _, p := range s.Ports {
		if list := without(x.nodePorts[p.NodePort], s); len(list) > 0 {
			x.nodePorts[p.NodePort] = list
		} else {
			delete(x.nodePorts, p.NodePort)
		}
	}
	for g := range s.groups {
		g.services = without(g.services, s)
		x.touchGroup(g)
	}
	if s.found != nil {
		s.found.services = without(s.found.services, s)
	}
	for _, p := range s.selector {
		x.unuse(p)
	}
}

// selectGroup notes that a service selects a group.
func (x *Index) selectGroup(s *service, g *group) {
	s.groups[g] = struct{}{}
	g.services = insert(g.services, s)
	s.count(g, 1, min(g.live, 1))
	x.touchGroup(g)
	x.touchService(s)
}

func (s *service) count(g *group, groups, live int) {
	t := s.workloads[g.workload]
	t.groups += groups
	t.live += live
	if t.groups == 0 {
		delete(s.workloads, g.workload)
		return
	}
	s.workloads[g.workload] = t
}

// workload returns the one that made all pods that the service selects, or made those that it had.
func (s *service) workload() string {
	name := ""
	for w, t := range s.workloads {
		if t.live > 0 {
			if name != "" {
				return ""
			}
			name = w
		}
	}
	if name == "" && len(s.workloads) == 1 {
		for w := range s.workloads {
			return w
		}
	}
	return name
}

func (s *service) identity() Identity {
	return Identity{Kind: ServiceKind, Namespace: s.Namespace, Workload: s.workload(), Service: s.Name}
}

// serves tells whether a port of the service's addresses is the service's.
func (s *service) serves(port uint16) bool {
	return slices.ContainsFunc(s.Ports, func(p kube.ServicePort) bool { return p.Port == port })
}

// leads tells whether the service sends connections to a port of a group's pods.
func (s *service) leads(g *group, port uint16) bool {
	return slices.ContainsFunc(s.Ports, func(p kube.ServicePort) bool {
		switch {
		case p.TargetName != "":
			return slices.Contains(g.ports, kube.Port{Name: p.TargetName, Number: port})
		case p.Target != 0:
			return p.Target == port
		}
		return p.Port == port
	})
}

// touchService notes that answers for a service's addresses may have changed.
func (x *Index) touchService(s *service) {
	for _, ip := range s.IPs {
		if a := x.addresses[ip.Unmap()]; a != nil {
			x.touch(a)
		}
	}
	if slices.ContainsFunc(s.Ports, func(p kube.ServicePort) bool { return p.NodePort != 0 }) {
		x.dirtyNodes = true
	}
}

func (x *Index) touchGroup(g *group) {
	if len(x.topics) == 0 {
		return
	}
	for _, p := range g.pods {
		x.touchPod(p)
	}
}

// insert adds a service to a list that is in the order of names.
func insert(list []*service, s *service) []*service {
	at, _ := slices.BinarySearchFunc(list, s, compareServices)
	return slices.Insert(list, at, s)
}

// compareServices puts the order of UIDs last, for those that were recreated or are in other namespaces.
func compareServices(a, b *service) int {
	if c := strings.Compare(a.Name, b.Name); c != 0 {
		return c
	}
	if c := strings.Compare(a.Namespace, b.Namespace); c != 0 {
		return c
	}
	return strings.Compare(a.UID, b.UID)
}
