package kernel

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"testing"
	"time"
)

const settleAfter = 50 * time.Millisecond

// openKernel attaches to the running kernel, for which a test needs root.
func openKernel(t *testing.T) *Kernel {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	k, err := Open(t.Context(), Options{SettleAfter: settleAfter})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	})
	return k
}

// request makes n requests within this process, on one connection that it closes.
func request(t *testing.T, n int) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	client := server.Client()
	for range n {
		response, err := client.Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		if err := response.Body.Close(); err != nil {
			t.Fatal(err)
		}
	}
	client.CloseIdleConnections()
	server.Close()
}

// me returns the workloads of this process and the number of requests that they served.
func me(t *testing.T, k *Kernel) (ids []WorkloadID, served uint64) {
	t.Helper()
	s, err := k.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	comm, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	for id, w := range s.Workloads {
		if w.Command+"\n" == string(comm) {
			ids = append(ids, id)
		}
	}
	for _, x := range s.Exchanges {
		if s.Workloads[x.Workload].Command+"\n" == string(comm) && x.Role == RoleServer {
			served += x.Duration.Count()
		}
	}
	return ids, served
}

// eventually waits until the requests are settled.
func eventually(t *testing.T, k *Kernel, want uint64) []WorkloadID {
	t.Helper()
	var ids []WorkloadID
	var got uint64
	for range 100 {
		if ids, got = me(t, k); got == want {
			return ids
		}
		time.Sleep(settleAfter)
	}
	t.Fatalf("served %d requests, want %d", got, want)
	return nil
}

func TestCount(t *testing.T) {
	k := openKernel(t)
	request(t, 100)
	eventually(t, k, 100)
	if got := len(k.Taps()); got != len(taps) {
		t.Errorf("%d taps, want %d", got, len(taps))
	}
}

func TestForget(t *testing.T) {
	k := openKernel(t)
	for round := range 3 { // slots that were given back are used again, and are empty
		request(t, 10)
		ids := eventually(t, k, 10)
		released, err := k.Forget(ids)
		if err != nil {
			t.Fatal(err)
		}
		if len(released) != len(ids) {
			t.Fatalf("round %d: released %v of %v", round, released, ids)
		}
		if left, served := me(t, k); len(left) != 0 || served != 0 {
			t.Fatalf("round %d: left %v, which served %d", round, left, served)
		}
	}
}

func TestForgetInUse(t *testing.T) {
	k := openKernel(t)
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	get := func() {
		response, err := server.Client().Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		if err := response.Body.Close(); err != nil {
			t.Fatal(err)
		}
	}
	get()
	ids := eventually(t, k, 1)
	released, err := k.Forget(ids)
	if err != nil {
		t.Fatal(err)
	}
	if len(released) != 0 {
		t.Errorf("released %v, which has connections", released)
	}
	get()
	eventually(t, k, 2)
}

// Peers of a workload that lives on make room for others, unless they are connected.
func TestForgetPeers(t *testing.T) {
	k := openKernel(t)
	w := func(s *Snapshot, ids []WorkloadID) (edges []EdgeID, client int) {
		for _, e := range s.Edges {
			if slices.Contains(ids, e.Workload) && !e.Overflow {
				edges = append(edges, EdgeID{e.Workload, e.Role, e.Peer})
			}
		}
		for _, h := range s.Exchanges {
			if slices.Contains(ids, h.Workload) && h.Role == RoleClient {
				client++
			}
		}
		return edges, client
	}
	room := func(id WorkloadID) [2]uint32 {
		b, err := k.arrays.workloads.read(uint32(id))
		if err != nil {
			t.Fatal(err)
		}
		return [2]uint32{b.Edges, b.Series}
	}
	var served uint64
	for round := range 3 { // each with another server, which is another peer
		request(t, 10)
		served += 10
		ids := eventually(t, k, served)
		s, err := k.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		edges, client := w(s, ids)
		if len(edges) == 0 || client == 0 {
			t.Fatalf("round %d: edges %v, %d series of clients", round, edges, client)
		}
		released, err := k.ForgetPeers(edges)
		if err != nil {
			t.Fatal(err)
		}
		if len(released) != len(edges) {
			t.Errorf("round %d: released %v of %v", round, released, edges)
		}
		if s, err = k.Snapshot(); err != nil {
			t.Fatal(err)
		}
		if edges, client = w(s, ids); len(edges) != 0 || client != 0 {
			t.Errorf("round %d: edges %v and %d series of clients are left", round, edges, client)
		}
		// The server's series stays.
		for _, id := range ids {
			if got := room(id); got != [2]uint32{0, 1} {
				t.Errorf("round %d: workload %d has %d edges and %d series", round, id, got[0], got[1])
			}
		}
	}

	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	response, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	ids := eventually(t, k, served+1)
	s, err := k.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	edges, _ := w(s, ids)
	if released, err := k.ForgetPeers(edges); err != nil || len(released) != 0 || len(edges) == 0 {
		t.Errorf("released %v of %v, which are connected: %v", released, edges, err)
	}
}

func TestDetach(t *testing.T) {
	k := openKernel(t)
	request(t, 5)
	eventually(t, k, 5)
	if err := k.Detach(); err != nil {
		t.Fatal(err)
	}
	request(t, 5)
	eventually(t, k, 5)
	f, err := readFacts()
	if err != nil {
		t.Fatal(err)
	}
	if f.release < linux(5, 13) && k.tap("data_read").way.mode == ModeTrampoline {
		t.Skip("before Linux 5.13 a trampoline cannot be attached again")
	}
	if err := k.Attach(); err != nil {
		t.Fatal(err)
	}
	request(t, 5)
	eventually(t, k, 10)
}

func TestOpenFails(t *testing.T) {
	if _, err := Open(t.Context(), Options{MaxSeries: -1}); err == nil {
		t.Error("opened with a bad option")
	}
	if os.Geteuid() == 0 {
		return
	}
	if _, err := Open(t.Context(), Options{}); !errors.Is(err, ErrPermission) {
		t.Errorf("opened as a user: %v", err)
	}
}

func BenchmarkSnapshot(b *testing.B) {
	if os.Geteuid() != 0 {
		b.Skip("needs root")
	}
	k, err := Open(b.Context(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer k.Close()
	for b.Loop() {
		if _, err := k.Snapshot(); err != nil {
			b.Fatal(err)
		}
	}
}
