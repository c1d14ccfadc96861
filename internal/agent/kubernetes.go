package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/fathomhq/fathom/internal/config"
	"github.com/fathomhq/fathom/internal/kube"
	"github.com/fathomhq/fathom/internal/peer"
	"github.com/fathomhq/fathom/internal/workload"
)

// hostNet is where the kernel shows the network of the host's first process: the agent shares its process ids, and has
// a network of its own.
const hostNet = "/proc/1/net"

// cluster is what an agent asks Kubernetes.
type cluster struct {
	pods  *kube.Pods
	peers *peer.Resolver
	node  string

	directory bool // there is one
}

// newCluster returns what knows the pods of this node and those that they talk to; nil if the agent is not to ask.
func newCluster(c config.Agent, version string, log *slog.Logger) (*cluster, error) {
	if !c.Enabled() {
		return nil, nil
	}
	server, err := kube.Connect(c.Kubeconfig)
	if err != nil {
		return nil, err
	}
	server.UserAgent = "fathom/" + version
	node, err := nodeName(c)
	if err != nil {
		return nil, err
	}
	pods, err := kube.NewPods(server, kube.PodsOptions{
		Node: node, Labels: c.PodLabels, Annotations: c.PodAnnotations,
		Grace: 2 * c.GracePeriod, // longer than their series live
		Log:   log,
	})
	if err != nil {
		return nil, err
	}
	o := peer.Options{Pods: neighbours{pods}, HostNet: hostNet, MaxAddresses: 2 * c.MaxPeers, Logger: log}
	for _, n := range c.Networks {
		o.Networks = append(o.Networks, peer.Network{Prefix: n.Prefix, Name: n.Name})
	}
	if c.DirectoryAddress != "" {
		o.Directory = &peer.Directory{
			Addresses: []string{c.DirectoryAddress}, CA: c.DirectoryCAFile,
			Certificate: c.DirectoryCertFile, Key: c.DirectoryKeyFile, Token: c.DirectoryTokenFile,
		}
	}
	peers, err := peer.NewResolver(o)
	if err != nil {
		return nil, err
	}
	return &cluster{pods, peers, node, o.Directory != nil}, nil
}

// run follows the API server and the directory until ctx ends.
func (k *cluster) run(ctx context.Context) error {
	if k == nil {
		return nil
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return k.pods.Run(ctx) })
	group.Go(func() error { k.peers.Run(ctx); return nil })
	return group.Wait()
}

// ready is nil when the pods of this node were read once.
func (k *cluster) ready() error {
	if k == nil {
		return nil
	}
	s := k.pods.Status()
	switch {
	case s.Synced:
		return nil
	case s.Err != nil:
		return fmt.Errorf("the pods of this node are not known yet: %w", s.Err)
	}
	return errors.New("the pods of this node are not known yet")
}

// neighbours are the pods of this node as peers.
type neighbours struct{ pods *kube.Pods }

// Peer is part of [peer.Pods].
func (n neighbours) Peer(a netip.AddrPort) (peer.Peer, bool) {
	pod := n.pods.ByIP(a.Addr())
	if pod == nil {
		return peer.Peer{}, false
	}
	return peer.Peer{Namespace: pod.Namespace, Workload: pod.Owner.Name}, true
}

// nodeName is what the kubelet calls itself, too, unless it was told otherwise.
func nodeName(c config.Agent) (string, error) {
	if c.NodeName != "" {
		return c.NodeName, nil
	}
	name, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("the name of this node: %w; set --node-name", err)
	}
	return name, nil
}

// namer finds pods for workloads.
type namer struct {
	pods                *kube.Pods
	labels, annotations []string
}

// Find is part of [workload.Pods].
func (n namer) Find(uid, containerID string) (workload.Pod, bool) {
	found := n.pods.Lookup(uid, containerID)
	if found.Pod == nil {
		return workload.Pod{}, false
	}
	pod := workload.Pod{
		Namespace: found.Pod.Namespace, Name: found.Pod.Name, Owner: found.Pod.Owner.Name, Kind: found.Pod.Owner.Kind,
	}
	if containerID != "" {
		pod.Container = found.Container
	}
	for _, name := range n.labels {
		pod.Chosen = append(pod.Chosen, found.Pod.Labels[name])
	}
	for _, name := range n.annotations {
		pod.Chosen = append(pod.Chosen, found.Pod.Annotations[name])
	}
	return pod, true
}

// chosenLabels are the names that the chosen labels and annotations of pods have in metrics.
func chosenLabels(c config.Agent) (names []string) {
	for _, name := range c.PodLabels {
		names = append(names, config.MetricLabel("label_", name))
	}
	for _, name := range c.PodAnnotations {
		names = append(names, config.MetricLabel("annotation_", name))
	}
	return names
}

// shown tells which pods the user wants to see; all that is no pod is shown.
func shown(c config.Agent) func(workload.Labels) bool {
	if len(c.Include) == 0 && len(c.Exclude) == 0 {
		return nil
	}
	return func(l workload.Labels) bool {
		match := func(p config.Pattern) bool { return p.Match(l.Namespace, l.Workload) }
		return l.Pod == "" || (len(c.Include) == 0 || slices.ContainsFunc(c.Include, match)) && !slices.ContainsFunc(c.Exclude, match)
	}
}
