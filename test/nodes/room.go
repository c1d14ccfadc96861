package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// newCluster looks whether there is room for the cluster. It changes nothing.
func newCluster(o *options) (*cluster, error) {
	c := &cluster{options: *o}
	err := c.locate()
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(c.dir); err == nil {
		return nil, c.taken()
	}
	if c.Hierarchies, err = findHierarchies(); err != nil {
		return nil, err
	}
	for _, cgroup := range append(c.podCgroups(), c.daemonsCgroup()) {
		if pids := c.Hierarchies.processes(cgroup); len(pids) > 0 {
			return nil, fmt.Errorf("cgroup %s is in use, by process %d: another cluster's? Take another -index, 1 to %d", cgroup, pids[0], maxIndex)
		}
	}
	addresses, err := hostNetworks()
	if err != nil {
		return nil, err
	}
	if p, ok := c.network().overlapping(addresses); ok {
		return nil, fmt.Errorf("this machine has %s, which the cluster would use: take another -index, 0 to %d", p, maxIndex)
	}
	if c.Cgroup == cgroupV2 {
		controllers, err := os.ReadFile(filepath.Join(c.Hierarchies.V2, "cgroup.controllers"))
		if err != nil {
			return nil, err
		}
		c.NoLimits = !hasLimits(string(controllers))
	}
	c.Sysctls, err = readSysctls()
	return c, err
}

// hasLimits tells whether limits of pods can be set with these controllers of cgroup v2.
func hasLimits(controllers string) bool {
	have := map[string]bool{}
	for name := range strings.FieldsSeq(controllers) {
		have[name] = true
	}
	return have["cpu"] && have["memory"] && have["pids"]
}

// hostNetworks are those of this machine's interfaces.
func hostNetworks() ([]netip.Prefix, error) {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	var all []netip.Prefix
	for _, a := range addresses {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			all = append(all, p)
		}
	}
	return all, nil
}
