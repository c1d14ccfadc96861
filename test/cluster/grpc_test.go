package cluster

import (
	"fmt"
	"testing"

	"google.golang.org/grpc/codes"
)

// Calls of gRPC by a Service's address, where kube-proxy chooses one pod for a connection, and without one, where the client has
// the pods' own addresses and chooses for each call. Each pod's are counted at it by status, under the names of both ends.
func TestGRPC(t *testing.T) {
	c := chain{newCluster(t)}
	back := c.deploy(workload{name: "back", replicas: 2, grpc: true})
	alone := c.deploy(workload{name: "alone", replicas: 2, grpc: true, headless: true})
	c.deploy(workload{name: "front", replicas: 2, next: back})
	c.deploy(workload{name: "direct", replicas: 2, next: alone})
	for _, caller := range []string{"front", "direct"} {
		for _, pod := range c.pods(c.namespace, "app="+caller) {
			c.load(pod, "n=1000&connections=8")
		}
	}
	c.eventually("calls", func() string {
		s, err := c.scrape()
		if err != nil {
			return err.Error()
		}
		return c.callsOf(s, "front", "back", " peer_service=back") + c.callsOf(s, "direct", "alone", "")
	})
	c.eventually("edges", func() string {
		s, err := c.scrape()
		if err != nil {
			return err.Error()
		}
		return c.edgesOf(s, []pair{{"front", "back"}}, opened)
	})
}

// callsOf compares what the pods of one workload called of another, whose name in series of the former has more labels.
func (c chain) callsOf(s scraped, from, to, more string) (wrong string) {
	for _, end := range []struct{ name, metric, peer string }{
		{from, "rpc_client_duration_seconds", fmt.Sprintf(" peer_namespace=%s peer_workload=%s%s", c.namespace, to, more)},
		{to, "rpc_server_duration_seconds", ""},
	} {
		nodes := map[string]bool{}
		for _, pod := range c.pods(c.namespace, "app="+end.name) {
			nodes[pod.Spec.NodeName] = true
			did, err := c.truth(pod)
			if err != nil {
				return err.Error()
			}
			calls := did.CallsServed
			if end.name == from {
				calls = did.CallsMade
				wrong += equal(pod.Name+" made", calls[codes.OK.String()], 750) + equal(pod.Name+" made", calls[codes.NotFound.String()], 250)
			}
			of := c.of(end.name) + " rpc_system=grpc pod=" + pod.Name + " node=" + pod.Spec.NodeName
			wrong += equal(pod.Name+" OK", s.sum(end.metric, of+end.peer+" grpc_status=OK"), calls[codes.OK.String()])
			wrong += equal(pod.Name+" NOT_FOUND", s.sum(end.metric, of+end.peer+" grpc_status=NOT_FOUND"), calls[codes.NotFound.String()])
			wrong += equal(pod.Name+", all", s.sum(end.metric, of), calls[codes.OK.String()]+calls[codes.NotFound.String()])
		}
		if len(nodes) < 2 { // as the scheduler spreads them
			wrong += fmt.Sprintf("\n  all pods of %s are on one node", end.name)
		}
	}
	return wrong
}
