package http2

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/fathomhq/fathom/internal/protocol"
	"github.com/fathomhq/fathom/test/process"
)

// statuses are gRPC's, by their numbers.
var statuses = []string{
	"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
	"RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS",
	"UNAUTHENTICATED",
}

// calls are kinds of gRPC calls: METHOD, and what is said in the messages, which for the server begins with what it has to do.
var calls = func() []string {
	all := []string{
		"Unary hello", "Unary x100000", "Server hello", "Server fail:7", "Client hello", "Client x100000", "Bidi hello", "Bidi fail:3",
		"Nope hello", "Unary metadata:10",
	}
	for code := range statuses {
		all = append(all, fmt.Sprintf("Unary fail:%d", code))
	}
	return all
}()

func grpcRows() []row {
	var all []row
	for _, c := range []struct{ atOnce, n int }{{1, 200}, {10, 500}, {100, 1000}} {
		all = append(all, row{name: fmt.Sprintf("grpc-go: %d at once", c.atOnce), run: func(r *run) {
			r.both(r.grpcAsk(r.grpcServe(), calls, "-n", number(c.n), "-c", number(c.atOnce)))
		}})
	}
	// ended is how a call may end that one end wanted to end.
	ended := []string{"CANCELLED", "DEADLINE_EXCEEDED", protocol.ResetByClient}
	return append(all,
		row{name: "grpc-go: deadlines that are met", run: func(r *run) {
			r.both(r.grpcAsk(r.grpcServe(), calls, "-n", "300", "-c", "10", "-timeout", "20s"))
		}},
		row{name: "grpc-go: deadlines", run: func(r *run) {
			c := r.grpcAsk(r.grpcServe(), []string{"Unary sleep:300", "Server sleep:300", "Bidi sleep:300"}, "-n", "60", "-c", "10", "-timeout", "20ms")
			r.both(c.either(gRPC, append(ended, protocol.ResetByServer)...)) // the server has the deadline as well
		}},
		row{name: "grpc-go: cancels", run: func(r *run) {
			c := r.grpcAsk(r.grpcServe(), []string{"Unary sleep:300", "Client sleep:300", "Server sleep:300"}, "-n", "60", "-c", "10", "-cancel", "20ms")
			r.both(c.either(gRPC, ended...))
		}},
		row{name: "grpc-go: retries", run: func(r *run) {
			c := r.grpcAsk(r.grpcServe(), []string{"Unary third", "Unary hello", "Server third", "Unary fail:5"}, "-n", "100", "-c", "10", "-retry")
			if c["gRPC UNAVAILABLE"] != 100 || c["gRPC OK"] != 75 {
				r.Fatalf("the client saw %v", c)
			}
			r.both(c)
		}},
		row{name: "grpc-go: keepalive", run: func(r *run) {
			addr := r.grpcServe("-keepalive", "1s")
			r.both(r.grpcAsk(addr, []string{"Bidi pause:500", "Unary hello"}, "-n", "4", "-c", "4"))
		}},
		row{name: "grpc-go: connections that get old", run: func(r *run) {
			addr := r.grpcServe("-age", "200ms")
			r.both(r.grpcAsk(addr, calls, "-n", "600", "-c", "10", "-pause", "20ms"))
		}},
		row{name: "grpc-go: several connections", run: func(r *run) {
			r.both(r.grpcAsk(r.grpcServe(), calls, "-n", "500", "-c", "20", "-conns", "7"))
		}},
		row{name: "grpc-go: messages of megabytes", run: func(r *run) {
			r.both(r.grpcAsk(r.grpcServe(), []string{"Unary x3000000", "Unary fail:5", "Bidi x1000000"}, "-n", "30", "-c", "5"))
		}},
		row{name: "grpc-go: the server is gone", run: func(r *run) {
			addr := r.grpcServe()
			c := r.grpcAsk(addr, []string{"Unary exit:4"}, "-n", "4", "-c", "4")
			r.both(counts{"gRPC aborted": c["gRPC UNAVAILABLE"]})
		}},
	)
}

// grpcServe starts grpc-go's server.
func (r *run) grpcServe(flags ...string) (addr string) {
	r.Helper()
	addr = process.FreeAddress(r)
	r.serve(server, addr, "", append(append([]string{"serve-grpc"}, flags...), addr)...)
	return addr
}

// grpcAsk makes calls with grpc-go's client.
func (r *run) grpcAsk(addr string, calls []string, flags ...string) counts {
	r.Helper()
	return r.ask("", grpcAskArgs(addr, calls, flags...)...)
}

func grpcAskArgs(addr string, calls []string, flags ...string) []string {
	return append(append(append([]string{"ask-grpc"}, flags...), addr), calls...)
}

// message is what all methods take and return.
type message = wrapperspb.BytesValue

// asked are the calls that want the server to end, which it does with the last one.
var asked atomic.Int64

// act does what a message says. The server gives up with its client.
func act(ctx context.Context, m *message) error {
	word, argument, _ := strings.Cut(string(m.Value), ":")
	n, _ := strconv.Atoi(argument)
	switch word {
	case "fail":
		return status.Error(codes.Code(n), "nö") //nolint:gosec // 0 to 16
	case "sleep":
		select {
		case <-time.After(time.Duration(n) * time.Millisecond):
		case <-ctx.Done():
			return status.FromContextError(ctx.Err()).Err()
		}
	case "pause":
		time.Sleep(time.Duration(n) * time.Millisecond)
	case "third":
		md, _ := metadata.FromIncomingContext(ctx)
		if n := md.Get("grpc-previous-rpc-attempts"); len(n) == 0 || n[0] == "1" {
			return status.Error(codes.Unavailable, "not yet")
		}
	case "metadata":
		md := metadata.MD{}
		for i := range n {
			md.Append(fmt.Sprintf("x-answer-%d", i), fmt.Sprintf("%s %d", strings.Repeat("v", 20), time.Now().UnixNano()))
		}
		_ = grpc.SetHeader(ctx, md)
		_ = grpc.SetTrailer(ctx, metadata.Pairs("x-trailer", fmt.Sprint(time.Now().UnixNano())))
	case "exit":
		if asked.Add(1) == int64(n) {
			go panic("asked to end")
		}
		<-ctx.Done()
	}
	return nil
}

// echo is the service. Its methods differ in who streams.
var echo = grpc.ServiceDesc{
	ServiceName: "test.Echo",
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{{MethodName: "Unary", Handler: func(_ any, ctx context.Context, read func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		m := &message{}
		if err := read(m); err != nil {
			return nil, err
		}
		return m, act(ctx, m)
	}}},
	Streams: []grpc.StreamDesc{
		{StreamName: "Server", ServerStreams: true, Handler: func(_ any, s grpc.ServerStream) error {
			m := &message{}
			if err := s.RecvMsg(m); err != nil {
				return err
			}
			if strings.HasPrefix(string(m.Value), "third") { // what is committed is not tried again
				return act(s.Context(), m)
			}
			for range 10 {
				if err := s.SendMsg(m); err != nil {
					return err
				}
			}
			return act(s.Context(), m)
		}},
		{StreamName: "Client", ClientStreams: true, Handler: func(_ any, s grpc.ServerStream) error {
			m := &message{}
			for {
				next := &message{}
				err := s.RecvMsg(next)
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					return err
				}
				m = next
			}
			if err := act(s.Context(), m); err != nil {
				return err
			}
			return s.SendMsg(m)
		}},
		{StreamName: "Bidi", ClientStreams: true, ServerStreams: true, Handler: func(_ any, s grpc.ServerStream) error {
			for {
				m := &message{}
				err := s.RecvMsg(m)
				if errors.Is(err, io.EOF) {
					return nil
				}
				if err == nil {
					err = s.SendMsg(m)
				}
				if err == nil {
					err = act(s.Context(), m)
				}
				if err != nil {
					return err
				}
			}
		}},
	},
}

// serveGRPC is grpc-go's server.
func serveGRPC(args []string) error {
	flags := flag.NewFlagSet("serve-grpc", flag.ContinueOnError)
	cert, key := flags.String("cert", "", "for TLS"), flags.String("key", "", "of -cert")
	age := flags.Duration("age", 0, "after which connections are given up")
	alive := flags.Duration("keepalive", time.Hour, "after which clients are asked whether they live")
	if err := flags.Parse(args); err != nil {
		return err
	}
	params := keepalive.ServerParameters{MaxConnectionAge: *age, MaxConnectionAgeGrace: process.Patience, Time: *alive}
	options := []grpc.ServerOption{grpc.KeepaliveParams(params)}
	if *cert != "" {
		c, err := credentials.NewServerTLSFromFile(*cert, *key)
		if err != nil {
			return err
		}
		options = append(options, grpc.Creds(c))
	}
	l, err := listen(flags.Arg(0))
	if err != nil {
		return err
	}
	s := grpc.NewServer(options...)
	s.RegisterService(&echo, nil)
	return s.Serve(l)
}

// grpcClient is grpc-go's client. It counts attempts, of which a call may have several.
type grpcClient struct {
	work

	timeout, cancel time.Duration
	next            chan *grpc.ClientConn // the connections in turn
}

// retries are what the client does with calls that are UNAVAILABLE.
const retries = `{"methodConfig": [{"name": [{}], "retryPolicy": {"maxAttempts": 4, "initialBackoff": "0.01s", "maxBackoff": "0.02s",
	"backoffMultiplier": 1, "retryableStatusCodes": ["UNAVAILABLE"]}}]}`

// askGRPC is grpc-go's client.
func askGRPC(args []string) error {
	var c grpcClient
	var conns int
	var retry, secure bool
	addr, err := c.parse(args, func(flags *flag.FlagSet) {
		flags.IntVar(&conns, "conns", 1, "connections")
		flags.DurationVar(&c.timeout, "timeout", 0, "of calls")
		flags.DurationVar(&c.cancel, "cancel", 0, "calls after this")
		flags.BoolVar(&retry, "retry", false, "calls that are UNAVAILABLE")
		flags.BoolVar(&secure, "tls", false, "with TLS")
	})
	if err != nil {
		return err
	}
	config := `{}`
	if retry {
		config = retries
	}
	creds := insecure.NewCredentials()
	if secure {
		creds = credentials.NewTLS(&tls.Config{InsecureSkipVerify: true}) //nolint:gosec // a test's own server
	}
	c.next = make(chan *grpc.ClientConn, conns)
	connect := func() error {
		for range conns {
			conn, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(creds), grpc.WithStatsHandler(&c),
				grpc.WithDefaultServiceConfig(config), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(1<<30)))
			if err != nil {
				return err
			}
			c.next <- conn
		}
		return nil
	}
	if secure {
		c.fresh = func() error { return errors.Join(c.close(), connect()) }
	}
	if err := connect(); err != nil {
		return err
	}
	return errors.Join(c.do(func(kind string) error { c.one(kind); return nil }), c.close())
}

func (c *grpcClient) close() (err error) {
	for range cap(c.next) {
		err = errors.Join(err, (<-c.next).Close())
	}
	return err
}

// unimplemented is in the context of a call of the method that there is not. Its end is told as a success, once in a thousand, where it
// comes before the request is sent as a whole: what the caller is told is right.
type unimplemented struct{}

// HandleRPC is part of [stats.Handler].
func (c *grpcClient) HandleRPC(ctx context.Context, s stats.RPCStats) {
	if end, ok := s.(*stats.End); ok && ctx.Value(unimplemented{}) == nil {
		c.add(gRPC, statuses[status.Code(end.Error)])
	}
}

// TagRPC is part of [stats.Handler].
func (c *grpcClient) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

// TagConn is part of [stats.Handler].
func (c *grpcClient) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn is part of [stats.Handler].
func (c *grpcClient) HandleConn(context.Context, stats.ConnStats) {}

// one makes the call that a text of [calls] says. How it ends is for the handler of statistics to see.
func (c *grpcClient) one(kind string) {
	method, text, _ := strings.Cut(kind, " ")
	m := &message{Value: []byte(text)}
	if n, err := strconv.Atoi(strings.TrimPrefix(text, "x")); err == nil {
		m.Value = make([]byte, n)
	}
	ctx := context.Background()
	if c.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.timeout)
		defer cancel()
	}
	if c.cancel > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer time.AfterFunc(c.cancel, cancel).Stop()
	}
	if strings.HasPrefix(text, "metadata:") {
		for i := range 10 {
			ctx = metadata.AppendToOutgoingContext(ctx, fmt.Sprintf("x-request-%d", i), fmt.Sprintf("%s %d", strings.Repeat("q", 20), time.Now().UnixNano()))
		}
	}
	conn := <-c.next
	c.next <- conn
	name := "/test.Echo/" + method
	if method == "Nope" {
		err := conn.Invoke(context.WithValue(ctx, unimplemented{}, true), name, m, &message{})
		c.add(gRPC, statuses[status.Code(err)])
		return
	}
	if method == "Unary" {
		_ = conn.Invoke(ctx, name, m, &message{})
		return
	}
	messages := 1
	desc := &grpc.StreamDesc{StreamName: method, ServerStreams: method != "Client", ClientStreams: method != "Server"}
	s, err := conn.NewStream(ctx, desc, name)
	if err != nil {
		return
	}
	if desc.ClientStreams {
		messages = 5
	}
	for range messages {
		if s.SendMsg(m) != nil {
			break
		}
		if method == "Bidi" && s.RecvMsg(&message{}) != nil {
			return
		}
	}
	_ = s.CloseSend()
	for s.RecvMsg(&message{}) == nil {
		if !desc.ServerStreams {
			break
		}
	}
}
