package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// runUp is `nodes up`.
func runUp(ctx context.Context, args []string) error {
	o, err := parseUp(args)
	if err != nil {
		return err
	}
	if err := needRoot(); err != nil {
		return err
	}
	root, err := repository(ctx)
	if err != nil {
		return err
	}
	if err := run(ctx, filepath.Join(root, "scripts/nodes.sh")); err != nil {
		return fmt.Errorf("build the programs: %w", err)
	}
	c, err := newCluster(o)
	if err != nil {
		return err
	}
	if err := c.save(); err != nil {
		return err
	}
	u := &upper{cluster: c, root: root, start: time.Now()}
	if err := u.up(ctx); err != nil {
		return fmt.Errorf("%w\nLogs are in %s. Remove what was started: nodes down -name %s", err, c.path("log"), c.Name)
	}
	return nil
}

// upper brings a cluster up.
type upper struct {
	*cluster
	*starter
	root  string // of the repository
	start time.Time
}

// say prints what is done, and when.
func (u *upper) say(what string) {
	fmt.Fprintf(os.Stderr, "nodes: %5.1f s  %s\n", time.Since(u.start).Seconds(), what)
}

func (u *upper) up(ctx context.Context) (err error) {
	ctx, u.starter, err = newStarter(ctx, u.cluster)
	if err != nil {
		return err
	}
	defer u.release()
	for _, step := range []struct {
		done string
		f    func(context.Context) error
	}{
		{"files are written", u.prepare},
		{"namespaces are made", u.nodes},
		{"API server is ready, images are there", u.foundation},
		{"nodes are ready", u.components},
	} {
		if err := step.f(ctx); err != nil {
			if ctx.Err() != nil {
				err = context.Cause(ctx) // what ended
			}
			return err
		}
		u.say(step.done)
	}
	return nil
}

// nodes makes the namespaces, with a bridge on the host between them.
func (u *upper) nodes(ctx context.Context) error {
	n := u.network()
	for _, args := range [][]string{
		{"link", "add", n.bridge(), "type", "bridge"},
		{"address", "add", netip.PrefixFrom(n.host(), n.nodes().Bits()).String(), "dev", n.bridge()},
		{"link", "set", n.bridge(), "up"},
		{"route", "add", n.services().String(), "via", n.node(1).String()}, // its kube-proxy
	} {
		if err := ip(ctx, args...); err != nil {
			return err
		}
	}
	for i := 1; i <= u.Nodes; i++ {
		if err := u.node(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// foundation starts what all others talk to. Images are loaded while the API server starts.
func (u *upper) foundation(ctx context.Context) error {
	daemons := []daemon{u.etcd(), u.apiServer()}
	for i := 1; i <= u.Nodes; i++ {
		daemons = append(daemons, u.containerd(i))
	}
	for _, d := range daemons {
		if err := u.daemon(d); err != nil {
			return err
		}
	}
	api, err := u.client()
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for i := 1; i <= u.Nodes; i++ {
		group.Go(func() error { return u.load(ctx, i) })
	}
	group.Go(func() error {
		return await(ctx, "the API server gets ready", func(ctx context.Context) error {
			if err := serverReady(ctx, api); err != nil {
				return fmt.Errorf("%w; see %s", err, u.logFile(apiServer))
			}
			return nil
		})
	})
	return group.Wait()
}

// load loads all images into a node's containerd.
func (u *upper) load(ctx context.Context, node int) error {
	ctr := func(args ...string) error {
		cmd := u.inNode(node, append([]string{u.program("ctr"), "--namespace", "k8s.io"}, args...)...)
		u.confine(cmd)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("ctr %s: %w: %s; see %s", strings.Join(args, " "), err, out, u.logFile(u.containerd(node).name))
		}
		return nil
	}
	err := await(ctx, "containerd gets ready", func(context.Context) error { return ctr("version") })
	if err != nil {
		return err
	}
	for _, archive := range u.archives {
		absolute, err := filepath.Abs(archive)
		if err != nil {
			return err
		}
		if err := ctr("images", "import", "--local", absolute); err != nil {
			return err
		}
	}
	return nil
}

// components starts what talks to the API server.
func (u *upper) components(ctx context.Context) error {
	daemons := []daemon{u.controllerManager(), u.scheduler()}
	for i := 1; i <= u.Nodes; i++ {
		daemons = append(daemons, u.kubelet(i), u.proxy(i))
	}
	for _, d := range daemons {
		if err := u.daemon(d); err != nil {
			return err
		}
	}
	api, err := u.client()
	if err != nil {
		return err
	}
	return await(ctx, "the nodes get ready", func(ctx context.Context) error { return u.nodesReady(ctx, api) })
}
