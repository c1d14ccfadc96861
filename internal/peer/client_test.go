package peer

import (
	"context"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/fathomhq/fathom/internal/directory/directorypb"
)

// fake is a directory that answers with the numbers of its streams, and notes what it is asked for.
type fake struct {
	pb.UnimplementedDirectoryServer
	silent bool // accepts no stream, and does not refuse either

	mu      sync.Mutex
	streams int
	has     map[netip.AddrPort]bool
	end     context.CancelFunc // of the last stream
}

func (f *fake) Identify(s grpc.BidiStreamingServer[pb.IdentifyRequest, pb.IdentifyResponse]) error {
	if f.silent {
		<-s.Context().Done()
		return nil
	}
	ctx, end := context.WithCancel(s.Context())
	f.mu.Lock()
	f.streams++
	name := "stream-" + string(rune('0'+f.streams))
	f.has, f.end = make(map[netip.AddrPort]bool), end
	f.mu.Unlock()
	if err := s.SendHeader(nil); err != nil {
		return err
	}
	go f.answer(s, name)
	<-ctx.Done()
	return status.Error(codes.Unavailable, "ended by the test")
}

func (f *fake) answer(s grpc.BidiStreamingServer[pb.IdentifyRequest, pb.IdentifyResponse], name string) {
	for {
		request, err := s.Recv()
		if err != nil {
			return
		}
		response := &pb.IdentifyResponse{}
		f.mu.Lock()
		for _, a := range request.GetRemove() {
			delete(f.has, addressOf(a))
		}
		for _, a := range request.GetAdd() {
			f.has[addressOf(a)] = true
			response.Answers = append(response.Answers, &pb.Answer{Address: a, Kind: pb.Kind_KIND_POD, Workload: name})
		}
		f.mu.Unlock()
		if s.Send(response) != nil {
			return
		}
	}
}

func addressOf(a *pb.Address) netip.AddrPort {
	ip, _ := netip.AddrFromSlice(a.GetIp())
	return netip.AddrPortFrom(ip, uint16(a.GetPort()))
}

func (f *fake) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.has)
}

func serve(t *testing.T, f *fake) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	pb.RegisterDirectoryServer(server, f)
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	return l.Addr().String()
}

func run(t *testing.T, r *Resolver) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done })
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// TestResubscribes asks for everything again on every stream, and for nothing that is not wanted.
func TestResubscribes(t *testing.T) {
	f := &fake{}
	r, _ := newTest(t, Options{Directory: &Directory{Addresses: []string{serve(t, f)}, Insecure: true}, MaxAddresses: 3000})
	r.now = time.Now
	run(t, r)
	all := make([]netip.AddrPort, 0, 4000)
	for i := range cap(all) {
		all = append(all, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 80))
	}
	know := func(list []netip.AddrPort, workload string) {
		t.Helper()
		eventually(t, "all are "+workload, func() bool {
			for _, a := range list {
				if got := r.Resolve(a); got.State != Known || got.Peer.Workload != workload {
					return false
				}
			}
			return true
		})
	}
	for _, a := range all[:2500] {
		r.Resolve(a)
	}
	know(all[:2500], "stream-1")
	f.mu.Lock()
	f.end()
	f.mu.Unlock()
	know(all[:2500], "stream-2")
	if err := r.Stats().LastError; err == nil || !strings.Contains(err.Error(), "ended by the test") {
		t.Errorf("got %v", err)
	}
	r.now = func() time.Time { return time.Now().Add(recent) } // the first make room
	for _, a := range all[1500:] {
		r.Resolve(a)
	}
	know(all[1500:], "stream-2")
	eventually(t, "the directory has what is wanted", func() bool { return f.count() == 3000 })
	r.now = func() time.Time { return time.Now().Add(recent + idle) }
	r.forgetIdle()
	eventually(t, "the directory has nothing", func() bool { return f.count() == 0 })
	if got := r.Stats(); got.Addresses != 0 || got.Connections != 2 || !got.Connected {
		t.Errorf("%+v", got)
	}
}

// TestPassesOver finds the one replica that works, among those that refuse, are silent or are not there.
func TestPassesOver(t *testing.T) {
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	works := &fake{}
	addresses := []string{gone.Addr().String(), "no-such-host.invalid:1", serve(t, works)}
	r, _ := newTest(t, Options{Directory: &Directory{Addresses: addresses, Insecure: true}})
	run(t, r)
	eventually(t, "connected", func() bool { return r.Stats().Connected })
}

func TestSilentReplica(t *testing.T) {
	r, _ := newTest(t, Options{Directory: &Directory{Addresses: []string{serve(t, &fake{silent: true})}, Insecure: true}})
	run(t, r)
	eventually(t, "gave up", func() bool {
		err := r.Stats().LastError
		return err != nil && strings.Contains(err.Error(), "no answer in")
	})
	if r.Stats().Connections != 0 {
		t.Errorf("%+v", r.Stats())
	}
}

// TestFiles names the file that is wrong.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(dir, "missing")
	for name, test := range map[string]struct {
		d    Directory
		says string
	}{
		"no CA":          {Directory{CA: missing}, missing},
		"empty CA":       {Directory{CA: empty}, "no certificate in"},
		"no certificate": {Directory{Certificate: missing, Key: missing}, missing},
		"no token":       {Directory{Token: missing}, missing},
		"empty token":    {Directory{Token: empty}, "is empty"},
	} {
		test.d.Addresses = []string{serve(t, &fake{})}
		r, _ := newTest(t, Options{Directory: &test.d})
		run(t, r)
		eventually(t, name, func() bool {
			err := r.Stats().LastError
			return err != nil && strings.Contains(err.Error(), test.says)
		})
	}
}
