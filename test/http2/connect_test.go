package http2

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"strconv"

	"connectrpc.com/connect"
	"google.golang.org/grpc/status"

	"github.com/fathomhq/fathom/test/process"
)

// connectRows have connect-go speak gRPC, which is counted as such, and its other protocols, which are plain HTTP.
func connectRows() []row {
	kinds := []string{"Unary hello", "Unary x100000"}
	for code := 1; code < len(statuses); code++ {
		kinds = append(kinds, fmt.Sprintf("Unary fail:%d", code))
	}
	var all []row
	for _, protocol := range []string{"grpc", "grpc-web", "connect"} {
		for _, atOnce := range []int{1, 10, 100} {
			all = append(all, row{name: fmt.Sprintf("connect-go, %s: %d at once", protocol, atOnce), run: func(r *run) {
				addr := process.FreeAddress(r)
				r.serve(server, addr, "", "serve-connect", addr)
				r.both(r.ask("", append([]string{"ask-connect", "-protocol", protocol, "-n", "300", "-c", number(atOnce), addr}, kinds...)...))
			}})
		}
	}
	return append(all,
		row{name: "grpc-go, connect-go", run: func(r *run) {
			addr := process.FreeAddress(r)
			r.serve(server, addr, "", "serve-connect", addr)
			r.both(r.grpcAsk(addr, kinds, "-n", "300", "-c", "10"))
		}},
		row{name: "connect-go, grpc-go", run: func(r *run) {
			r.both(r.ask("", append([]string{"ask-connect", "-protocol", "grpc", "-n", "300", "-c", "10", r.grpcServe()}, kinds...)...))
		}})
}

// serveConnect is connect-go's server, which understands three protocols.
func serveConnect(args []string) error {
	mux := http.NewServeMux()
	mux.Handle("/test.Echo/Unary", connect.NewUnaryHandler("/test.Echo/Unary", func(ctx context.Context, q *connect.Request[message]) (*connect.Response[message], error) {
		if err := act(ctx, q.Msg); err != nil {
			return nil, connect.NewError(connect.Code(status.Code(err)), errors.New("no"))
		}
		return connect.NewResponse(q.Msg), nil
	}))
	s := &http.Server{Handler: mux, Protocols: new(http.Protocols)}
	s.Protocols.SetUnencryptedHTTP2(true)
	l, err := listen(args[0])
	if err != nil {
		return err
	}
	return s.Serve(l)
}

// connectClient is connect-go's client.
type connectClient struct {
	work

	isGRPC    bool
	transport http.Transport
}

// askConnect is connect-go's client.
func askConnect(args []string) error {
	var c connectClient
	var protocol string
	addr, err := c.parse(args, func(flags *flag.FlagSet) { flags.StringVar(&protocol, "protocol", "", "grpc, grpc-web or connect") })
	if err != nil {
		return err
	}
	c.transport.Protocols = new(http.Protocols)
	c.transport.Protocols.SetUnencryptedHTTP2(true)
	var options []connect.ClientOption
	switch protocol {
	case "grpc":
		c.isGRPC = true
		options = append(options, connect.WithGRPC())
	case "grpc-web":
		options = append(options, connect.WithGRPCWeb())
	}
	caller := connect.NewClient[message, message](&http.Client{Transport: &c}, "http://"+addr+"/test.Echo/Unary", options...)
	return c.do(func(kind string) error {
		m := &message{Value: []byte(kind[len("Unary "):])}
		if n, err := strconv.Atoi(string(m.Value[1:])); err == nil && m.Value[0] == 'x' {
			m.Value = make([]byte, n)
		}
		_, err := caller.CallUnary(context.Background(), connect.NewRequest(m))
		if c.isGRPC {
			code := connect.Code(0)
			if err != nil {
				code = connect.CodeOf(err)
			}
			c.add(gRPC, statuses[code])
		}
		return nil
	})
}

// RoundTrip notes what was answered, unless it is gRPC, of which the status comes later.
func (c *connectClient) RoundTrip(q *http.Request) (*http.Response, error) {
	resp, err := c.transport.RoundTrip(q)
	if err == nil && !c.isGRPC {
		c.add(q.Method, strconv.Itoa(resp.StatusCode))
	}
	return resp, err
}
