// Package daemon wires the parts of `fathom directory` together and runs them.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"

	"github.com/fathomhq/fathom/internal/config"
	"github.com/fathomhq/fathom/internal/directory"
	"github.com/fathomhq/fathom/internal/kube"
	"github.com/fathomhq/fathom/internal/metrics"
	"github.com/fathomhq/fathom/internal/web"
)

// Options are what [Run] needs.
type Options struct {
	Config  config.Directory
	Version string
	Logger  *slog.Logger
}

// Run reads pods and services and answers agents, and returns nil when ctx ends. Its errors are written for the user.
func Run(ctx context.Context, o Options) error {
	api, err := kube.Connect(o.Config.Kubeconfig)
	if err != nil {
		return err
	}
	api.UserAgent = "fathom-directory/" + o.Version
	index := directory.NewIndex(o.Config.GracePeriod)
	server, err := newServer(api, index, o)
	if err != nil {
		return err
	}
	pods, err := kube.WatchPods(api, o.Logger, "", kube.Strip{AllLabels: true}, podSink{index})
	if err != nil {
		return err
	}
	services, err := kube.WatchServices(api, o.Logger, serviceSink{index})
	if err != nil {
		return err
	}
	registry := metrics.SelfRegistry()
	registry.MustRegister(server)
	handler, err := web.Pages{
		Version: o.Version,
		Metrics: promhttp.HandlerFor(registry, promhttp.HandlerOpts{}),
		Ready: func() error {
			if index.Synced() {
				return nil
			}
			return errors.Join(errors.New("the cluster's pods and services are not known yet"), pods.Status().Err, services.Status().Err)
		},
	}.Handler()
	if err != nil {
		return err
	}
	return serve(ctx, o, server, handler, pods, services)
}

func newServer(api *rest.Config, index *directory.Index, o Options) (*directory.Server, error) {
	c := o.Config
	options := directory.Options{
		Index: index, MaxStreams: c.MaxAgents, Logger: o.Logger,
		TLS: &directory.TLSFiles{Certificate: c.CertFile, Key: c.KeyFile, ClientCA: c.ClientCAFile},
	}
	if c.TokenAudience != "" {
		reviewer, err := directory.NewAPIReviewer(api)
		if err != nil {
			return nil, err
		}
		options.Tokens = &directory.Tokens{
			Reviewer: reviewer, Audience: c.TokenAudience, User: "system:serviceaccount:" + c.TokenServiceAccount,
		}
	}
	return directory.NewServer(options)
}

// serve runs everything until ctx ends. Agents are let in once the cluster is known: until then nothing would have a name.
func serve(ctx context.Context, o Options, server *directory.Server, handler http.Handler, watches ...*kube.Watch) error {
	pages, err := web.Listen(ctx, o.Config.WebListen)
	if err != nil {
		return err
	}
	var agents []net.Listener
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return web.Serve(ctx, pages, handler, o.Config.WebConfigFile, o.Logger) })
	for _, w := range watches {
		group.Go(func() error { return w.Run(ctx) })
	}
	group.Go(func() error {
		if !await(ctx, watches) {
			return nil
		}
		if agents, err = web.Listen(ctx, o.Config.Listen); err != nil {
			return fmt.Errorf("for agents: %w", err)
		}
		o.Logger.Info("ready", "version", o.Version)
		return server.Serve(ctx, agents)
	})
	return group.Wait()
}

// await returns true when all watches have read everything once, false when ctx ends before.
func await(ctx context.Context, watches []*kube.Watch) bool {
	for ticker := time.NewTicker(20 * time.Millisecond); ; {
		synced := true
		for _, w := range watches {
			synced = synced && w.Status().Synced
		}
		if synced {
			ticker.Stop()
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-ticker.C:
		}
	}
}

// podSink feeds the index.
type podSink struct{ index *directory.Index }

// Replace is part of [kube.Sink].
func (s podSink) Replace(all []*kube.Pod) { s.index.ReplacePods(all) }

// Set is part of [kube.Sink].
func (s podSink) Set(p *kube.Pod) { s.index.SetPod(p) }

// Delete is part of [kube.Sink].
func (s podSink) Delete(p *kube.Pod) { s.index.DeletePod(p.UID) }

// serviceSink feeds the index.
type serviceSink struct{ index *directory.Index }

// Replace is part of [kube.Sink].
func (s serviceSink) Replace(all []*kube.Service) { s.index.ReplaceServices(all) }

// Set is part of [kube.Sink].
func (s serviceSink) Set(v *kube.Service) { s.index.SetService(v) }

// Delete is part of [kube.Sink].
func (s serviceSink) Delete(v *kube.Service) { s.index.DeleteService(v.UID) }
