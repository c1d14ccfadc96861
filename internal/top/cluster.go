package top

import (
	"context"
	"net/url"
	"sync"
	"time"

	"github.com/fathomhq/fathom/internal/kube"
)

// findAgain is how often the agents of a cluster are looked for.
const findAgain = 30 * time.Second

// Cluster says which agents to ask through an API server.
type Cluster struct {
	// Kubeconfig and Context are as kubectl's.
	Kubeconfig, Context string
	// AgentNamespace is where the agents run; empty: anywhere.
	AgentNamespace string
	// Namespace is that of the workloads; empty: all.
	Namespace string
}

// Source returns a source with all agents of the cluster.
func (c Cluster) Source() (*Source, error) {
	cfg, name, err := kube.ConnectAsUser(c.Kubeconfig, c.Context)
	if err != nil {
		return nil, err
	}
	cfg.UserAgent = "fathom-top"
	agents, err := kube.NewAgents(cfg, c.AgentNamespace)
	if err != nil {
		return nil, err
	}
	f := &finder{list: agents.List}
	return &Source{Name: name, Find: f.find, Namespace: c.Namespace, Cluster: true}, nil
}

// finder remembers the agents for a while.
type finder struct {
	list func(context.Context) ([]kube.Agent, error)

	mu    sync.Mutex
	known []Endpoint
	at    time.Time
}

func (f *finder) find(ctx context.Context) ([]Endpoint, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if time.Since(f.at) < findAgain {
		return f.known, nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	agents, err := f.list(ctx)
	if err != nil {
		return nil, err
	}
	f.known = f.known[:0:0]
	for _, a := range agents {
		f.known = append(f.known, Endpoint{Node: a.Node, Pod: a.Pod, Get: func(ctx context.Context, path string, query url.Values) ([]byte, error) {
			return a.Get(ctx, path, query, MaxAnswer)
		}})
	}
	f.at = time.Now()
	return f.known, nil
}
