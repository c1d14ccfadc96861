package cluster

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The API server stands still for a minute under load: nothing is lost, and all labels are right afterwards.
func TestAPIServerStopped(t *testing.T) {
	signal := os.Getenv("FATHOM_APISERVER_SIGNAL")
	if signal == "" {
		t.Skip("there is no FATHOM_APISERVER_SIGNAL: this cluster's API server cannot be stopped")
	}
	tell := func(what string) {
		t.Helper()
		if out, err := exec.Command("sh", "-c", signal+" "+what).CombinedOutput(); err != nil {
			t.Fatalf("%s %s: %v: %s", signal, what, err, out)
		}
	}
	c := newChain(t)
	// Those for 90 seconds are made while the server stands still.
	c.loadAll("n=9000&connections=4&pause=40ms&background=1")
	t.Cleanup(func() { _ = exec.Command("sh", "-c", signal+" CONT").Run() })
	tell("STOP")
	time.Sleep(time.Minute)
	tell("CONT")
	c.eventually("the load ends", func() string {
		var done int64
		for _, pod := range c.pods(c.namespace, "app=front") {
			did, err := c.truth(pod)
			if err != nil {
				return err.Error()
			}
			done += did.Made + did.Failed
		}
		return equal("requests", done, 18000)
	})
	c.mustMatch("afterwards")
	// A pod that is new then gets its name as ever.
	if err := c.api.CoreV1().Pods(c.namespace).Delete(c.Context(), c.pods(c.namespace, "app=back")[0].Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	c.running("back", 2)
	c.loadAll("n=100&connections=2")
	c.eventually("new pod", func() string { return c.servedBy("back") })
}

// What is installed is not privileged.
func TestPrivileges(t *testing.T) {
	c := newCluster(t)
	pods := c.pods(c.fathom, "app.kubernetes.io/name=fathom")
	if len(pods) == 0 {
		t.Fatalf("nothing runs in namespace %s", c.fathom)
	}
	for _, pod := range pods {
		for _, container := range pod.Spec.Containers {
			s := container.SecurityContext
			switch {
			case s == nil || s.Capabilities == nil || len(s.Capabilities.Drop) != 1 || s.Capabilities.Drop[0] != "ALL":
				t.Errorf("%s does not drop all capabilities first", pod.Name)
			case s.Privileged != nil && *s.Privileged:
				t.Errorf("%s is privileged", pod.Name)
			case s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem:
				t.Errorf("%s may write to its root file system", pod.Name)
			case s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation:
				t.Errorf("%s may get more privileges", pod.Name)
			}
			for _, m := range container.VolumeMounts {
				if hostPath(pod, m.Name) && !m.ReadOnly {
					t.Errorf("%s: %s of the host is writable", pod.Name, m.MountPath)
				}
			}
			t.Logf("%s: %v", pod.Name, s.Capabilities.Add)
		}
	}
}

// Without any one of its capabilities the doctor names it, and what breaks.
func TestEachCapabilityIsNeeded(t *testing.T) {
	c := newCluster(t)
	agents := c.pods(c.fathom, "app.kubernetes.io/component=agent")
	if len(agents) == 0 {
		t.Fatalf("no agents run in namespace %s", c.fathom)
	}
	agent := agents[0].Spec.Containers[0]
	held := agent.SecurityContext.Capabilities.Add
	doctor := []string{"doctor"}
	if c.readsTLS() {
		doctor = append(doctor, "--tls")
	}
	for _, missing := range held {
		t.Run(string(missing), func(t *testing.T) {
			security := agent.SecurityContext.DeepCopy()
			security.Capabilities.Add = slices.DeleteFunc(slices.Clone(held), func(c corev1.Capability) bool { return c == missing })
			pod := must(c.api.CoreV1().Pods(c.namespace).Create(c.Context(), &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{GenerateName: "doctor-"},
				Spec: corev1.PodSpec{
					RestartPolicy: corev1.RestartPolicyNever,
					Containers: []corev1.Container{{
						Name: "doctor", Image: agent.Image, ImagePullPolicy: agent.ImagePullPolicy, Args: doctor, SecurityContext: security,
					}},
				},
			}, metav1.CreateOptions{}))
			var status *corev1.ContainerStateTerminated
			c.eventually("the doctor ends", func() string {
				now := must(c.api.CoreV1().Pods(c.namespace).Get(c.Context(), pod.Name, metav1.GetOptions{}))
				if len(now.Status.ContainerStatuses) == 0 || now.Status.ContainerStatuses[0].State.Terminated == nil {
					return "it is " + string(now.Status.Phase)
				}
				status = now.Status.ContainerStatuses[0].State.Terminated
				return ""
			})
			text := string(must(c.api.CoreV1().Pods(c.namespace).GetLogs(pod.Name, &corev1.PodLogOptions{}).DoRaw(c.Context())))
			if status.ExitCode == 0 || !regexp.MustCompile(`(missing CAP_`+string(missing)+`\b|GAP +CAP_`+string(missing)+` +missing)`).MatchString(text) {
				t.Errorf("exit status %d, says:\n%s", status.ExitCode, text)
			}
		})
	}
}

func hostPath(pod corev1.Pod, name string) bool {
	for _, v := range pod.Spec.Volumes {
		if v.Name == name {
			return v.HostPath != nil
		}
	}
	return false
}
