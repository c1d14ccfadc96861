package kube

import (
	"errors"
	"fmt"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Connect reads how to reach the API server: from a kubeconfig file or, if there is none, as the pod's service
// account. It sends nothing. The caller sets the user agent.
func Connect(kubeconfig string) (*rest.Config, error) {
	if kubeconfig == "" {
		return connectAsPod()
	}
	rules := &clientcmd.ClientConfigLoadingRules{ExplicitPath: kubeconfig}
	cfg, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil).ClientConfig()
	if clientcmd.IsEmptyConfig(err) {
		return nil, fmt.Errorf("kubeconfig %s has no current context with a cluster: choose one with kubectl config use-context", kubeconfig)
	}
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig %s: %w", kubeconfig, err)
	}
	return cfg, nil
}

func connectAsPod() (*rest.Config, error) {
	cfg, err := rest.InClusterConfig()
	switch {
	case errors.Is(err, rest.ErrNotInCluster):
		return nil, errors.New("not in a pod (KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set): give a kubeconfig file")
	case err != nil:
		return nil, fmt.Errorf("read the pod's service account (is automountServiceAccountToken false?): %w", err)
	}
	return cfg, nil
}
