// Command nodes brings up real nodes of Kubernetes on this machine, without Docker or virtual machines, and takes them down:
//
//	make cluster                                # what the gate does: both layouts of cgroups, with the tests
//	go build -o bin/nodes ./test/nodes
//	bin/nodes up -image build/image/fathom-amd64.docker.tar
//	eval "$(bin/nodes env)"                     # KUBECONFIG, PATH, and what test/cluster reads
//	kubectl get nodes
//	bin/nodes signal STOP                       # to the API server; CONT lets it go on
//	bin/nodes down
//
// It needs root. scripts/nodes.sh builds the programs, the first time in some 15 minutes.
//
// A node is a process that holds a mount and a network namespace (hold.go), and in them containerd, kubelet and kube-proxy.
// The control plane runs in the first node's. All nodes share the kernel, and so process ids and cgroups: as with kind, an
// agent sees the pods of all nodes. Pods have addresses of their own, services work, there is no DNS and no registry: images
// come from -image and -program, and pods have imagePullPolicy Never.
//
// Two things differ between machines in production, and break agents:
//
//	-cgroup host     nodes see the cgroup mounts of this machine, whichever they are
//	-cgroup v2       nodes see cgroup v2 alone. Where this machine's controllers belong to v1, limits are not enforced.
//	-layout cgroupfs containers are in /kubepods/burstable/podUID/ID
//	-layout systemd  containers are in /kubepods.slice/..., as systemd would have named it. There need not be a systemd.
//
// With -index 0, the default, the first node's root of cgroups is that of the machine, as it is in production; the others have
// /NAME-nodeN, and with another index all have. The index also chooses addresses: 10.(240+INDEX).0.0/16.
//
// Everything that `up` starts is in one cgroup, or in those of the pods; `down` kills what is there. What it has to put back is
// in a file before `up` changes anything. So `down` works after an `up` that failed or was killed, and twice. The host keeps
// some empty folders on which nodes mounted their own (binds in hold.go): another cluster may be using them.
//
// Logs are below ${XDG_CACHE_HOME:-~/.cache}/fathom-nodes/state/NAME/log until `down`.
package main
