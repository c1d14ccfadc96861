package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	toolkit "github.com/prometheus/exporter-toolkit/web"
	"golang.org/x/sync/errgroup"
)

// Limits on one client. A scrape of a full exposition takes well under a second; a slow
// or silent client must not hold a connection for ever.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
	writeTimeout      = 60 * time.Second
	idleTimeout       = 3 * time.Minute // longer than the usual scrape intervals, so that connections last
	maxHeaderBytes    = 16 << 10

	// shutdownTimeout is what answers under way get when the agent ends. With the detaching
	// that follows it fits into one second.
	shutdownTimeout = 400 * time.Millisecond
)

// Listen opens all addresses, or none. Its errors say what to do about them.
func Listen(ctx context.Context, addresses []string) ([]net.Listener, error) {
	var listeners []net.Listener
	for _, address := range addresses {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
		if err != nil {
			for _, open := range listeners {
				_ = open.Close()
			}
			return nil, listenError(address, err)
		}
		listeners = append(listeners, l)
	}
	return listeners, nil
}

// CheckConfig reads a web configuration with the files that it names, as is done for every request
// later. Without one there is nothing to read.
func CheckConfig(configFile string) error { return toolkit.Validate(configFile) }

func listenError(address string, err error) error {
	advice := "choose an address with --web.listen-address"
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("listen on %s: the port is taken: stop the other process (`ss -ltnp` names it) or %s: %w", address, advice, err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("listen on %s: this host does not have that address: %s: %w", address, advice, err)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("listen on %s: ports below 1024 need CAP_NET_BIND_SERVICE: %s: %w", address, advice, err)
	}
	return fmt.Errorf("listen on %s: %w", address, err)
}

// Serve answers on the listeners until ctx ends, and closes them. configFile is an
// exporter-toolkit web configuration, or empty.
func Serve(ctx context.Context, listeners []net.Listener, handler http.Handler, configFile string, log *slog.Logger) error {
	group, ctx := errgroup.WithContext(ctx)
	systemdSocket := false
	flags := &toolkit.FlagConfig{WebConfigFile: &configFile, WebSystemdSocket: &systemdSocket}
	for _, l := range listeners {
		// One server each: the toolkit changes the server that it is given.
		server := &http.Server{
			Handler:           handler,
			ReadHeaderTimeout: readHeaderTimeout,
			ReadTimeout:       readTimeout,
			WriteTimeout:      writeTimeout,
			IdleTimeout:       idleTimeout,
			MaxHeaderBytes:    maxHeaderBytes,
			ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		}
		group.Go(func() error {
			defer l.Close()
			if err := toolkit.Serve(l, server, flags, log); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("serve on %s: %w", l.Addr(), err)
			}
			return nil
		})
		group.Go(func() error {
			<-ctx.Done()
			return shutdown(server)
		})
	}
	return group.Wait()
}

// shutdown lets answers under way finish for a moment, then closes their connections.
func shutdown(server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return server.Close()
	}
	return nil
}
