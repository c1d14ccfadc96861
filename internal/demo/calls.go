package demo

import (
	"context"
	"net"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// grpcMethod stands where calls of HTTP have their method. Which method of gRPC is called is no concern of Fathom's.
const grpcMethod = "gRPC"

// grpcOK is the status of calls that succeed.
var grpcOK = statusName(codes.OK)

// statusName returns a status as gRPC's own list has it, such as DEADLINE_EXCEEDED. [codes.Code] spells them in Go's way.
func statusName(c codes.Code) string { return code.Code(c).String() }

// callService is a service on grpc-go's server.
type callService struct{ *grpc.Server }

func startCalls(l net.Listener, told order) callService {
	// Whatever is called: no code needs to be generated for the one method that there is.
	s := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		if err := stream.RecvMsg(new(wrapperspb.BytesValue)); err != nil {
			return err
		}
		if !told.work() {
			return status.Error(codes.Unavailable, "told to fail")
		}
		return stream.SendMsg(wrapperspb.Bytes([]byte("done\n")))
	}))
	go func() { _ = s.Serve(l) }() // ends by close
	return callService{s}
}

func (s callService) drain() {} // it calls nobody

func (s callService) close() error {
	s.Stop()
	return nil
}

// connect prepares for calls of a service of gRPC; its connection is opened by the first.
func connect(address string) (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithNoProxy())
}

// invoke makes one call and returns its status: the client's own where the server said none.
func invoke(ctx context.Context, conn *grpc.ClientConn, path string, body []byte) string {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return statusName(status.Code(conn.Invoke(ctx, path, wrapperspb.Bytes(body), new(wrapperspb.BytesValue))))
}
