package main

import (
	"context"
	"maps"
	"net"
	"strings"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/status"
)

// The scheme of NEXT where that is a service of gRPC, behind which there may be several addresses: calls go to each in turn.
const grpcScheme = "grpc://"

// outcomes are how many calls had which status.
type outcomes struct {
	mu sync.Mutex
	of map[string]int64
}

func (o *outcomes) add(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.of == nil {
		o.of = make(map[string]int64)
	}
	o.of[status.Code(err).String()]++
}

func (o *outcomes) copy() map[string]int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return maps.Clone(o.of)
}

// serveGRPC answers grpc.health.v1.Health/Check: OK, and of services that it does not know NotFound.
func serveGRPC(address string, served *outcomes) (serve func() error, stop func(), err error) {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, nil, err
	}
	server := grpc.NewServer(grpc.UnaryInterceptor(func(ctx context.Context, r any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		answer, err := handle(ctx, r)
		served.add(err)
		return answer, err
	}))
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	return func() error { return server.Serve(l) }, server.GracefulStop, nil
}

// caller makes calls of gRPC. Each fourth is of a service that is not known.
type caller struct {
	grpc_health_v1.HealthClient
	outcomes

	calls atomic.Uint64
}

func newCaller(next string) (*caller, error) {
	addresses := manual.NewBuilderWithScheme("next")
	var state resolver.State
	for address := range strings.SplitSeq(strings.TrimPrefix(next, grpcScheme), ",") {
		state.Addresses = append(state.Addresses, resolver.Address{Addr: address})
	}
	addresses.InitialState(state)
	conn, err := grpc.NewClient("next:///", grpc.WithResolvers(addresses), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig": [{"round_robin": {}}]}`))
	if err != nil {
		return nil, err
	}
	return &caller{HealthClient: grpc_health_v1.NewHealthClient(conn)}, nil
}

func (c *caller) ask(ctx context.Context) error {
	var r grpc_health_v1.HealthCheckRequest
	if c.calls.Add(1)%4 == 0 {
		r.Service = "nobody"
	}
	_, err := c.Check(ctx, &r, grpc.WaitForReady(true))
	c.add(err)
	if status.Code(err) == codes.NotFound {
		return nil
	}
	return err
}
