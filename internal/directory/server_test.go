package directory

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	pb "github.com/fathomhq/fathom/internal/directory/directorypb"
	"github.com/fathomhq/fathom/internal/kube"
	"github.com/fathomhq/fathom/internal/peer"
)

// authority issues certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	file        string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{file: filepath.Join(t.TempDir(), "ca.pem")}
	der, key := certify(t, &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, nil)
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	a.certificate, a.key = certificate, key
	writePEM(t, a.file, "CERTIFICATE", der)
	return a
}

// issue writes a certificate and its key for 127.0.0.1.
func (a *authority) issue(t *testing.T, name string) (certificate, key string) {
	t.Helper()
	dir := t.TempDir()
	certificate, key = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	a.issueTo(t, name, certificate, key)
	return certificate, key
}

func (a *authority) issueTo(t *testing.T, name, certificate, key string) {
	t.Helper()
	der, private := certify(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a)
	bytes, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, certificate, "CERTIFICATE", der)
	writePEM(t, key, "PRIVATE KEY", bytes)
}

func certify(t *testing.T, template *x509.Certificate, by *authority) ([]byte, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber, template.NotAfter = big.NewInt(time.Now().UnixNano()), time.Now().Add(time.Hour)
	parent, signer := template, key
	if by != nil {
		parent, signer = by.certificate, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	return der, key
}

func writePEM(t *testing.T, name, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// synced returns an index of a cluster without anything.
func synced() *Index {
	x := NewIndex(0)
	x.ReplacePods(nil)
	x.ReplaceServices(nil)
	return x
}

// running is a server.
type running struct {
	*Server
	address string
	stop    func()
}

// start serves on a free port, or on the given one.
func start(t *testing.T, o Options, address string) *running {
	t.Helper()
	s, err := NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, []net.Listener{l}) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	t.Cleanup(stop)
	return &running{s, l.Addr().String(), stop}
}

const anyPort = "127.0.0.1:0"

// agent runs a resolver.
func agent(t *testing.T, d peer.Directory) *peer.Resolver {
	t.Helper()
	r, err := peer.NewResolver(peer.Options{Directory: &d})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done })
	return r
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// becomes waits until an agent names a peer.
func becomes(t *testing.T, r *peer.Resolver, address string, want peer.Peer) {
	t.Helper()
	var got peer.Answer
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if got = r.Resolve(netip.MustParseAddrPort(address)); got.Peer == want && got.State == peer.Known {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is %+v, want %+v; %+v", address, got, want, r.Stats())
		}
	}
}

func web(workload string) peer.Peer { return peer.Peer{Namespace: "shop", Workload: workload} }

// TestAdmission lets agents in and keeps others out, each for its reason.
func TestAdmission(t *testing.T) {
	ours, theirs := newAuthority(t), newAuthority(t)
	certificate, key := ours.issue(t, "directory")
	agentCertificate, agentKey := ours.issue(t, "agent")
	theirCertificate, theirKey := theirs.issue(t, "agent")
	good, other, bad := writeFile(t, "good\n"), writeFile(t, "other"), writeFile(t, "bad")
	users := map[string]string{"good": agentUser, "other": "system:serviceaccount:fathom:other"}
	tokens := func(err error) *Tokens {
		return &Tokens{&reviewer{users: users, err: err}, "fathom-directory", agentUser}
	}
	certificates := &TLSFiles{Certificate: certificate, Key: key, ClientCA: ours.file}
	plain := &TLSFiles{Certificate: certificate, Key: key}
	full := synced()
	full.SetPod(testPod("1", "web", "10.0.0.1"))
	for name, test := range map[string]struct {
		server Options
		agent  peer.Directory
		reason string // empty: it is let in
		says   string // the agent's error
	}{
		"certificate": {
			server: Options{TLS: certificates},
			agent:  peer.Directory{CA: ours.file, Certificate: agentCertificate, Key: agentKey},
		},
		"token": {server: Options{TLS: plain, Tokens: tokens(nil)}, agent: peer.Directory{CA: ours.file, Token: good}},
		"token instead of a certificate": {
			server: Options{TLS: certificates, Tokens: tokens(nil)}, agent: peer.Directory{CA: ours.file, Token: good},
		},
		"certificate instead of a token": {
			server: Options{TLS: certificates, Tokens: tokens(errors.New("not asked"))},
			agent:  peer.Directory{CA: ours.file, Certificate: agentCertificate, Key: agentKey},
		},
		"nothing": {
			server: Options{TLS: certificates, Tokens: tokens(nil)}, agent: peer.Directory{CA: ours.file},
			reason: "no_credentials", says: "neither a certificate nor a token",
		},
		"token where certificates are asked for": {
			server: Options{TLS: certificates}, agent: peer.Directory{CA: ours.file, Token: good},
			reason: "no_credentials", says: "asks for a certificate",
		},
		"certificate of another authority": {
			server: Options{TLS: certificates}, agent: peer.Directory{CA: ours.file, Certificate: theirCertificate, Key: theirKey},
			reason: "tls",
		},
		"certificate where tokens are asked for": {
			server: Options{TLS: plain, Tokens: tokens(nil)},
			agent:  peer.Directory{CA: ours.file, Certificate: agentCertificate, Key: agentKey},
			reason: "no_credentials", says: "neither",
		},
		"token that is not good": {
			server: Options{TLS: plain, Tokens: tokens(nil)}, agent: peer.Directory{CA: ours.file, Token: bad},
			reason: "token", says: "not that of an agent",
		},
		"token of another service account": {
			server: Options{TLS: plain, Tokens: tokens(nil)}, agent: peer.Directory{CA: ours.file, Token: other},
			reason: "token", says: "not that of an agent",
		},
		"API server gone": {
			server: Options{TLS: plain, Tokens: tokens(errors.New("gone"))}, agent: peer.Directory{CA: ours.file, Token: good},
			reason: "token_unchecked", says: "cannot check the token now",
		},
		"no TLS": {
			server: Options{TLS: plain, Tokens: tokens(nil)}, agent: peer.Directory{Insecure: true},
			reason: "tls",
		},
		"directory of another authority": {
			server: Options{TLS: plain, Tokens: tokens(nil)}, agent: peer.Directory{CA: theirs.file, Token: good},
			reason: "tls", says: "certificate",
		},
		"cluster not read": {
			server: Options{Index: NewIndex(0), TLS: plain, Tokens: tokens(nil)}, agent: peer.Directory{CA: ours.file, Token: good},
			reason: "not_synced", says: "still reading",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if test.server.Index == nil {
				test.server.Index = full
			}
			s := start(t, test.server, anyPort)
			test.agent.Addresses = []string{s.address}
			r := agent(t, test.agent)
			if test.reason == "" {
				becomes(t, r, "10.0.0.1:0", web("web"))
				return
			}
			eventually(t, "rejected for "+test.reason, func() bool {
				err := r.Stats().LastError
				return s.rejected(test.reason) > 0 && err != nil && strings.Contains(err.Error(), test.says)
			})
			if got := r.Resolve(netip.MustParseAddrPort("10.0.0.1:0")); got.State == peer.Known || r.Stats().Answers > 0 {
				t.Errorf("was told %+v", got)
			}
		})
	}
}

func (s *Server) rejected(reason string) (n uint64) {
	for r := range numRejects {
		if r.String() == reason {
			return s.rejects[r].Load()
		}
	}
	return 0
}

func TestNobodyCouldConnect(t *testing.T) {
	certificate, key := newAuthority(t).issue(t, "directory")
	if _, err := NewServer(Options{Index: synced(), TLS: &TLSFiles{Certificate: certificate, Key: key}}); err == nil {
		t.Error("a server without certificates and tokens")
	}
	if _, err := NewServer(Options{Index: synced(), TLS: &TLSFiles{Certificate: key, Key: key}, Tokens: &Tokens{}}); err == nil {
		t.Error("a server with a bad certificate")
	}
	if _, err := NewServer(Options{Index: synced(), TLS: &TLSFiles{Certificate: certificate, Key: key, ClientCA: key}}); err == nil {
		t.Error("a server with a bad authority")
	}
}

func TestWithoutTLSOnLoopbackOnly(t *testing.T) {
	s, err := NewServer(Options{Index: synced()})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := s.Serve(t.Context(), []net.Listener{l}); err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("got %v", err)
	}
}

// TestRenewal exchanges the certificate under a running server.
func TestRenewal(t *testing.T) {
	ours := newAuthority(t)
	certificate, key := ours.issue(t, "first")
	s := start(t, Options{Index: synced(), TLS: &TLSFiles{Certificate: certificate, Key: key, ClientCA: ours.file}}, anyPort)
	roots := x509.NewCertPool()
	roots.AddCert(ours.certificate)
	name := func() string {
		conn, err := tls.Dial("tcp", s.address, &tls.Config{RootCAs: roots, NextProtos: []string{"h2"}})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	if got := name(); got != "first" {
		t.Errorf("got %s", got)
	}
	// A certificate without its key, as between two writes.
	der, _ := certify(t, &x509.Certificate{Subject: pkix.Name{CommonName: "half"}}, ours)
	writePEM(t, certificate, "CERTIFICATE", append(der, 0)[:len(der)])
	if err := os.Chtimes(certificate, time.Time{}, time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if got := name(); got != "first" {
		t.Errorf("got %s", got)
	}
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	if got := name(); got != "first" {
		t.Errorf("got %s", got)
	}
	ours.issueTo(t, "second", certificate, key)
	if err := os.Chtimes(certificate, time.Time{}, time.Now().Add(2*time.Second)); err != nil {
		t.Fatal(err)
	}
	if got := name(); got != "second" {
		t.Errorf("got %s", got)
	}
}

// TestRestart kills the directory and starts it again: agents keep what they know, and learn what changed
// meanwhile.
func TestRestart(t *testing.T) {
	ours := newAuthority(t)
	certificate, key := ours.issue(t, "directory")
	token := writeFile(t, "first")
	review := &reviewer{users: map[string]string{"first": agentUser}}
	options := func(x *Index) Options {
		return Options{Index: x, TLS: &TLSFiles{Certificate: certificate, Key: key}, Tokens: &Tokens{review, "fathom-directory", agentUser}}
	}
	x := synced()
	x.SetPod(testPod("1", "a", "10.0.0.1"))
	x.SetPod(testPod("2", "b", "10.0.0.2"))
	s := start(t, options(x), anyPort)
	r := agent(t, peer.Directory{Addresses: []string{s.address}, CA: ours.file, Token: token})
	becomes(t, r, "10.0.0.1:0", web("a"))
	becomes(t, r, "10.0.0.2:80", web("b"))
	becomes(t, r, "10.0.0.3:80", peer.Peer{Workload: peer.External})
	first := r.Resolve(netip.MustParseAddrPort("10.0.0.1:0"))

	s.stop()
	eventually(t, "disconnected", func() bool { return !r.Stats().Connected })
	if got := r.Resolve(netip.MustParseAddrPort("10.0.0.1:0")); got != first {
		t.Errorf("%+v while the directory is gone, %+v before", got, first)
	}
	if got := r.Resolve(netip.MustParseAddrPort("10.0.0.4:0")); got.State != peer.Pending {
		t.Errorf("a new address is %+v while the directory is gone", got)
	}
	// The token is another one by then.
	if err := os.WriteFile(token, []byte("second"), 0o600); err != nil {
		t.Fatal(err)
	}
	review.mu.Lock()
	review.users = map[string]string{"second": agentUser}
	review.mu.Unlock()
	next := synced()
	next.SetPod(testPod("1", "a", "10.0.0.1"))
	next.SetPod(testPod("3", "c", "10.0.0.2"))
	next.SetPod(testPod("4", "d", "10.0.0.4"))
	start(t, options(next), s.address)
	becomes(t, r, "10.0.0.2:80", web("c"))
	becomes(t, r, "10.0.0.4:0", web("d"))
	if got := r.Resolve(netip.MustParseAddrPort("10.0.0.1:0")); got != first {
		t.Errorf("%+v afterwards, %+v before: nothing changed", got, first)
	}
	if got := r.Stats(); got.Changes != 1 || got.Connections != 2 || got.LastError == nil {
		t.Errorf("%+v", got)
	}
}

// TestTwoServers lets one of two die.
func TestTwoServers(t *testing.T) {
	x := synced()
	x.SetPod(testPod("1", "a", "10.0.0.1"))
	servers := []*running{start(t, Options{Index: x}, anyPort), start(t, Options{Index: x}, anyPort)}
	r := agent(t, peer.Directory{Addresses: []string{servers[0].address, servers[1].address}, Insecure: true})
	becomes(t, r, "10.0.0.1:0", web("a"))
	dead, alive := servers[0], servers[1]
	if dead.streams.Load() == 0 {
		dead, alive = alive, dead
	}
	dead.stop()
	x.SetPod(testPod("2", "b", "10.0.0.1"))
	becomes(t, r, "10.0.0.1:0", web("b"))
	if alive.streams.Load() != 1 || dead.streams.Load() != 0 {
		t.Errorf("%d and %d streams", alive.streams.Load(), dead.streams.Load())
	}
}

// dial opens a stream without the agent's client.
func dial(t *testing.T, s *running) grpc.BidiStreamingClient[pb.IdentifyRequest, pb.IdentifyResponse] {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+s.address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	stream, err := pb.NewDirectoryClient(conn).Identify(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

func addresses(from, n int) (list []*pb.Address) {
	for i := from; i < from+n; i++ {
		list = append(list, &pb.Address{Ip: []byte{10, 0, byte(i >> 8), byte(i)}, Port: 80})
	}
	return list
}

func TestLimits(t *testing.T) {
	for name, test := range map[string]struct {
		requests func(send func(*pb.IdentifyRequest))
		reason   string
		code     codes.Code
	}{
		"batch": {func(send func(*pb.IdentifyRequest)) {
			send(&pb.IdentifyRequest{Add: addresses(0, 1000), Remove: addresses(0, 25)})
		}, "request", codes.InvalidArgument},
		"message": {func(send func(*pb.IdentifyRequest)) {
			send(&pb.IdentifyRequest{Add: []*pb.Address{{Ip: make([]byte, pb.MaxRequestBytes)}}})
		}, "request", codes.ResourceExhausted},
		"addresses": {func(send func(*pb.IdentifyRequest)) {
			for i := 0; i <= pb.MaxAddresses; i += pb.MaxBatch {
				send(&pb.IdentifyRequest{Add: addresses(i, pb.MaxBatch)})
			}
		}, "addresses", codes.ResourceExhausted},
		"length of an address": {func(send func(*pb.IdentifyRequest)) {
			send(&pb.IdentifyRequest{Add: []*pb.Address{{Ip: make([]byte, 5)}}})
		}, "request", codes.InvalidArgument},
		"no address": {func(send func(*pb.IdentifyRequest)) {
			send(&pb.IdentifyRequest{Remove: []*pb.Address{{}}})
		}, "request", codes.InvalidArgument},
		"port": {func(send func(*pb.IdentifyRequest)) {
			send(&pb.IdentifyRequest{Add: []*pb.Address{{Ip: make([]byte, 16), Port: 65536}}})
		}, "request", codes.InvalidArgument},
	} {
		t.Run(name, func(t *testing.T) {
			x := synced()
			s := start(t, Options{Index: x}, anyPort)
			stream := dial(t, s)
			test.requests(func(r *pb.IdentifyRequest) { _ = stream.Send(r) }) // the reason comes with Recv
			var err error
			for err == nil {
				_, err = stream.Recv()
			}
			if status.Code(err) != test.code || s.rejected(test.reason) != 1 {
				t.Errorf("got %v, %d rejected", err, s.rejected(test.reason))
			}
			eventually(t, "nothing left", func() bool {
				return s.streams.Load() == 0 && s.subscriptions.Load() == 0 && x.Stats().Subscribed == 0
			})
		})
	}
}

func TestStreamsBounded(t *testing.T) {
	s := start(t, Options{Index: synced(), MaxStreams: 2}, anyPort)
	first, second := dial(t, s), dial(t, s)
	for _, stream := range []grpc.BidiStreamingClient[pb.IdentifyRequest, pb.IdentifyResponse]{first, second} {
		if _, err := stream.Header(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := dial(t, s).Recv(); status.Code(err) != codes.ResourceExhausted || s.rejected("streams") != 1 {
		t.Errorf("got %v", err)
	}
	if err := first.CloseSend(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "room", func() bool { return s.streams.Load() == 1 })
	if _, err := dial(t, s).Header(); err != nil {
		t.Errorf("got %v", err)
	}
}

// TestSlowReader does not read what it asked for: nobody else waits, and it gets the last answer when it reads.
func TestSlowReader(t *testing.T) {
	x := synced()
	s := start(t, Options{Index: x}, anyPort)
	slow := dial(t, s)
	const n = 4096
	for i := 0; i < n; i += pb.MaxBatch {
		if err := slow.Send(&pb.IdentifyRequest{Add: addresses(i, pb.MaxBatch)}); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "subscribed", func() bool { return x.Stats().Subscribed == n })
	quick := agent(t, peer.Directory{Addresses: []string{s.address}, Insecure: true})
	becomes(t, quick, "10.0.0.0:80", peer.Peer{Workload: peer.External})
	// Many times what a stream's window holds: 64 kB, as long as nobody reads.
	const rounds = 8
	for round := range rounds {
		var pods []*kube.Pod
		for i := range n {
			ip := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
			pods = append(pods, testPod(fmt.Sprint(i, "-", round), fmt.Sprintf("%0200d", round), ip.String()))
		}
		x.ReplacePods(pods)
	}
	last := fmt.Sprintf("%0200d", rounds-1)
	becomes(t, quick, "10.0.0.0:80", web(last))
	told := make(map[string]string)
	answers := 0
	for len(told) < n {
		response, err := slow.Recv()
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range response.GetAnswers() {
			answers++
			if ip := string(a.GetAddress().GetIp()); a.GetWorkload() == last {
				told[ip] = last
			} else {
				delete(told, ip)
			}
		}
	}
	if answers >= n*rounds {
		t.Errorf("%d answers: all that happened was kept", answers)
	}
}

// TestManyStreams serves 50 agents, all of which see every change.
func TestManyStreams(t *testing.T) {
	x := synced()
	s := start(t, Options{Index: x}, anyPort)
	const agents, each = 50, 100
	set := func(workload string) {
		for i := range each {
			x.SetPod(testPod(fmt.Sprint(workload, i), workload, fmt.Sprintf("10.0.0.%d", i)))
		}
	}
	set("a")
	var all []*peer.Resolver
	for range agents {
		all = append(all, agent(t, peer.Directory{Addresses: []string{s.address}, Insecure: true}))
	}
	everybody := func(workload string) {
		eventually(t, "everybody knows "+workload, func() bool {
			ok := true
			for _, r := range all {
				for i := range each {
					got := r.Resolve(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 8080))
					ok = ok && got.State == peer.Known && got.Peer == web(workload)
				}
			}
			return ok
		})
	}
	everybody("a")
	set("b")
	everybody("b")
	if s.streams.Load() != agents || s.subscriptions.Load() != agents*each {
		t.Errorf("%d streams, %d subscriptions", s.streams.Load(), s.subscriptions.Load())
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(s.Server)
	families, err := registry.Gather()
	if err != nil || len(families) != 11 {
		t.Errorf("%d metrics, %v", len(families), err)
	}
	s.stop()
	eventually(t, "everybody gone", func() bool { return s.streams.Load() == 0 && x.Stats().Subscribed == 0 })
}

// FuzzRequest handles what anybody could send.
func FuzzRequest(f *testing.F) {
	for _, r := range []*pb.IdentifyRequest{
		{},
		{Add: addresses(0, 3), Remove: addresses(1, 1)},
		{Add: []*pb.Address{{Ip: make([]byte, 16), Port: 65535}, {Ip: []byte("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x0a\x00\x00\x01")}}},
		{Add: []*pb.Address{nil, {Ip: []byte{1}}, {Port: 1 << 31}}},
	} {
		message, err := proto.Marshal(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(message)
	}
	x := synced()
	x.SetPod(testPod("1", "web", "10.0.0.1"))
	known := x.Stats().Addresses
	s, err := NewServer(Options{Index: x})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		var r pb.IdentifyRequest
		if proto.Unmarshal(message, &r) != nil {
			return
		}
		const limit = 8
		w := x.Watch(limit)
		err := s.handle(&r, w)
		if c := status.Code(err); err != nil && c != codes.InvalidArgument && c != codes.ResourceExhausted {
			t.Errorf("got %v", err)
		}
		answers := w.Take(100)
		if n := w.Len(); n > limit || len(answers) != n {
			t.Errorf("%d followed, %d told", n, len(answers))
		}
		if _, err := proto.Marshal(responseOf(answers)); err != nil {
			t.Error(err)
		}
		w.Close()
		if got := x.Stats(); got.Subscribed != 0 || got.Addresses != known {
			t.Errorf("something is left: %+v", got)
		}
	})
}
