// Command cluster measures what Fathom's directory costs in a big cluster: against the API server of KUBECONFIG it makes nodes, pods
// and services that exist there only, lets a directory watch them and clients of as many agents ask it, and prints
// memory, CPU, requests to the API server, and how long a change of address takes to reach all clients.
//
//	make bench-cluster
//	go run ./bench/cluster -nodes 50 -pods 2000 -services 200
//
// Everything that it makes is removed at the end. Use a cluster that is made for it: no kubelet is behind the nodes.
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
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-cluster:", err)
		os.Exit(1)
	}
}
