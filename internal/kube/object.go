package kube

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// object is what goes through client-go's reflector in place of a whole pod or service: what was kept of it and what
// the reflector looks at. A bookmark has no value.
type object[T any] struct {
	value       T
	namespace   string
	name        string
	version     string
	annotations map[string]string // of a bookmark
}

// GetObjectMeta serves the reflector and its temporary store, which tell objects by namespace and name.
func (o *object[T]) GetObjectMeta() metav1.Object {
	return &metav1.ObjectMeta{Namespace: o.namespace, Name: o.name, ResourceVersion: o.version, Annotations: o.annotations}
}

// GetObjectKind is part of [runtime.Object].
func (*object[T]) GetObjectKind() schema.ObjectKind { return schema.EmptyObjectKind }

// DeepCopyObject is part of [runtime.Object]. Objects are not changed, so that they need no copy.
func (o *object[T]) DeepCopyObject() runtime.Object { return o }
