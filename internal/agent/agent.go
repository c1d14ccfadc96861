// Package agent wires the parts of `fathom agent` together and runs them.
package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sync/errgroup"

	"github.com/fathomhq/fathom/internal/config"
	"github.com/fathomhq/fathom/internal/doctor"
	"github.com/fathomhq/fathom/internal/history"
	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/internal/requirements"
	"github.com/fathomhq/fathom/internal/web"
)

// Options are what [Run] needs.
type Options struct {
	Config  config.Agent
	Version string // shown on the page and in fathom_build_info
	Commit  string // likewise
	Logger  *slog.Logger
}

// Run attaches to the kernel, serves the endpoint, and returns nil when ctx ends, with
// everything detached. Its errors are written for the user.
func Run(ctx context.Context, o Options) (err error) {
	tuneMemory()
	// The port first: a taken one is found before anything is attached.
	listeners, err := web.Listen(ctx, o.Config.Listen)
	if err != nil {
		return err
	}
	defer closeAll(listeners)

	in, err := newCluster(o.Config, o.Version, o.Logger)
	if err != nil {
		return err
	}
	k, err := kernel.Open(ctx, KernelOptions(o.Config, o.Logger))
	if err != nil {
		if ctx.Err() != nil {
			return nil // asked to end while loading
		}
		return err // says what it was doing and what to do
	}
	defer func() {
		if closeErr := k.Close(); closeErr != nil {
			err = errors.Join(err, fmt.Errorf("detach from the kernel: %w", closeErr))
		}
	}()
	logTaps(o.Logger, k.Taps())
	logProblems(o.Logger, k.Probe(), o.Config.CgroupRoot)

	registry := selfRegistry(in)
	exporter, err := newExporter(k, in, o, registry)
	if err != nil {
		return err
	}
	past := newHistory(k, in, exporter, o)
	registry.MustRegister(historyCollector{past})
	giveUpPrivileges(k, o.Config, o.Logger)
	returnMemory()
	reader := newTLSReader(k, o)
	if reader != nil {
		registry.MustRegister(reader)
	}
	return serve(ctx, o, k, in, reader, exporter, past, listeners)
}

// serve runs everything that runs for as long as the agent, until ctx ends.
func serve(ctx context.Context, o Options, k sweeper, in *cluster, reader *tlsReader, metrics http.Handler, past *history.History, listeners []net.Listener) error {
	sweep := newSweep(k, o.Config.SweepInterval, o.Logger)
	handler, err := web.Pages{
		Version: o.Version,
		Metrics: metrics,
		API:     past.Handler(),
		Ready:   func() error { return errors.Join(sweep.ready(), in.ready(), reader.ready()) },
	}.Handler()
	if err != nil {
		return err
	}
	sweep.once() // so that ready means measured once
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return web.Serve(ctx, listeners, handler, o.Config.WebConfigFile, o.Logger) })
	group.Go(func() error { sweep.run(ctx); return nil })
	group.Go(func() error { past.Run(ctx); return nil })
	group.Go(func() error { return in.run(ctx) })
	if reader != nil {
		group.Go(func() error { return reader.Run(ctx) })
	}
	reader.wait(ctx)
	notify(o.Logger, daemon.SdNotifyReady)
	o.Logger.Info("ready", "version", o.Version)
	<-ctx.Done()
	notify(o.Logger, daemon.SdNotifyStopping)
	o.Logger.Info("stopping")
	return group.Wait()
}

// notify tells a service manager, if one started the agent, how far the agent is.
func notify(log *slog.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("notify the service manager", "state", state, "error", err)
	}
}

// logTaps tells what is missing, and where a tap is not attached in the way that comes first.
func logTaps(log *slog.Logger, taps []kernel.Tap) {
	for _, tap := range taps {
		switch {
		case tap.Err != nil:
			log.Warn("cannot attach a tap", "tap", tap.Name, "error", tap.Err, "lost", requirements.WithoutTap(tap.Name))
		case len(tap.Passed) > 0:
			log.Info("attached a tap in another way", "tap", tap.Name, "mode", tap.Mode, "because", strings.Join(tap.Passed, "; "))
		default:
			log.Debug("attached a tap", "tap", tap.Name, "mode", tap.Mode)
		}
	}
}

// logProblems tells what else is missing on this host, as `fathom doctor` does.
func logProblems(log *slog.Logger, probe kernel.Probe, cgroupRoot string) {
	report, err := doctor.Diagnose(probe, nil, cgroupRoot)
	if err != nil {
		log.Debug("cannot examine this host", "error", err)
		return
	}
	for _, p := range report.Problems() {
		log.Warn("works with a gap, see fathom doctor", "of", p.Name, "is", p.Value, "lost", p.Problem)
	}
}

// KernelOptions returns what the agent asks of the kernel side.
func KernelOptions(c config.Agent, log *slog.Logger) kernel.Options {
	return kernel.Options{
		Buckets:              c.Buckets,
		SettleAfter:          c.SettleAfter,
		MaxConnections:       c.MaxConnections,
		MaxWorkloads:         c.MaxWorkloads,
		MaxSeries:            c.MaxSeries,
		MaxSeriesPerWorkload: min(c.MaxSeriesPerWorkload, c.MaxSeries),
		MaxPeers:             c.MaxPeers,
		MaxPeersPerWorkload:  min(c.MaxPeersPerWorkload, c.MaxPeers),
		MaxHTTP2Connections:  c.MaxHTTP2Connections,
		MaxStreams:           c.MaxStreams,
		Mode:                 c.AttachMode,
		TLS:                  c.TLS,
		Logger:               log,
	}
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		_ = l.Close() // the server has closed it already, except after an early error
	}
}
