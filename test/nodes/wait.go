package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// patience is for every step of what starts: far more than any takes on a machine that does something else as well.
const patience = 3 * time.Minute

// await calls f until it returns no error, and otherwise tells the last one.
func await(ctx context.Context, what string, f func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var last error
	for {
		err := f(limited)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case limited.Err() != nil:
			return fmt.Errorf("%s: not within %s: %w", what, patience, errors.Join(last, err))
		}
		last = err
		select {
		case <-limited.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// client returns one of the API server, with all rights.
func (c *cluster) client() (kubernetes.Interface, error) {
	config, err := clientcmd.BuildConfigFromFlags("", c.kubeconfigFile("admin"))
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst = 100, 100
	config.Timeout = 10 * time.Second
	config.Proxy = func(*http.Request) (*url.URL, error) { return nil, nil } //nolint:nilnil // as net/http wants it
	return kubernetes.NewForConfig(config)
}

func serverReady(ctx context.Context, api kubernetes.Interface) error {
	return api.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
}

// nodesReady is when all nodes run pods, and pods may be made.
func (c *cluster) nodesReady(ctx context.Context, api kubernetes.Interface) error {
	for i := 1; i <= c.Nodes; i++ {
		node, err := api.CoreV1().Nodes().Get(ctx, nodeName(i), metav1.GetOptions{})
		if err != nil {
			return fmt.Errorf("%w; see %s", err, c.logFile(c.kubelet(i).name))
		}
		if err := ready(node); err != nil {
			return fmt.Errorf("%w; see %s", err, c.logFile(c.kubelet(i).name))
		}
	}
	_, err := api.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
	if err != nil {
		err = fmt.Errorf("%w; see %s", err, c.logFile(c.controllerManager().name))
	}
	return err
}

func ready(node *corev1.Node) error {
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			if condition.Status == corev1.ConditionTrue {
				return nil
			}
			return fmt.Errorf("%s is not ready: %s", node.Name, condition.Message)
		}
	}
	return fmt.Errorf("%s has not said that it is ready", node.Name)
}
