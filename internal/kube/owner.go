package kube

import (
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// latest is how long after the minute that a CronJob wrote into a Job's name a pod of that Job may be made: it may be a
// second try, wait in a queue (spec.suspend), or make up for a schedule that was missed. What is longer ago is taken
// for a number that somebody else chose, as that of a build.
const latest = 30 * 24 * time.Hour

const (
	// rolloutHash is the label that Argo Rollouts give their ReplicaSets and pods in place of pod-template-hash
	// (DefaultRolloutUniqueLabelKey of pkg/apis/rollouts/v1alpha1).
	rolloutHash = "rollouts-pod-template-hash"
	// deploymentConfig is the annotation that OpenShift's DeploymentConfigs give their ReplicationControllers and pods
	// (DeploymentConfigAnnotation of github.com/openshift/api/apps/v1).
	deploymentConfig = "openshift.io/deployment-config.name"
)

// ownerOf tells the workload of a pod without asking for its owners: controllers make the names of what they own
// from their own.
func ownerOf(p *corev1.Pod) Owner {
	ref := metav1.GetControllerOfNoCopy(p)
	if ref == nil {
		return Owner{"Pod", p.Name}
	}
	group, _, _ := strings.Cut(ref.APIVersion, "/")
	switch {
	case group == "apps" && ref.Kind == "ReplicaSet":
		if name, ok := templateOf(ref.Name, p.Labels[rolloutHash]); ok {
			return Owner{"Rollout", name}
		}
		if name, ok := templateOf(ref.Name, p.Labels["pod-template-hash"]); ok {
			return Owner{"Deployment", name}
		}
	case group == "batch" && ref.Kind == "Job":
		if name, ok := cronJobOf(ref.Name, p.CreationTimestamp.Time); ok {
			return Owner{"CronJob", name}
		}
	case group == "v1" && ref.Kind == "ReplicationController":
		if name, ok := deploymentConfigOf(ref.Name, p.Annotations[deploymentConfig]); ok {
			return Owner{"DeploymentConfig", name}
		}
	case group == "v1" && ref.Kind == "Node":
		return Owner{"Pod", staticName(p.Name, ref.Name)}
	}
	return Owner{ref.Kind, ref.Name}
}

// templateOf undoes generateReplicaSetName (pkg/controller/deployment/sync.go), which joins the Deployment's name
// and the hash that its pods have as label pod-template-hash. Names of more than 240 bytes stay cut. Rollouts do the same
// with a label of their own (createDesiredReplicaSet of rollout/sync.go).
func templateOf(replicaSet, hash string) (string, bool) {
	if hash == "" {
		return "", false
	}
	name, ok := strings.CutSuffix(replicaSet, "-"+hash)
	return name, ok && name != ""
}

// deploymentConfigOf returns the name that a pod has in an annotation, if its controller's name is that and a version:
// LatestDeploymentNameForConfig (pkg/apps/util of OpenShift) joins them. Whoever makes pods could write the annotation as well.
func deploymentConfigOf(controller, name string) (string, bool) {
	version, ok := strings.CutPrefix(controller, name+"-")
	if name == "" || !ok {
		return "", false
	}
	_, err := strconv.ParseUint(version, 10, 63)
	return name, err == nil
}

// cronJobOf undoes getJobName (pkg/controller/cronjob/cronjob_controllerv2.go), which joins the CronJob's name and
// the scheduled time in minutes since 1970. The Job itself, whose owner reference would tell, is not read. So
// a number is taken for a schedule if it is a minute within latest before the pod was created and a day after (clocks
// differ): seconds, dates and numbers of builds are not.
func cronJobOf(job string, created time.Time) (string, bool) {
	i := strings.LastIndexByte(job, '-')
	if i <= 0 {
		return "", false
	}
	minute, err := strconv.ParseInt(job[i+1:], 10, 32)
	if err != nil {
		return "", false
	}
	late := created.Sub(time.Unix(minute*60, 0))
	return job[:i], late <= latest && late >= -24*time.Hour
}

// staticName undoes generatePodName (pkg/kubelet/config/common.go), which joins the name in the manifest and the
// node's name in lower case.
func staticName(pod, node string) string {
	if name, ok := strings.CutSuffix(pod, "-"+strings.ToLower(node)); ok && name != "" {
		return name
	}
	return pod
}
