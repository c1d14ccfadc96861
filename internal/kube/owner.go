package kube

import (
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// oldestSchedule is the earliest minute since 1970 that a CronJob can have written into a name: the start of 2016,
// the year when Kubernetes got them. It also tells minutes from dates: 20161231 as a minute is in 2008.
const oldestSchedule = 1451606400 / 60

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
		if name, ok := deploymentOf(ref.Name, p.Labels["pod-template-hash"]); ok {
			return Owner{"Deployment", name}
		}
	case group == "batch" && ref.Kind == "Job":
		if name, ok := cronJobOf(ref.Name, p.CreationTimestamp.Time); ok {
			return Owner{"CronJob", name}
		}
	case group == "v1" && ref.Kind == "Node":
		return Owner{"Pod", staticName(p.Name, ref.Name)}
	}
	return Owner{ref.Kind, ref.Name}
}

// deploymentOf undoes generateReplicaSetName (pkg/controller/deployment/sync.go), which joins the Deployment's name
// and the hash that its pods have as label pod-template-hash. Names of more than 240 bytes stay cut.
func deploymentOf(replicaSet, hash string) (string, bool) {
	if hash == "" {
		return "", false
	}
	name, ok := strings.CutSuffix(replicaSet, "-"+hash)
	return name, ok && name != ""
}

// cronJobOf undoes getJobName (pkg/controller/cronjob/cronjob_controllerv2.go), which joins the CronJob's name and
// the scheduled time in minutes since 1970. A number that is no minute between oldestSchedule and a day after the
// pod was created (clocks differ) was somebody else's choice.
func cronJobOf(job string, created time.Time) (string, bool) {
	i := strings.LastIndexByte(job, '-')
	if i <= 0 {
		return "", false
	}
	minute, err := strconv.ParseUint(job[i+1:], 10, 32)
	if err != nil || minute < oldestSchedule || int64(minute) > created.Add(24*time.Hour).Unix()/60 {
		return "", false
	}
	return job[:i], true
}

// staticName undoes generatePodName (pkg/kubelet/config/common.go), which joins the name in the manifest and the
// node's name in lower case.
func staticName(pod, node string) string {
	if name, ok := strings.CutSuffix(pod, "-"+strings.ToLower(node)); ok && name != "" {
		return name
	}
	return pod
}
