// Command cluster measures what Fathom costs in a cluster, that of KUBECONFIG, in two parts:
//
//   - directory: nodes, pods and services that exist at the API server only, a directory that watches them, clients of as many
//     agents that ask it, and an agent. Prints memory, CPU, requests and bytes to the API server, and how long a change of address
//     takes to reach all clients.
//   - node: pods that run, as many as a node may have, beside an agent that is installed already. Prints the agent's memory with them and
//     their series, and how soon the first request of a new pod is shown with its names.
//
// Use:
//
//	make bench-cluster
//	go run ./bench/cluster -part directory -nodes 50 -pods 2000 -services 200
//
// Everything that it makes is removed at the end. Use a cluster that is made for it: no kubelet is behind the nodes of the first part.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

type options struct {
	kubeconfig            string
	fathom                string
	nodes, pods, services int
	agents, addresses     int

	part                 string
	image                string
	nodePods, nodeSeries int
}

func main() {
	var o options
	flag.StringVar(&o.kubeconfig, "kubeconfig", os.Getenv("KUBECONFIG"), "the cluster's `file`")
	flag.StringVar(&o.fathom, "fathom", "bin/fathom", "the `program`")
	flag.IntVar(&o.nodes, "nodes", 500, "nodes to make")
	flag.IntVar(&o.pods, "pods", 20000, "pods to make")
	flag.IntVar(&o.services, "services", 2000, "services to make")
	flag.IntVar(&o.agents, "agents", 50, "clients of the directory")
	flag.IntVar(&o.addresses, "addresses", 400, "addresses that each of them follows")
	flag.StringVar(&o.part, "part", "", "only this `part`: directory or node")
	flag.StringVar(&o.image, "image", "localhost/fathom-test-service:dev", "the `image` of test/cluster/service, which the nodes have")
	flag.IntVar(&o.nodePods, "node-pods", 110, "pods on one node, with those that are there")
	flag.IntVar(&o.nodeSeries, "node-series", 5000, "series of the agent to make by their requests, each a histogram or a counter with its labels")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-cluster:", err)
		os.Exit(1)
	}
}
