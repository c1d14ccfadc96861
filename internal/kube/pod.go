// Package kube knows Kubernetes' pods and services: it reads from the API server what Fathom needs of
// them and nothing else, and keeps it small.
package kube

import "net/netip"

// Pod is what is kept of a pod. It is not changed once it is made.
type Pod struct {
	UID       string
	Namespace string
	Name      string
	Node      string // spec.nodeName
	Owner     Owner  // who made it, as far as its owner references and labels tell

	// ConfigHash is what the cgroups of a static pod are named after instead of the UID (annotation
	// kubernetes.io/config.mirror); empty for others.
	ConfigHash string
	// Containers are the names of the containers by their ids, without the runtime's prefix: those that run and those
	// that ran before, init and ephemeral ones too. The kubelet reports them some time after they started.
	Containers map[string]string
	// OnlyContainer is the name of the one container of a pod that has no other of any kind.
	OnlyContainer string

	HostNetwork bool
	IPs         []netip.Addr
	HostIPs     []netip.Addr
	// Ports are those that the containers declare, TCP only.
	Ports []Port
	// Labels and Annotations are those that a [Strip] keeps, by name.
	Labels      map[string]string
	Annotations map[string]string

	Created int64 // metadata.creationTimestamp in seconds since 1970
	// Deleting tells that the pod was told to end. As long as it is not [Pod.Ended] it may still be at work.
	Deleting bool
	// Ended tells that all containers have ended for good: its address may be another pod's by now.
	Ended bool
}

// Owner is the workload that a pod belongs to.
type Owner struct {
	Kind string // as its API writes it: Deployment, StatefulSet, DaemonSet, CronJob, Job, Rollout, DeploymentConfig, Pod, ...
	Name string
}

// Port is a port that a container declares.
type Port struct {
	Name   string
	Number uint16
}

// Service is what is kept of a service.
type Service struct {
	UID       string
	Namespace string
	Name      string
	IPs       []netip.Addr // cluster, external and load balancer addresses; none for a headless service
	Selector  map[string]string
	Ports     []ServicePort // TCP only
}

// ServicePort is a port of a service.
type ServicePort struct {
	Port     uint16
	NodePort uint16 // 0 if it has none
	// Target is where the pods listen; if TargetName is not empty, at the port that they declare under that name.
	Target     uint16
	TargetName string
}
