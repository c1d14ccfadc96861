package peer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"time"
	"unique"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"

	pb "github.com/fathomhq/fathom/internal/directory/directorypb"
)

const (
	connectTimeout = 5 * time.Second
	// A directory that died without a word is noticed after both. Ten seconds is the least that gRPC allows.
	pingEvery, pingTimeout = 10 * time.Second, 5 * time.Second
	// After each replica has failed, all are tried again after a random time up to a limit that doubles: agents
	// do not come all at once when the directory comes back.
	minBackoff, maxBackoff = 500 * time.Millisecond, 15 * time.Second
	// A connection that lasted so long counts as good: losing it is no reason to wait longer than a moment.
	goodAfter   = 5 * time.Second
	bufferBytes = 8 << 10
)

// client keeps a resolver connected to a directory.
type client struct {
	*Directory
	r       *Resolver
	backoff time.Duration
	lost    replica // whose connection ended last
	warned  bool    // that there is no connection
}

type stream = grpc.BidiStreamingClient[pb.IdentifyRequest, pb.IdentifyResponse]

func newClient(r *Resolver) *client {
	return &client{Directory: r.options.Directory, r: r, backoff: minBackoff}
}

func (c *client) run(ctx context.Context) {
	for ctx.Err() == nil {
		lasted := c.round(ctx)
		wait := c.backoff
		if lasted >= goodAfter {
			c.backoff, wait = minBackoff, minBackoff/2
		} else {
			c.backoff = min(2*c.backoff, maxBackoff)
		}
		select {
		case <-ctx.Done():
		case <-time.After(rand.N(wait)):
		}
	}
}

// round tries all replicas until a connection comes about, and returns how long that lasted.
func (c *client) round(ctx context.Context) time.Duration {
	replicas, err := c.replicas(ctx, c.lost)
	if err != nil {
		c.failed(ctx, fmt.Errorf("look the directory up: %w", err))
	}
	for _, replica := range replicas {
		connected, err := c.follow(ctx, replica)
		c.failed(ctx, fmt.Errorf("directory %s: %w", replica.address, err))
		if !connected.IsZero() {
			c.lost = replica
			return time.Since(connected)
		}
	}
	return 0
}

func (c *client) failed(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	level := slog.LevelDebug
	if !c.warned {
		level = slog.LevelWarn
	}
	c.warned = true
	c.r.log.Log(ctx, level, "no connection to the directory", "error", err)
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	c.r.stats.LastError = err
}

// follow serves the resolver from one replica for as long as that works. It returns when the directory
// accepted the agent, zero if it did not.
func (c *client) follow(ctx context.Context, replica replica) (connected time.Time, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	timer := time.AfterFunc(connectTimeout, cancel)
	defer timer.Stop()
	conn, err := c.dial(replica)
	if err != nil {
		return connected, err
	}
	defer func() { _ = conn.Close() }()
	stream, err := c.open(ctx, conn)
	if !timer.Stop() {
		return connected, fmt.Errorf("no answer in %s", connectTimeout)
	}
	if err != nil {
		return connected, err
	}
	connected = time.Now()
	c.connected(replica)
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		c.send(ctx, stream)
	}()
	err = c.receive(stream)
	cancel()
	<-sent
	c.r.disconnected()
	return connected, err
}

func (c *client) dial(replica replica) (*grpc.ClientConn, error) {
	secure, err := c.credentials(replica.host)
	if err != nil {
		return nil, err
	}
	return grpc.NewClient("passthrough:///"+replica.address.String(),
		grpc.WithTransportCredentials(secure),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingEvery, Timeout: pingTimeout}),
		grpc.WithReadBufferSize(bufferBytes),
		grpc.WithWriteBufferSize(bufferBytes),
		grpc.WithDisableServiceConfig(),
		grpc.WithNoProxy(),
	)
}

// open returns a stream that the directory has accepted.
func (c *client) open(ctx context.Context, conn *grpc.ClientConn) (stream, error) {
	token, err := c.token()
	if err != nil {
		return nil, err
	}
	if token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	}
	s, err := pb.NewDirectoryClient(conn).Identify(ctx)
	if err != nil {
		return nil, err
	}
	header, err := s.Header()
	if err == nil && header == nil {
		_, err = s.Recv() // it ended without headers, and tells why
	}
	return s, err
}

func (c *client) connected(replica replica) {
	c.warned = false
	c.r.log.Info("connected to the directory", "address", replica.address.String())
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	c.r.stats.Connected = true
	c.r.stats.Connections++
	c.r.outbox.open(c.r.entries)
}

func (r *Resolver) disconnected() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stats.Connected = false
	r.outbox.close()
}

// send tells the directory what to follow, until ctx ends or the stream does.
func (c *client) send(ctx context.Context, s stream) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.r.outbox.wake:
		}
		c.r.mu.Lock()
		adds, removes := c.r.outbox.take(pb.MaxBatch)
		c.r.mu.Unlock()
		if len(adds)+len(removes) == 0 {
			continue
		}
		if err := s.Send(&pb.IdentifyRequest{Add: addressesOf(adds), Remove: addressesOf(removes)}); err != nil {
			return // receive gets the reason
		}
	}
}

// receive takes answers until the stream ends.
func (c *client) receive(s stream) error {
	for {
		response, err := s.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return errors.New("it closed the stream")
		case err != nil:
			return err
		}
		c.r.take(response.GetAnswers())
	}
}

// take takes answers for addresses that are still wanted.
func (r *Resolver) take(answers []*pb.Answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range answers {
		ip, _ := netip.AddrFromSlice(a.GetAddress().GetIp())
		e := r.entries[netip.AddrPortFrom(ip, uint16(a.GetAddress().GetPort()))] //nolint:gosec // one that was asked for
		if e == nil {
			continue
		}
		r.stats.Answers++
		r.set(e, peerOf(a, e.outside), Known)
		e.answered = true
	}
}

func peerOf(a *pb.Answer, outside Peer) Peer {
	switch a.GetKind() {
	case pb.Kind_KIND_OUTSIDE:
		return outside
	case pb.Kind_KIND_NODE:
		return Peer{Workload: Node}
	}
	return Peer{Namespace: one(a.GetNamespace()), Workload: one(a.GetWorkload()), Service: one(a.GetService())}
}

// one returns the one copy of a string: many addresses have the same names.
func one(s string) string { return unique.Make(s).Value() }

func addressesOf(list []netip.AddrPort) []*pb.Address {
	addresses := make([]*pb.Address, 0, len(list))
	for _, a := range list {
		addresses = append(addresses, &pb.Address{Ip: a.Addr().AsSlice(), Port: uint32(a.Port())})
	}
	return addresses
}
