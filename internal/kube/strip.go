package kube

import (
	"errors"
	"net/netip"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Annotations of a static pod's mirror in the API server (pkg/kubelet/types/pod_update.go).
const (
	mirrorAnnotation = corev1.MirrorPodAnnotationKey
	hashAnnotation   = "kubernetes.io/config.hash"
)

// maxAnnotation bounds a kept annotation in bytes. The API server takes 256 KiB for all of an object.
const maxAnnotation = 1024

// Strip says what is kept of pods beside what every reader needs.
type Strip struct {
	// Containers keeps their ids and names.
	Containers bool
	// AllLabels keeps every label, Labels those of these names.
	AllLabels bool
	Labels    []string
	// Annotations keeps those of these names, and of long ones the first KiB.
	Annotations []string
}

var (
	errType = errors.New("object of a type that was not asked for")
	errNoID = errors.New("object without UID or name")
)

// stripper makes pods and services that share no memory with the objects that they are made of. It may be used
// concurrently.
type stripper struct {
	keep    Strip
	strings interner
}

// pod refuses what cannot be told from other pods, and nothing else: values that make no sense are left out.
func (s *stripper) pod(obj runtime.Object) (*Pod, error) {
	p, ok := obj.(*corev1.Pod)
	switch {
	case !ok:
		return nil, errType
	case p.UID == "" || p.Name == "":
		return nil, errNoID
	}
	owner := ownerOf(p)
	pod := &Pod{
		UID:         strings.Clone(string(p.UID)),
		Namespace:   s.strings.get(p.Namespace),
		Name:        strings.Clone(p.Name),
		Node:        s.strings.get(p.Spec.NodeName),
		Owner:       Owner{Kind: s.strings.get(owner.Kind), Name: s.strings.get(owner.Name)},
		ConfigHash:  configHash(p),
		HostNetwork: p.Spec.HostNetwork,
		IPs:         podIPs(&p.Status),
		HostIPs:     hostIPs(&p.Status),
		Ports:       s.ports(&p.Spec),
		Labels:      s.labels(p.Labels),
		Annotations: s.annotations(p.Annotations),
		Deleting:    p.DeletionTimestamp != nil,
		Ended:       p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed,
	}
	if !p.CreationTimestamp.IsZero() {
		pod.Created = p.CreationTimestamp.Unix()
	}
	if s.keep.Containers {
		pod.Containers = s.containers(&p.Status)
		pod.OnlyContainer = s.onlyContainer(&p.Spec)
	}
	return pod, nil
}

// configHash returns the UID that the kubelet knows a static pod by: getPodHash (pkg/kubelet/pod/mirror_client.go)
// puts it into both annotations, and CreateMirrorPod makes the node the owner. Users could write all of that as well:
// [Pods.Lookup] believes a UID first.
func configHash(p *corev1.Pod) string {
	ref := metav1.GetControllerOfNoCopy(p)
	hash := p.Annotations[mirrorAnnotation]
	if ref == nil || ref.Kind != "Node" || hash != p.Annotations[hashAnnotation] {
		return ""
	}
	return strings.Clone(hash)
}

func podIPs(st *corev1.PodStatus) []netip.Addr {
	ips := make([]string, 0, 2)
	for _, ip := range st.PodIPs {
		ips = append(ips, ip.IP)
	}
	return addresses(append(ips, st.PodIP))
}

func hostIPs(st *corev1.PodStatus) []netip.Addr {
	ips := make([]string, 0, 2)
	for _, ip := range st.HostIPs {
		ips = append(ips, ip.IP)
	}
	return addresses(append(ips, st.HostIP))
}

// addresses parses each address once, and IPv4 as IPv4. The slice has no room to spare.
func addresses(ips []string) []netip.Addr {
	var room [4]netip.Addr
	addrs := room[:0]
next:
	for _, ip := range ips {
		addr, err := netip.ParseAddr(ip)
		if err != nil {
			continue // none yet, or "None"
		}
		addr = addr.Unmap().WithZone("")
		for _, other := range addrs {
			if addr == other {
				continue next
			}
		}
		addrs = append(addrs, addr)
	}
	if len(addrs) == 0 {
		return nil
	}
	return append(make([]netip.Addr, 0, len(addrs)), addrs...)
}

// ports are those that can be a service's target: FindPort (k8s.io/endpointslice/utils.go) looks through the same
// containers.
func (s *stripper) ports(spec *corev1.PodSpec) []Port {
	var ports []Port
	add := func(c *corev1.Container) {
		for i := range c.Ports {
			p := &c.Ports[i]
			if number := port(p.ContainerPort); number != 0 && isTCP(p.Protocol) {
				ports = append(ports, Port{Name: s.strings.get(p.Name), Number: number})
			}
		}
	}
	for i := range spec.Containers {
		add(&spec.Containers[i])
	}
	for i := range spec.InitContainers {
		c := &spec.InitContainers[i]
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			add(c)
		}
	}
	return ports
}

func (s *stripper) labels(all map[string]string) map[string]string {
	if s.keep.AllLabels {
		return s.cloneMap(all)
	}
	return s.choose(all, s.keep.Labels)
}

func (s *stripper) annotations(all map[string]string) map[string]string {
	return s.choose(all, s.keep.Annotations)
}

func (s *stripper) choose(all map[string]string, names []string) map[string]string {
	var kept map[string]string
	for _, name := range names {
		value, ok := all[name]
		if !ok {
			continue
		}
		if kept == nil {
			kept = make(map[string]string)
		}
		if len(value) > maxAnnotation {
			value = strings.ToValidUTF8(value[:maxAnnotation], "")
		}
		kept[name] = s.strings.get(value)
	}
	return kept
}

func (s *stripper) cloneMap(m map[string]string) map[string]string {
	if len(m) == 0 {
		return nil
	}
	clone := make(map[string]string, len(m))
	for name, value := range m {
		clone[s.strings.get(name)] = s.strings.get(value)
	}
	return clone
}

func (s *stripper) containers(st *corev1.PodStatus) map[string]string {
	var names map[string]string
	for _, list := range [][]corev1.ContainerStatus{st.InitContainerStatuses, st.ContainerStatuses, st.EphemeralContainerStatuses} {
		for i := range list {
			c := &list[i]
			ids := [...]string{c.ContainerID, endedID(&c.State), endedID(&c.LastTerminationState)}
			for _, id := range ids {
				if _, bare, ok := strings.Cut(id, "://"); ok && bare != "" {
					if names == nil {
						names = make(map[string]string)
					}
					names[strings.Clone(bare)] = s.strings.get(c.Name)
				}
			}
		}
	}
	return names
}

func endedID(state *corev1.ContainerState) string {
	if state.Terminated == nil {
		return ""
	}
	return state.Terminated.ContainerID
}

func (s *stripper) onlyContainer(spec *corev1.PodSpec) string {
	if len(spec.Containers) != 1 || len(spec.InitContainers)+len(spec.EphemeralContainers) > 0 {
		return ""
	}
	return s.strings.get(spec.Containers[0].Name)
}

// service refuses what cannot be told from other services, and nothing else.
func (s *stripper) service(obj runtime.Object) (*Service, error) {
	v, ok := obj.(*corev1.Service)
	switch {
	case !ok:
		return nil, errType
	case v.UID == "" || v.Name == "":
		return nil, errNoID
	}
	svc := &Service{
		UID:       strings.Clone(string(v.UID)),
		Namespace: s.strings.get(v.Namespace),
		Name:      s.strings.get(v.Name),
	}
	if v.Spec.Type == corev1.ServiceTypeExternalName {
		return svc, nil // a name in the DNS: no address, and no endpoints whatever its selector
	}
	svc.IPs = serviceIPs(v)
	svc.Selector = s.cloneMap(v.Spec.Selector)
	for i := range v.Spec.Ports {
		p := &v.Spec.Ports[i]
		if number := port(p.Port); number != 0 && isTCP(p.Protocol) {
			sp := ServicePort{Port: number, NodePort: port(p.NodePort), Target: number}
			switch target := &p.TargetPort; {
			case target.Type == intstr.String:
				sp.Target, sp.TargetName = 0, s.strings.get(target.StrVal)
			case target.IntVal != 0:
				sp.Target = port(target.IntVal)
			}
			svc.Ports = append(svc.Ports, sp)
		}
	}
	return svc, nil
}

func serviceIPs(v *corev1.Service) []netip.Addr {
	ips := append([]string{v.Spec.ClusterIP}, v.Spec.ClusterIPs...)
	ips = append(ips, v.Spec.ExternalIPs...)
	for i := range v.Status.LoadBalancer.Ingress {
		ips = append(ips, v.Status.LoadBalancer.Ingress[i].IP)
	}
	return addresses(ips)
}

// isTCP knows that TCP is the default.
func isTCP(p corev1.Protocol) bool { return p == corev1.ProtocolTCP || p == "" }

// port returns 0 for what is no port.
func port(n int32) uint16 {
	if n < 0 || n > 65535 {
		return 0
	}
	return uint16(n)
}
