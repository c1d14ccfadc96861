package directory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/net/netutil"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	pb "github.com/fathomhq/fathom/internal/directory/directorypb"
)

const (
	// DefaultMaxStreams is as many agents as a cluster may have nodes (Kubernetes' stated limit), so that one
	// replica can serve them all.
	DefaultMaxStreams = 5000

	// A connection must become a stream in this time, and one that has none any more is closed.
	connectTimeout = 10 * time.Second
	// An agent whose node died is noticed in a minute at most.
	pingEvery, pingTimeout = 40 * time.Second, 20 * time.Second
	// Agents ping every 10 s, the least that gRPC allows them; more often is not welcome.
	minPing = 8 * time.Second
	// Streams end after this time, some sooner and some later, so that agents show their tokens again and spread over all
	// replicas.
	maxAge, maxAgeGrace = 30 * time.Minute, 10 * time.Second
	maxHeaderBytes      = 32 << 10 // a token has 1 or 2 kB
	bufferBytes         = 8 << 10  // for reading and for writing, of each connection

	// shutdownTimeout is what streams get to end by themselves.
	shutdownTimeout = 400 * time.Millisecond
	expireEvery     = time.Second
)

// Options configure [NewServer].
type Options struct {
	Index *Index
	// TLS is nil for tests: everybody is let in, and listeners must be of loopback addresses.
	TLS *TLSFiles
	// Tokens lets in agents with a token; nil: with a certificate only.
	Tokens *Tokens
	// MaxStreams bounds the agents that are served at a time (default [DefaultMaxStreams]).
	MaxStreams int
	// Logger receives what agents do wrong (default: discarded).
	Logger *slog.Logger
}

// Server answers agents from an [Index]. It is a prometheus.Collector too.
type Server struct {
	pb.UnimplementedDirectoryServer
	index        *Index
	certificates *certificates
	tokens       *tokens
	maxStreams   int64
	log          *slog.Logger
	stopping     chan struct{}

	streams       atomic.Int64
	subscriptions atomic.Int64
	answers       atomic.Uint64
	rejects       [numRejects]atomic.Uint64
}

// NewServer returns a server, whose TLS files it has read.
func NewServer(o Options) (*Server, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.MaxStreams <= 0 {
		o.MaxStreams = DefaultMaxStreams
	}
	s := &Server{index: o.Index, maxStreams: int64(o.MaxStreams), log: o.Logger, stopping: make(chan struct{})}
	if o.Tokens != nil {
		s.tokens = newTokens(*o.Tokens)
	}
	if o.TLS == nil {
		return s, nil
	}
	if o.TLS.ClientCA == "" && o.Tokens == nil {
		return nil, errors.New("agents could not connect: give a certificate authority for their certificates, or let them have tokens")
	}
	var err error
	s.certificates, err = newCertificates(*o.TLS, o.Logger)
	return s, err
}

// Serve answers on the listeners until ctx ends, and closes them. It is called once.
func (s *Server) Serve(ctx context.Context, listeners []net.Listener) error {
	if s.certificates == nil {
		for _, l := range listeners {
			if a, err := netip.ParseAddrPort(l.Addr().String()); err != nil || !a.Addr().IsLoopback() {
				return fmt.Errorf("serve on %s without TLS: only loopback addresses are allowed", l.Addr())
			}
		}
	}
	server := s.server()
	group, ctx := errgroup.WithContext(ctx)
	for _, l := range listeners {
		group.Go(func() error {
			// Whoever has not shown that it is an agent has room beside the streams, but no end of it.
			err := server.Serve(netutil.LimitListener(l, int(s.maxStreams)+64))
			if err != nil && !errors.Is(err, grpc.ErrServerStopped) {
				return fmt.Errorf("serve on %s: %w", l.Addr(), err)
			}
			return nil
		})
	}
	group.Go(func() error {
		s.expire(ctx)
		close(s.stopping)
		stop(server)
		return nil
	})
	return group.Wait()
}

func (s *Server) server() *grpc.Server {
	options := []grpc.ServerOption{
		grpc.MaxRecvMsgSize(pb.MaxRequestBytes),
		grpc.MaxHeaderListSize(maxHeaderBytes),
		grpc.MaxConcurrentStreams(4),
		grpc.ConnectionTimeout(connectTimeout),
		grpc.ReadBufferSize(bufferBytes),
		grpc.WriteBufferSize(bufferBytes),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: minPing, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionIdle: connectTimeout, MaxConnectionAge: maxAge, MaxConnectionAgeGrace: maxAgeGrace,
			Time: pingEvery, Timeout: pingTimeout,
		}),
	}
	if s.certificates != nil {
		options = append(options, grpc.Creds(handshakes{credentials.NewTLS(s.certificates.serverConfig()), s}))
	}
	server := grpc.NewServer(options...)
	pb.RegisterDirectoryServer(server, s)
	return server
}

// expire lets the index forget, until ctx ends.
func (s *Server) expire(ctx context.Context) {
	ticker := time.NewTicker(expireEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			s.index.Expire()
		}
	}
}

// stop lets streams end for a moment, then closes their connections.
func stop(server *grpc.Server) {
	timer := time.AfterFunc(shutdownTimeout, server.Stop)
	defer timer.Stop()
	server.GracefulStop()
}

// Identify implements the service.
func (s *Server) Identify(stream grpc.BidiStreamingServer[pb.IdentifyRequest, pb.IdentifyResponse]) error {
	if err := s.authenticate(stream.Context()); err != nil {
		return err
	}
	if !s.index.Synced() {
		return s.reject(notSynced, status.Error(codes.Unavailable, "the directory is still reading the cluster"))
	}
	defer s.streams.Add(-1)
	if s.streams.Add(1) > s.maxStreams {
		return s.reject(tooManyStreams, status.Error(codes.ResourceExhausted, "the directory serves as many agents as it may"))
	}
	if err := stream.SendHeader(nil); err != nil {
		return err
	}
	watch := s.index.Watch(pb.MaxAddresses)
	defer watch.Close()
	received := make(chan error, 1) // Recv ends when this method has
	go func() { received <- s.receive(stream, watch) }()
	return s.send(stream, watch, received)
}

// receive adds and removes what the agent wants, until it closes the stream.
func (s *Server) receive(stream grpc.BidiStreamingServer[pb.IdentifyRequest, pb.IdentifyResponse], watch *Watch) error {
	var have int64
	defer func() { s.subscriptions.Add(-have) }()
	for {
		request, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if status.Code(err) == codes.ResourceExhausted {
			return s.reject(badRequest, err)
		}
		if err != nil {
			return err
		}
		if err := s.handle(request, watch); err != nil {
			return err
		}
		n := int64(watch.Len())
		s.subscriptions.Add(n - have)
		have = n
	}
}

// handle does what a request wants.
func (s *Server) handle(request *pb.IdentifyRequest, watch *Watch) error {
	if len(request.GetAdd())+len(request.GetRemove()) > pb.MaxBatch {
		return s.reject(badRequest, status.Errorf(codes.InvalidArgument, "more than %d addresses in a request", pb.MaxBatch))
	}
	remove, err := addressesOf(request.GetRemove())
	if err != nil {
		return s.reject(badRequest, err)
	}
	add, err := addressesOf(request.GetAdd())
	if err != nil {
		return s.reject(badRequest, err)
	}
	watch.Remove(remove)
	if err := watch.Add(add); err != nil {
		return s.reject(tooManyAddresses, status.Errorf(codes.ResourceExhausted, "more than %d addresses", pb.MaxAddresses))
	}
	return nil
}

// send tells what is new, until the agent closes the stream or the server stops.
func (s *Server) send(stream grpc.BidiStreamingServer[pb.IdentifyRequest, pb.IdentifyResponse], watch *Watch, received <-chan error) error {
	for {
		select {
		case err := <-received:
			return err
		case <-s.stopping:
			return status.Error(codes.Unavailable, "the directory is stopping")
		case <-watch.Wake():
		}
		answers := watch.Take(pb.MaxBatch)
		if len(answers) == 0 {
			continue
		}
		if err := stream.Send(responseOf(answers)); err != nil {
			return err
		}
		s.answers.Add(uint64(len(answers)))
	}
}

func addressesOf(list []*pb.Address) ([]netip.AddrPort, error) {
	addresses := make([]netip.AddrPort, 0, len(list))
	for _, a := range list {
		ip, ok := netip.AddrFromSlice(a.GetIp())
		if !ok {
			return nil, status.Errorf(codes.InvalidArgument, "an address of %d bytes: it has 4 or 16", len(a.GetIp()))
		}
		if a.GetPort() > 1<<16-1 {
			return nil, status.Errorf(codes.InvalidArgument, "port %d: the highest is 65535", a.GetPort())
		}
		addresses = append(addresses, netip.AddrPortFrom(ip.Unmap(), uint16(a.GetPort()))) //nolint:gosec // checked above
	}
	return addresses, nil
}

var kinds = [...]pb.Kind{
	Outside: pb.Kind_KIND_OUTSIDE, PodKind: pb.Kind_KIND_POD, ServiceKind: pb.Kind_KIND_SERVICE, NodeKind: pb.Kind_KIND_NODE,
}

func responseOf(answers []Answer) *pb.IdentifyResponse {
	r := &pb.IdentifyResponse{Answers: make([]*pb.Answer, 0, len(answers))}
	for _, a := range answers {
		r.Answers = append(r.Answers, &pb.Answer{
			Address:   &pb.Address{Ip: a.Address.Addr().AsSlice(), Port: uint32(a.Address.Port())},
			Kind:      kinds[a.Identity.Kind],
			Namespace: a.Identity.Namespace,
			Workload:  a.Identity.Workload,
			Service:   a.Identity.Service,
		})
	}
	return r
}
