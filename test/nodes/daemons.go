package main

import "fmt"

// daemon is a program that runs in a node's namespaces until down.
type daemon struct {
	name string // of its log
	node int
	args []string // the first is the program
	env  []string
}

func nodeName(i int) string { return fmt.Sprintf("node%d", i) }

const apiServer = "apiserver"

func (c *cluster) etcd() daemon {
	const clients, peers = "http://127.0.0.1:2379", "http://127.0.0.1:2380"
	return daemon{name: "etcd", node: 1, args: []string{
		c.program("etcd"), "--name=etcd", "--data-dir=" + c.path("etcd"), "--log-level=warn",
		"--unsafe-no-fsync", // nobody wants the data after a crash
		"--listen-client-urls=" + clients, "--advertise-client-urls=" + clients,
		"--listen-peer-urls=" + peers, "--initial-advertise-peer-urls=" + peers, "--initial-cluster=etcd=" + peers,
	}}
}

func (c *cluster) apiServer() daemon {
	n := c.network()
	return daemon{name: apiServer, node: 1, args: []string{
		c.program("kube-apiserver"),
		"--etcd-servers=http://127.0.0.1:2379",
		"--advertise-address=" + n.node(1).String(),
		"--service-cluster-ip-range=" + n.services().String(),
		"--allow-privileged=true",
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--client-ca-file=" + c.path("pki", "ca.crt"),
		"--tls-cert-file=" + c.path("pki", "apiserver.crt"),
		"--tls-private-key-file=" + c.path("pki", "apiserver.key"),
		"--kubelet-certificate-authority=" + c.path("pki", "ca.crt"),
		"--kubelet-client-certificate=" + c.path("pki", "kubelet-client.crt"),
		"--kubelet-client-key=" + c.path("pki", "kubelet-client.key"),
		"--kubelet-preferred-address-types=InternalIP",
		"--service-account-issuer=https://kubernetes.default.svc." + clusterDomain,
		"--service-account-key-file=" + c.path("pki", "tokens.key"),
		"--service-account-signing-key-file=" + c.path("pki", "tokens.key"),
		"--requestheader-client-ca-file=" + c.path("pki", "ca.crt"),
		"--requestheader-allowed-names=front-proxy",
		"--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + c.path("pki", "front-proxy.crt"),
		"--proxy-client-key-file=" + c.path("pki", "front-proxy.key"),
	}}
}

// withoutElection are the flags that clients of the control plane share: there is one of each.
func (c *cluster) withoutElection(id string) []string {
	file := c.kubeconfigFile(id)
	return []string{
		"--kubeconfig=" + file, "--authentication-kubeconfig=" + file, "--authorization-kubeconfig=" + file, "--leader-elect=false",
	}
}

func (c *cluster) controllerManager() daemon {
	args := append([]string{c.program("kube-controller-manager")}, c.withoutElection("controller-manager")...)
	return daemon{name: "controller-manager", node: 1, args: append(args,
		"--kube-api-qps=200", "--kube-api-burst=400", // tests make and remove much at once
		"--use-service-account-credentials",
		"--service-account-private-key-file="+c.path("pki", "tokens.key"),
		"--root-ca-file="+c.path("pki", "ca.crt"),
	)}
}

func (c *cluster) scheduler() daemon {
	return daemon{name: "scheduler", node: 1, args: append([]string{c.program("kube-scheduler")}, c.withoutElection("scheduler")...)}
}

// containerd finds the shims in PATH. They hand runcwrap its environment.
func (c *cluster) containerd(node int) daemon {
	return daemon{
		name: fmt.Sprintf("containerd%d", node), node: node,
		args: []string{c.program("containerd"), "--config", c.nodePath(node, "containerd.toml")},
		env:  c.wrapEnvironment(),
	}
}

func (c *cluster) kubelet(node int) daemon {
	return daemon{name: fmt.Sprintf("kubelet%d", node), node: node, args: []string{
		c.program("kubelet"), "--config=" + c.nodePath(node, "kubelet.json"), "--kubeconfig=" + c.kubeconfigFile(nodeName(node)),
		"--hostname-override=" + nodeName(node), "--node-ip=" + c.network().node(node).String(),
	}}
}

func (c *cluster) proxy(node int) daemon {
	return daemon{name: fmt.Sprintf("proxy%d", node), node: node, args: []string{
		c.program("kube-proxy"), "--config=" + c.nodePath(node, "proxy.json"),
	}}
}

// wrapped tells whether containers are made through runcwrap.
func (c *cluster) wrapped() bool { return c.Layout == layoutSystemd || c.NoLimits }

// runtime is what containerd calls to make containers.
func (c *cluster) runtime() string {
	if c.wrapped() {
		return c.path("bin", "runcwrap")
	}
	return c.program("runc")
}

// wrapEnvironment says to runcwrap what to do.
func (c *cluster) wrapEnvironment() []string {
	env := []string{"RUNCWRAP_RUNC=" + c.program("runc"), "RUNCWRAP_LAYOUT=" + c.Layout}
	if c.NoLimits {
		env = append(env, "RUNCWRAP_NO_LIMITS=1")
	}
	return env
}
