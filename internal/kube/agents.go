package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// agentSelector chooses the agents' pods by the labels that the chart gives them, whatever they are called.
const agentSelector = "app.kubernetes.io/part-of=fathom,app.kubernetes.io/component=agent"

// agentPort is the name of their port.
const agentPort = "metrics"

// maxAgents bounds the pods that are asked for at one time: those of one page.
const maxAgents = 500

// ConnectAsUser reads how kubectl would reach the API server: from a file or, if it is empty, from those of $KUBECONFIG, or ~/.kube/config. An
// empty context is the current one. It sends nothing, and returns the context's name too.
func ConnectAsUser(kubeconfig, context string) (*rest.Config, string, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = kubeconfig
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: context})
	cfg, err := loader.ClientConfig()
	if clientcmd.IsEmptyConfig(err) {
		return nil, "", errors.New("there is no kubeconfig: set KUBECONFIG, or give a file with --kubeconfig")
	}
	if err != nil {
		return nil, "", fmt.Errorf("read the kubeconfig: %w", err)
	}
	if raw, err := loader.RawConfig(); err == nil && context == "" {
		context = raw.CurrentContext
	}
	return cfg, context, nil
}

// Agents finds Fathom's agents in a cluster and asks them, through the API server.
type Agents struct {
	client    *rest.RESTClient
	namespace string
}

// Agent is the pod of an agent.
type Agent struct {
	Namespace, Pod, Node string
	scheme               string
	port                 int32
	client               *rest.RESTClient
}

// NewAgents returns the agents in a namespace; empty: in all.
func NewAgents(cfg *rest.Config, namespace string) (*Agents, error) {
	client, err := newClient(cfg)
	if err != nil {
		return nil, err
	}
	return &Agents{client, namespace}, nil
}

// List returns the agents that run, in the order of their nodes. It needs the right to list pods.
func (a *Agents) List(ctx context.Context) ([]Agent, error) {
	var agents []Agent
	next := ""
	for {
		var pods corev1.PodList
		r := a.client.Get().Resource("pods").Param("labelSelector", agentSelector).Param("limit", fmt.Sprint(maxAgents))
		if a.namespace != "" {
			r = r.Namespace(a.namespace)
		}
		if next != "" {
			r = r.Param("continue", next)
		}
		if err := r.Do(ctx).Into(&pods); err != nil {
			return nil, explainAgents(err)
		}
		for i := range pods.Items {
			if p := &pods.Items[i]; p.Status.Phase == corev1.PodRunning {
				agents = append(agents, a.agent(p))
			}
		}
		if next = pods.Continue; next == "" {
			break
		}
	}
	if len(agents) == 0 {
		return nil, fmt.Errorf("no pod runs that has the labels of the chart's agents (%s): is Fathom installed in this cluster?", agentSelector)
	}
	slices.SortFunc(agents, func(x, y Agent) int { return strings.Compare(x.Node+"/"+x.Pod, y.Node+"/"+y.Pod) })
	return agents, nil
}

// agent reads from a pod how to ask it: its probes know whether it has TLS.
func (a *Agents) agent(p *corev1.Pod) Agent {
	agent := Agent{Namespace: p.Namespace, Pod: p.Name, Node: p.Spec.NodeName, scheme: "http", port: 10777, client: a.client}
	for i := range p.Spec.Containers {
		c := &p.Spec.Containers[i]
		for _, port := range c.Ports {
			if port.Name == agentPort {
				agent.port = port.ContainerPort
			}
		}
		if probe := c.ReadinessProbe; probe != nil && probe.HTTPGet != nil && probe.HTTPGet.Scheme == corev1.URISchemeHTTPS {
			agent.scheme = "https"
		}
	}
	return agent
}

// Get returns what the agent answers to a path, limit bytes of it at most. It needs the right to get pods/proxy.
func (a Agent) Get(ctx context.Context, path string, query url.Values, limit int64) ([]byte, error) {
	r := a.client.Get().Namespace(a.Namespace).Resource("pods").SubResource("proxy").
		Name(fmt.Sprintf("%s:%s:%d", a.scheme, a.Pod, a.port)).Suffix(path)
	for name, values := range query {
		for _, v := range values {
			r = r.Param(name, v)
		}
	}
	body, err := r.SetHeader("Accept", "application/json").Stream(ctx)
	if err != nil {
		return nil, explainAgents(err)
	}
	defer body.Close()
	return io.ReadAll(io.LimitReader(body, limit))
}

// explainAgents says what to do about a refusal.
func explainAgents(err error) error {
	switch {
	case apierrors.IsForbidden(err):
		return fmt.Errorf("not permitted: fathom top needs the rights to list pods and to get pods/proxy: %w", err)
	case apierrors.IsUnauthorized(err):
		return fmt.Errorf("the API server, or an agent with a password, does not know this user; passwords of agents cannot pass the API server's proxy, use kubectl port-forward and --address for those: %w", err)
	}
	return fmt.Errorf("ask through the API server: %w", err)
}
