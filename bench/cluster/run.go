package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/fathomhq/fathom/internal/peer"
	"github.com/fathomhq/fathom/test/selfsigned"
)

const (
	agentsAddress = "127.0.0.1:20778"
	pagesAddress  = "127.0.0.1:20779"
	agentAddress  = "127.0.0.1:20777"
)

func run(ctx context.Context, o options) error {
	if o.kubeconfig == "" {
		return errors.New("there is no KUBECONFIG")
	}
	config, err := clientcmd.BuildConfigFromFlags("", o.kubeconfig)
	if err != nil {
		return err
	}
	config.QPS, config.Burst = -1, 0
	api, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	if o.part != "node" {
		if err := runDirectory(ctx, &cluster{api: api, o: o}); err != nil {
			return fmt.Errorf("directory: %w", err)
		}
	}
	if o.part != "directory" {
		if err := runNode(ctx, api, o); err != nil {
			return fmt.Errorf("node: %w", err)
		}
	}
	return nil
}

// runDirectory measures a directory, and one agent, in a big cluster.
func runDirectory(ctx context.Context, c *cluster) error {
	folder, err := os.MkdirTemp("", "fathom-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	if _, _, err := selfsigned.Write(folder); err != nil {
		return err
	}
	defer c.remove()
	began := time.Now()
	if err := c.make(ctx); err != nil {
		return fmt.Errorf("make the cluster: %w", err)
	}
	fmt.Printf("%d nodes, %d pods and %d services were made in %.0f s\n", c.o.nodes, c.o.pods, c.o.services, time.Since(began).Seconds())
	ctx, stop := context.WithCancel(ctx) // ends the processes
	defer stop()
	if err := c.counted(ctx, "directory", folder, func(p *proxy) error { return c.directory(ctx, folder, p) }); err != nil {
		return err
	}
	whose := fmt.Sprintf("agent of a node with %d pods", c.o.pods/c.o.nodes)
	return c.counted(ctx, whose, folder, func(p *proxy) error { return c.agent(ctx, p) })
}

// counted lets a process reach the API server through a proxy, and prints what it asked there.
func (c *cluster) counted(ctx context.Context, whose, folder string, f func(*proxy) error) error {
	p, err := newProxy(ctx, c.o.kubeconfig, filepath.Join(folder, "proxy.conf"))
	if err != nil {
		return err
	}
	defer p.close()
	before, err := c.requests(ctx)
	if err != nil {
		return err
	}
	if err := f(p); err != nil {
		return err
	}
	p.print(whose)
	after, err := c.requests(ctx)
	if err != nil {
		return err
	}
	for _, what := range slices.Sorted(maps.Keys(after)) {
		if n := after[what] - before[what]; n != 0 {
			fmt.Printf("%s: %+.0f %s at the API server\n", whose, n, what)
		}
	}
	return nil
}

// The processes live until ctx ends: their watches have to be open when requests are counted.
func (c *cluster) directory(ctx context.Context, folder string, p *proxy) error {
	d, err := start(ctx, "directory", "http://"+pagesAddress+"/readyz", c.o.fathom, directoryArguments(folder, p.kubeconfig)...)
	if err != nil {
		return err
	}
	d.print("with the cluster")
	p.print("directory")

	agents, err := c.startAgents(ctx, folder)
	if err != nil {
		return err
	}
	took, err := known(ctx, agents)
	if err != nil {
		return err
	}
	fmt.Printf("%d agents with %d addresses each: all known after %.2f s\n", c.o.agents, c.o.addresses, took.Seconds())
	d.print("with agents")
	if err := c.changes(ctx, agents); err != nil {
		return err
	}
	d.print("after changes")
	return nil
}

// agent starts one agent, for the pods of its own node.
func (c *cluster) agent(ctx context.Context, p *proxy) error {
	_, err := start(ctx, "agent", "http://"+agentAddress+"/readyz", c.o.fathom, "agent", "--kubeconfig="+p.kubeconfig,
		"--node-name="+fmt.Sprintf(nameOfNode, 0), "--web.listen-address="+agentAddress, "--log.level=warn")
	return err
}

func directoryArguments(folder, kubeconfig string) []string {
	file := func(name string) string { return filepath.Join(folder, name) }
	return []string{
		"directory", "--kubeconfig=" + kubeconfig, "--listen-address=" + agentsAddress, "--web.listen-address=" + pagesAddress, "--log.level=warn",
		"--tls.cert-file=" + file("tls.crt"), "--tls.key-file=" + file("tls.key"), "--tls.client-ca-file=" + file("tls.crt"),
	}
}

// startAgents starts the clients, and asks for what an agent's node would see: pods all over the cluster.
func (c *cluster) startAgents(ctx context.Context, folder string) ([]*peer.Resolver, error) {
	var agents []*peer.Resolver
	for range c.o.agents {
		r, err := peer.NewResolver(peer.Options{Directory: &peer.Directory{
			Addresses: []string{agentsAddress}, CA: filepath.Join(folder, "tls.crt"), Certificate: filepath.Join(folder, "tls.crt"), Key: filepath.Join(folder, "tls.key"),
		}})
		if err != nil {
			return nil, err
		}
		go r.Run(ctx)
		agents = append(agents, r)
	}
	return agents, c.ask(agents)
}

func (c *cluster) ask(agents []*peer.Resolver) error {
	for i, r := range agents {
		for k := range c.o.addresses {
			a, err := netip.ParseAddr(podIP((i*c.o.addresses + k) % c.o.pods))
			if err != nil {
				return err
			}
			r.Resolve(netip.AddrPortFrom(a, 0))
		}
	}
	return nil
}

// known waits until every agent has had an answer for each address.
func known(ctx context.Context, agents []*peer.Resolver) (time.Duration, error) {
	began := time.Now()
	for ; ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
		if !slices.ContainsFunc(agents, func(r *peer.Resolver) bool { s := r.Stats(); return s.Answers < uint64(s.Addresses) }) {
			return time.Since(began), nil
		}
		if time.Since(began) > time.Minute {
			return 0, errors.New("not all addresses become known")
		}
	}
	return 0, ctx.Err()
}

// changes lets addresses change hands that every agent follows, and prints how long that took to arrive.
func (c *cluster) changes(ctx context.Context, agents []*peer.Resolver) error {
	const rounds = 20
	var times []time.Duration
	for i := range rounds {
		ip := fmt.Sprintf("10.250.0.%d", i+1)
		a := netip.AddrPortFrom(netip.MustParseAddr(ip), 0)
		for _, r := range agents {
			r.Resolve(a)
		}
		time.Sleep(300 * time.Millisecond) // answered: nobody has it
		began := time.Now()
		if err := c.pod(ctx, c.o.pods+i, ip); err != nil {
			return err
		}
		want := fmt.Sprintf("app-%d", (c.o.pods+i)%c.o.services)
		for slices.ContainsFunc(agents, func(r *peer.Resolver) bool { return r.Resolve(a).Peer.Workload != want }) {
			if time.Since(began) > 10*time.Second {
				return fmt.Errorf("%s has not reached all agents within 10 s", ip)
			}
			time.Sleep(time.Millisecond)
		}
		times = append(times, time.Since(began))
	}
	slices.Sort(times)
	fmt.Printf("a new pod's address at all %d agents, the API server's two writes included: median %d ms, longest %d ms of %d\n",
		len(agents), times[rounds/2].Milliseconds(), times[rounds-1].Milliseconds(), rounds)
	return nil
}

// requests counts those for pods and services at the API server: lists, and watches that are open.
func (c *cluster) requests(ctx context.Context) (map[string]float64, error) {
	text, err := c.api.CoreV1().RESTClient().Get().AbsPath("/metrics").DoRaw(ctx)
	if err != nil {
		return nil, fmt.Errorf("metrics of the API server: %w", err)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("metrics of the API server: %w", err)
	}
	counts := map[string]float64{}
	for _, f := range []struct{ name, verb, what string }{
		{"apiserver_longrunning_requests", "WATCH", "open watches"},
		{"apiserver_request_total", "LIST", "lists"},
	} {
		for _, m := range families[f.name].GetMetric() {
			labels := map[string]string{}
			for _, l := range m.Label {
				labels[l.GetName()] = l.GetValue()
			}
			if r := labels["resource"]; labels["verb"] == f.verb && (r == "pods" || r == "services") {
				counts[f.what+" of "+r] += m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	return counts, nil
}
