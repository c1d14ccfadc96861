package cluster

import (
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// readsTLS tells whether the agents were installed with agent.tls.enabled.
func (c *cluster) readsTLS() bool {
	agents := c.pods(c.fathom, "app.kubernetes.io/component=agent")
	return len(agents) > 0 && slices.ContainsFunc(agents[0].Spec.Containers[0].Env, func(v corev1.EnvVar) bool {
		return v.Name == "FATHOM_TLS" && v.Value == "true"
	})
}

// Services that call each other by HTTPS: as soon as the agents have met their processes, all is counted as for plain HTTP.
func TestTLS(t *testing.T) {
	c := chain{newCluster(t)}
	if !c.readsTLS() {
		t.Skip("Fathom is installed without agent.tls.enabled")
	}
	back := c.deploy(workload{name: "back", replicas: 2, tls: true})
	c.deploy(workload{name: "front", replicas: 2, next: back, first: "close"}) // nothing stays open and uncounted
	c.eventually("the agents meet the processes", func() string {
		c.loadAll("n=10&connections=1")
		met, err := c.encrypted()
		if err != nil {
			return err.Error()
		}
		for name, n := range met {
			if n.shown == 0 {
				return name + " has no series yet"
			}
		}
		return ""
	})
	var before map[string]counted
	c.eventually("counts come to rest", func() string {
		last := before
		var err error
		if before, err = c.encrypted(); err != nil {
			return err.Error()
		}
		for name, n := range before {
			if n != last[name] {
				time.Sleep(time.Second)
				return name + " is still being counted"
			}
		}
		return ""
	})
	c.loadAll("n=500&connections=4")
	c.eventually("HTTPS", func() (wrong string) {
		now, err := c.encrypted()
		if err != nil {
			return err.Error()
		}
		var all int64
		for name, n := range now {
			wrong += equal(name, n.shown-before[name].shown, n.did-before[name].did)
			all += n.did - before[name].did
		}
		return wrong + equal("all, at both ends", all, 2*2*500)
	})
	var s scraped
	c.eventually("edges", func() string {
		s = must(c.scrape())
		// Who closes while a session ticket comes, resets the connection: the ends count other bytes then.
		return c.edgesOf(s, []pair{{"front", "back"}}, opened)
	})
	for _, name := range []string{"front", "back"} {
		for _, metric := range []string{servedName, madeName} {
			if n := s.sum(metric, c.of(name)+" tls= status=200 method=GET"); n != 0 {
				t.Errorf("%d of %s of %s are not marked as TLS", n, metric, name)
			}
		}
	}
}

// counted are requests, as Fathom shows them and as the service counted them.
type counted struct{ shown, did int64 }

// encrypted returns what the pods of back served and those of front made.
func (c chain) encrypted() (map[string]counted, error) {
	s, err := c.scrape()
	if err != nil {
		return nil, err
	}
	all := make(map[string]counted)
	for _, name := range []string{"front", "back"} {
		for _, pod := range c.pods(c.namespace, "app="+name) {
			did, err := c.truth(pod)
			if err != nil {
				return nil, err
			}
			of := fmt.Sprintf("%s pod=%s node=%s tls=true method=GET status=200", c.of(name), pod.Name, pod.Spec.NodeName)
			if name == "front" {
				all[pod.Name+" made"] = counted{s.sum(madeName, of), did.Made}
			} else {
				all[pod.Name+" served"] = counted{s.sum(servedName, of), did.Served}
			}
		}
	}
	return all, nil
}
