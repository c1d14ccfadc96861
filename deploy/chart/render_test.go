package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/yaml"
)

const (
	root      = "../.."
	release   = "fathom"
	namespace = "observe" // not that of the manifest
)

// helm runs Helm, which scripts/chart.sh builds.
func helm(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	program := os.Getenv("HELM")
	if program == "" {
		program = filepath.Join(root, "bin/helm")
	}
	if _, err := os.Stat(program); err != nil {
		t.Skip("no Helm: run scripts/chart.sh verify, which builds it")
	}
	cmd := exec.Command(program, args...)
	for _, kind := range []string{"CACHE", "CONFIG", "DATA"} {
		cmd.Env = append(cmd.Environ(), "HELM_"+kind+"_HOME="+t.TempDir())
	}
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	err = cmd.Run()
	return out.String(), complaint.String(), err
}

// render renders the chart with a values file.
func render(t *testing.T, values string, args ...string) (string, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(file, []byte(values), 0o600); err != nil {
		t.Fatal(err)
	}
	args = append([]string{"template", release, filepath.Join(root, "deploy/helm/fathom"), "--namespace", namespace, "--values", file}, args...)
	out, complaint, err := helm(t, args...)
	if err != nil {
		return "", errors.New(complaint)
	}
	return out, nil
}

// objects are what is installed.
type objects []runtime.Object

// mustRender renders and decodes the chart.
func mustRender(t *testing.T, values string, args ...string) objects {
	t.Helper()
	text, err := render(t, values, args...)
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, text)
}

// decode decodes as an API server does that refuses unknown and repeated fields. Of kinds that Kubernetes does
// not have itself the fields are not known.
func decode(t *testing.T, text string) (all objects) {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		corev1.AddToScheme, appsv1.AddToScheme, policyv1.AddToScheme, networkingv1.AddToScheme, rbacv1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	documents := yaml.NewDocumentDecoder(io.NopCloser(bytes.NewReader([]byte(text))))
	defer documents.Close()
	buffer := make([]byte, 1<<20)
	for {
		n, err := documents.Read(buffer)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		object, _, err := decoder.Decode(buffer[:n], nil, nil)
		if runtime.IsNotRegisteredError(err) {
			u := new(unstructured.Unstructured)
			err = yaml.Unmarshal(buffer[:n], &u.Object)
			object = u
		}
		if runtime.IsMissingKind(err) && len(bytes.TrimSpace(bytes.TrimPrefix(buffer[:n], []byte("---")))) == 0 {
			continue // nothing between two separators
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, buffer[:n])
		}
		all = append(all, object)
	}
}

// get returns the objects of a type, by name.
func get[T runtime.Object](all objects) map[string]T {
	found := make(map[string]T)
	for _, object := range all {
		if o, ok := object.(T); ok {
			found[name(object)] = o
		}
	}
	return found
}

// one returns the object of a type and name.
func one[T runtime.Object](t *testing.T, all objects, name string) T {
	t.Helper()
	object, ok := get[T](all)[name]
	if !ok {
		t.Fatalf("no %T %s", object, name)
	}
	return object
}

func name(object runtime.Object) string {
	if o, ok := object.(interface{ GetName() string }); ok {
		return o.GetName()
	}
	return ""
}

// agentOf returns the agent's pods and its container.
func agentOf(t *testing.T, all objects) (*corev1.PodTemplateSpec, *corev1.Container) {
	t.Helper()
	pod := &one[*appsv1.DaemonSet](t, all, "fathom-agent").Spec.Template
	return pod, &pod.Spec.Containers[0]
}

func directoryOf(t *testing.T, all objects) (*corev1.PodTemplateSpec, *corev1.Container) {
	t.Helper()
	pod := &one[*appsv1.Deployment](t, all, "fathom-directory").Spec.Template
	return pod, &pod.Spec.Containers[0]
}

// environment returns the variables that have a value in the container.
func environment(c *corev1.Container) map[string]string {
	values := make(map[string]string)
	for _, e := range c.Env {
		values[e.Name] = e.Value
	}
	return values
}
