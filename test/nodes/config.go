package main

import (
	"encoding/json"
	"fmt"
	"net/netip"
)

const (
	clusterDomain = "cluster.local"
	pauseImage    = "localhost/fathom-pause:dev"
	podBridge     = "cni0"
	runtimeSocket = "/run/containerd/containerd.sock"
)

// object is what becomes JSON. Kubernetes reads it where it documents YAML.
type object = map[string]any

// encode cannot fail: objects are made of strings, numbers and the like.
func encode(v any) []byte {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic(err)
	}
	return append(b, '\n')
}

// kubeletConfig is a KubeletConfiguration.
func (c *cluster) kubeletConfig(node int) object {
	name := nodeName(node)
	return object{
		"apiVersion":               "kubelet.config.k8s.io/v1beta1",
		"kind":                     "KubeletConfiguration",
		"containerRuntimeEndpoint": "unix://" + runtimeSocket,
		"cgroupDriver":             "cgroupfs", // the other one needs systemd; runcwrap makes its paths
		"cgroupRoot":               c.cgroupRoot(node),
		"failCgroupV1":             false, // it refuses cgroup v1 by default
		"failSwapOn":               false,
		"tlsCertFile":              c.path("pki", name+".crt"),
		"tlsPrivateKeyFile":        c.path("pki", name+".key"),
		"authentication": object{
			"anonymous": object{"enabled": false},
			"webhook":   object{"enabled": true, "cacheTTL": "10s"},
			"x509":      object{"clientCAFile": c.path("pki", "ca.crt")},
		},
		"authorization":             object{"mode": "Webhook"},
		"clusterDomain":             clusterDomain,
		"resolvConf":                "", // there is no DNS
		"nodeStatusUpdateFrequency": "4s",
		// Somebody else may fill the disk. Eviction would end the tests in a way that is hard to read.
		"evictionHard": object{
			"memory.available": "100Mi", "nodefs.available": "1%", "nodefs.inodesFree": "1%", "imagefs.available": "1%",
		},
		// Nothing can be pulled again.
		"imageGCHighThresholdPercent": 100,
		"imageGCLowThresholdPercent":  99,
		"makeIPTablesUtilChains":      false,
	}
}

// proxyConfig is a KubeProxyConfiguration.
func (c *cluster) proxyConfig(node int) object {
	return object{
		"apiVersion":       "kubeproxy.config.k8s.io/v1alpha1",
		"kind":             "KubeProxyConfiguration",
		"clientConnection": object{"kubeconfig": c.kubeconfigFile("proxy")},
		"hostnameOverride": nodeName(node),
		"mode":             "nftables",
		"detectLocalMode":  "BridgeInterface",
		"detectLocal":      object{"bridgeInterface": podBridge},
		// Limits of connection tracking are the machine's: leave them.
		"conntrack": object{"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
	}
}

// podNetwork is a list of plugins (https://www.cni.dev/docs/spec/): pods hang on a bridge and have addresses that all nodes route.
func podNetwork(pods netip.Prefix) object {
	return object{
		"cniVersion": "1.0.0",
		"name":       "pods",
		"plugins": []object{{
			"type": "bridge", "bridge": podBridge, "isGateway": true, "hairpinMode": true,
			"ipam": object{
				"type":   "host-local",
				"ranges": [][]object{{{"subnet": pods.String()}}},
				"routes": []object{{"dst": "0.0.0.0/0"}},
			},
		}},
	}
}

// containerdConfig is TOML. NRI needs no socket here, and opt would make a folder in /opt. Without CAP_SYS_RESOURCE (nested
// machines) no process may be made less likely to be killed than its parent; that has to be no error.
func (c *cluster) containerdConfig(node int) string {
	return fmt.Sprintf(`version = 3
root = %q
state = "/run/containerd"
disabled_plugins = ["io.containerd.nri.v1.nri", "io.containerd.internal.v1.opt"]

[grpc]
  address = %q

[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = %q

[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true

  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = [%q]
    conf_dir = %q

  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"

    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
      BinaryName = %q
      SystemdCgroup = false
`, c.nodePath(node, "containerd"), runtimeSocket, pauseImage, c.program("cni"), c.nodePath(node, "cni"), c.runtime())
}
