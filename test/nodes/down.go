package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
)

// runDown is `nodes down`. A signal does not stop it half way.
func runDown(ctx context.Context, args []string) error {
	f, name := nameFlag("down")
	if err := parse(f, args, name, 0); err != nil {
		return err
	}
	if err := needRoot(); err != nil {
		return err
	}
	c, err := load(*name)
	if errors.Is(err, errNone) {
		return os.RemoveAll(c.dir) // of an up that came no further
	}
	if err != nil {
		return err
	}
	return c.down(context.WithoutCancel(ctx))
}

// down removes the state last, and only if all else is gone: what failed can be tried again.
func (c *cluster) down(ctx context.Context) error {
	h := c.Hierarchies
	if err := h.kill(append([]string{c.daemonsCgroup()}, c.podCgroups()...)); err != nil {
		return err
	}
	err := errors.Join(c.removeLinks(ctx), h.remove(c.ownCgroups()), writeSysctls(c.Sysctls))
	if err != nil {
		return err
	}
	f, err := os.Open("/proc/self/mounts")
	if err != nil {
		return err
	}
	defer f.Close()
	// Mounts of nodes went with their namespaces.
	if mounts, err := mountsBelow(f, c.dir); err != nil || len(mounts) > 0 {
		return errors.Join(err, fmt.Errorf("unmount %v first: what is mounted there would be removed", mounts))
	}
	return os.RemoveAll(c.dir)
}

// removeLinks removes the interfaces that are still there. Those of nodes go with their namespaces, but not at once.
func (c *cluster) removeLinks(ctx context.Context) (err error) {
	n := c.network()
	links := []string{n.bridge()}
	for i := 1; i <= c.Nodes; i++ {
		links = append(links, n.link(i))
	}
	for _, link := range links {
		if _, missing := net.InterfaceByName(link); missing != nil {
			continue
		}
		if e := ip(ctx, "link", "delete", link); e != nil {
			if _, missing := net.InterfaceByName(link); missing == nil {
				err = errors.Join(err, e)
			}
		}
	}
	return err
}

// mountsBelow returns the mount points in a folder, from /proc/self/mounts.
func mountsBelow(r io.Reader, dir string) (found []string, err error) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if fields := strings.Fields(lines.Text()); len(fields) > 1 && strings.HasPrefix(fields[1], dir+"/") {
			found = append(found, fields[1])
		}
	}
	return found, lines.Err()
}
