package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

const (
	namespace  = "fathom-bench"
	nameOfNode = "fathom-bench-%d"
	atOnce     = 32 // requests
)

// cluster is what is made.
type cluster struct {
	api kubernetes.Interface
	o   options
}

// podIP is unique for numbers below 2^24.
func podIP(i int) string { return fmt.Sprintf("10.%d.%d.%d", 1+i>>16, i>>8&255, i&255) }

// make makes nodes, pods with their status, and services.
func (c *cluster) make(ctx context.Context) error {
	core := c.api.CoreV1()
	if _, err := core.Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{}); err != nil {
		return err
	}
	_, err := core.ServiceAccounts(namespace).Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) { // the controller may have been first
		return err
	}
	if err := each(ctx, c.o.nodes, func(i int) error {
		_, err := core.Nodes().Create(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf(nameOfNode, i)}}, metav1.CreateOptions{})
		return err
	}); err != nil {
		return err
	}
	if err := each(ctx, c.o.services, func(i int) error {
		_, err := core.Services(namespace).Create(ctx, &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("service-%d", i)},
			Spec:       corev1.ServiceSpec{Selector: app(i), Ports: []corev1.ServicePort{{Port: 80}}},
		}, metav1.CreateOptions{})
		return err
	}); err != nil {
		return err
	}
	return each(ctx, c.o.pods, func(i int) error { return c.pod(ctx, i, podIP(i)) })
}

func app(i int) map[string]string {
	return map[string]string{"app.kubernetes.io/name": fmt.Sprintf("app-%d", i), "pod-template-hash": "5d4f7c9b8"}
}

// pod makes a pod of a Deployment as a kubelet would report it.
func (c *cluster) pod(ctx context.Context, i int, ip string) error {
	owner := i % c.o.services
	pods := c.api.CoreV1().Pods(namespace)
	made, err := pods.Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			GenerateName: fmt.Sprintf("app-%d-5d4f7c9b8-", owner), Labels: app(owner),
			Annotations: map[string]string{"prometheus.io/scrape": "true", "checksum/config": "3f1b6c0d9e8a7f5c4b3a29181716151413121110f0e0d0c0b0a0908070605040"},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: "apps/v1", Kind: "ReplicaSet", Name: fmt.Sprintf("app-%d-5d4f7c9b8", owner), UID: "00000000-0000-4000-8000-000000000000", Controller: new(true),
			}},
		},
		Spec: corev1.PodSpec{
			NodeName:    fmt.Sprintf(nameOfNode, i%c.o.nodes),
			Tolerations: []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
			Containers:  []corev1.Container{{Name: "app", Image: "none", Ports: []corev1.ContainerPort{{ContainerPort: 80}}}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	status, err := json.Marshal(map[string]any{"status": corev1.PodStatus{
		Phase: corev1.PodRunning, PodIP: ip, PodIPs: []corev1.PodIP{{IP: ip}}, HostIP: fmt.Sprintf("192.168.%d.%d", i%c.o.nodes>>8, i%c.o.nodes&255),
		ContainerStatuses: []corev1.ContainerStatus{{Name: "app", ContainerID: fmt.Sprintf("containerd://%064x", i)}},
	}})
	if err != nil {
		return err
	}
	_, err = pods.Patch(ctx, made.Name, types.MergePatchType, status, metav1.PatchOptions{}, "status")
	return err
}

// remove removes everything again.
func (c *cluster) remove() {
	ctx := context.Background()
	none := metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))}
	_ = c.api.CoreV1().Pods(namespace).DeleteCollection(ctx, none, metav1.ListOptions{})
	_ = c.api.CoreV1().Namespaces().Delete(ctx, namespace, none)
	_ = each(ctx, c.o.nodes, func(i int) error {
		return c.api.CoreV1().Nodes().Delete(ctx, fmt.Sprintf(nameOfNode, i), none)
	})
}

// each calls f for 0 to n-1, several at a time, and says how far it is.
func each(ctx context.Context, n int, f func(i int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	var done atomic.Int64
	for i := range n {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error {
			if k := done.Add(1); k%5000 == 0 {
				fmt.Println(k, "made")
			}
			return f(i)
		})
	}
	return g.Wait()
}
