package kernel

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"
)

func TestOpen(t *testing.T) {
	start := time.Now()
	k, err := Open(t.Context(), Options{SettleAfter: 200 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		t.Fatal(err)
	}
	t.Log("attached after", time.Since(start))
	defer k.Close()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("hello")) }))
	for range 1000 {
		r, err := http.Get(srv.URL)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
	}
	http.DefaultClient.CloseIdleConnections()
	srv.Close()
	time.Sleep(400 * time.Millisecond)
	s, err := k.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range s.HTTP {
		t.Log(x.Workload, x.Role, x.Method, x.Status, x.Peer, x.Duration.Count(), x.Duration.Sum)
	}
	t.Logf("%+v", s.Workloads)
	t.Logf("%+v", s.Coverage)
	t.Logf("%+v", s.Lost)
	t.Logf("%+v", s.LostBytes)
	t.Logf("%+v", s.Edges)
	t.Logf("%+v", s.Listeners)
	t.Logf("%+v", s.Tables)
	t.Logf("%+v", s.Programs)
	for _, x := range s.Queue {
		t.Log(x.Workload, x.Delay.Count(), x.Delay.Sum)
	}
}
