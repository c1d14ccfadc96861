package agent

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fathomhq/fathom/internal/config"
	"github.com/fathomhq/fathom/internal/history"
	"github.com/fathomhq/fathom/internal/metrics"
	"github.com/fathomhq/fathom/internal/web"
)

// fakeKernel sweeps as it is told.
type fakeKernel struct {
	mu  sync.Mutex
	err error
	n   int
}

func (k *fakeKernel) Sweep() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.n++
	return k.err
}

func (k *fakeKernel) fail(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.err = err
}

// nothing is seen.
type nothing struct{}

func (nothing) View(context.Context, func(*metrics.View)) error { return errors.New("nothing to see") }

func TestSweepTellsWhetherReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		k := new(fakeKernel)
		s := newSweep(k, time.Second, slog.New(slog.NewTextHandler(&log, nil)))
		if s.ready() == nil {
			t.Error("ready before the first sweep")
		}
		ctx, cancel := context.WithCancel(t.Context())
		go s.run(ctx)
		time.Sleep(10*time.Second + time.Millisecond)
		if err := s.ready(); err != nil || k.n != 10 {
			t.Errorf("after %d sweeps: %v", k.n, err)
		}
		k.fail(errors.New("no map"))
		time.Sleep(3 * time.Second)
		if err := s.ready(); err == nil || err.Error() != "the last sweep failed: no map" {
			t.Errorf("while sweeps fail: %v", err)
		}
		k.fail(nil)
		time.Sleep(3 * time.Second)
		if err := s.ready(); err != nil {
			t.Errorf("after they failed: %v", err)
		}
		if n := strings.Count(log.String(), "\n"); n != 2 {
			t.Errorf("%d log lines, want one for the failure and one for its end:\n%s", n, &log)
		}
		cancel()
		synctest.Wait()
		time.Sleep(5 * time.Second)
		if err := s.ready(); err == nil || !strings.Contains(err.Error(), "due every 1s") {
			t.Errorf("when nobody sweeps: %v", err)
		}
	})
}

// The agent tells a service manager, by its socket, when it is ready and when it stops.
func TestServe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	t.Setenv("NOTIFY_SOCKET", path)

	listeners, err := web.Listen(t.Context(), []string{"127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Logger: slog.New(slog.DiscardHandler), Config: config.Agent{SweepInterval: time.Second}}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() {
		served <- serve(ctx, o, new(fakeKernel), nil, nil, http.NotFoundHandler(), history.New(nothing{}, history.Options{}), listeners)
	}()

	expect(t, manager, "READY=1")
	resp, err := http.Get("http://" + listeners[0].Addr().String() + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("/readyz: %d %q, %v", resp.StatusCode, body, err)
	}
	_ = resp.Body.Close()
	cancel()
	expect(t, manager, "STOPPING=1")
	if err := <-served; err != nil {
		t.Errorf("serve: %v", err)
	}
}

func expect(t *testing.T, manager *net.UnixConn, want string) {
	t.Helper()
	if err := manager.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	message := make([]byte, 64)
	n, err := manager.Read(message)
	if err != nil || string(message[:n]) != want {
		t.Fatalf("notified %q, %v; want %q", message[:n], err, want)
	}
}

// A listener that dies ends the agent with an error.
func TestServeFails(t *testing.T) {
	listeners, err := web.Listen(t.Context(), []string{"127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	_ = listeners[0].Close()
	o := Options{Logger: slog.New(slog.DiscardHandler), Config: config.Agent{SweepInterval: time.Second}}
	if err := serve(t.Context(), o, new(fakeKernel), nil, nil, http.NotFoundHandler(), history.New(nothing{}, history.Options{}), listeners); err == nil {
		t.Error("no error")
	}
}

func TestLimitsPerWorkloadFitTheWhole(t *testing.T) {
	o := KernelOptions(config.Agent{
		MaxSeries: 100, MaxSeriesPerWorkload: 256, MaxPeers: 50, MaxPeersPerWorkload: 10,
	}, nil)
	if o.MaxSeriesPerWorkload != 100 || o.MaxPeersPerWorkload != 10 {
		t.Errorf("got %d series and %d peers for one workload", o.MaxSeriesPerWorkload, o.MaxPeersPerWorkload)
	}
}
