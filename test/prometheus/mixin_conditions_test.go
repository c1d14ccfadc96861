package prometheus

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/fathomhq/fathom/test/process"
)

// makeTrouble does, until the test ends, what the demonstration does not: this process is a workload that answers with
// errors, asks and answers as Redis and gRPC do, the latter late, talks TLS, cannot connect, is reset, does not accept, and does things that Fathom counts as lost.
func makeTrouble(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/bad" {
			w.WriteHeader(http.StatusInternalServerError)
		}
		_, _ = io.WriteString(w, "done\n")
	}))
	address := server.Listener.Addr().String()
	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(make([]byte, 64<<10))
	}))
	client := secure.Client() // trusts its certificate
	client.Timeout = process.Patience
	relay := newRelay(t, address)
	crowded := newCrowded(t)
	redis := newRedis(t)
	calls := newCalls(t)
	closed := process.FreeAddress(t)

	every := []struct {
		interval time.Duration
		do       func() error
	}{
		{50 * time.Millisecond, func() error { return fetch(client, server.URL+"/good") }},
		{50 * time.Millisecond, func() error { return fetch(client, server.URL+"/bad") }},
		{100 * time.Millisecond, func() error { return fetch(client, secure.URL) }},
		{2 * time.Second, func() error { return pipeline(ctx, address, 100) }}, // seldom: what is lost has waited, but has no duration
		{100 * time.Millisecond, func() error { return hangUp(ctx, address) }},
		{50 * time.Millisecond, func() error { return command(ctx, redis) }},
		{50 * time.Millisecond, func() error { return call(ctx, calls, "/test.Calls/Good", codes.OK) }},
		{50 * time.Millisecond, func() error { return call(ctx, calls, "/test.Calls/Bad", codes.Internal) }},
		{200 * time.Millisecond, func() error { return pipeline(ctx, relay, 1) }},
		{100 * time.Millisecond, func() error { return refused(ctx, closed) }},
		{500 * time.Millisecond, func() error { return refused(ctx, crowded) }},
	}
	ended := make(chan struct{}, len(every))
	for _, e := range every {
		go func() {
			defer func() { ended <- struct{}{} }()
			for ctx.Err() == nil {
				if err := e.do(); err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
				time.Sleep(e.interval)
			}
		}()
	}
	t.Cleanup(func() {
		cancel()
		for range every {
			<-ended
		}
		client.CloseIdleConnections()
		server.Close()
		secure.Close()
	})
}

// fetch makes a request and reads the answer.
func fetch(client *http.Client, url string) error {
	resp, err := client.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

func dial(ctx context.Context, address string) (net.Conn, error) {
	return (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", address)
}

// pipeline writes more requests at once than Fathom follows.
func pipeline(ctx context.Context, address string, n int) error {
	conn, err := dial(ctx, address)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(process.Patience))
	if _, err := io.WriteString(conn, strings.Repeat("GET /good HTTP/1.1\r\nHost: test\r\n\r\n", n)); err != nil {
		return err
	}
	r := bufio.NewReader(conn)
	for range n {
		if err := answer(r, http.StatusOK); err != nil {
			return err
		}
	}
	return nil
}

// What newRedis answers: a value, and an error.
var redisExchanges = [...][2]string{
	{"*2\r\n$3\r\nGET\r\n$1\r\na\r\n", "$1\r\nb\r\n"},
	{"*2\r\n$4\r\nINCR\r\n$1\r\na\r\n", "-WRONGTYPE not a number\r\n"},
}

// newRedis answers, on each connection, redisExchanges in turns.
func newRedis(t *testing.T) string {
	t.Helper()
	return serveEach(t, func(conn net.Conn) {
		for i := 0; ; i++ {
			e := redisExchanges[i%len(redisExchanges)]
			if _, err := io.ReadFull(conn, make([]byte, len(e[0]))); err != nil {
				return
			}
			if _, err := io.WriteString(conn, e[1]); err != nil {
				return
			}
		}
	})
}

// serveEach has each connection to the address that it returns served, and closed then, until the test ends.
func serveEach(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				serve(conn)
			}()
		}
	}()
	return l.Addr().String()
}

// command is a client of newRedis.
func command(ctx context.Context, address string) error {
	conn, err := dial(ctx, address)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(process.Patience))
	for _, e := range redisExchanges {
		if _, err := io.WriteString(conn, e[0]); err != nil {
			return err
		}
		if _, err := io.ReadFull(conn, make([]byte, len(e[1]))); err != nil {
			return err
		}
	}
	return nil
}

// newCalls returns a connection to a server that has one good method of gRPC, and one bad one, and reads late.
func newCalls(t *testing.T) *grpc.ClientConn {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		if method, _ := grpc.MethodFromServerStream(stream); strings.HasSuffix(method, "/Bad") {
			return status.Error(codes.Internal, "bad")
		}
		return stream.SendMsg(&emptypb.Empty{})
	}))
	go func() { _ = server.Serve(lateListener{l}) }()
	t.Cleanup(server.Stop)
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// lateListener accepts connections whose bytes are read when they have waited.
type lateListener struct{ net.Listener }

func (l lateListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	raw, err := conn.(*net.TCPConn).SyscallConn()
	return lateConn{conn, raw}, err
}

type lateConn struct {
	net.Conn
	raw syscall.RawConn
}

// Read waits until there is something to read, and then for longer than the calls take.
func (c lateConn) Read(p []byte) (int, error) {
	err := c.raw.Read(func(fd uintptr) bool {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		return n > 0 || err != nil && !errors.Is(err, unix.EINTR)
	})
	if err != nil {
		return 0, err
	}
	time.Sleep(30 * time.Millisecond)
	return c.Conn.Read(p)
}

// call calls a method that has to end with a status.
func call(ctx context.Context, conn *grpc.ClientConn, method string, want codes.Code) error {
	ctx, cancel := context.WithTimeout(ctx, process.Patience)
	defer cancel()
	if err := conn.Invoke(ctx, method, &emptypb.Empty{}, &emptypb.Empty{}); status.Code(err) != want {
		return fmt.Errorf("%s: %w, want %s", method, err, want)
	}
	return nil
}

// hangUp resets a connection after a request, and reads no answer.
func hangUp(ctx context.Context, address string) error {
	conn, err := dial(ctx, address)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = io.WriteString(conn, "GET /good HTTP/1.1\r\nHost: test\r\n\r\n")
	_ = conn.(*net.TCPConn).SetLinger(0)
	return err
}

// refused connects to where nobody answers.
func refused(ctx context.Context, address string) error {
	conn, err := dial(ctx, address)
	if err == nil {
		conn.Close()
		return fmt.Errorf("%s has accepted a connection", address)
	}
	return nil
}

// newRelay passes bytes on with splice(2), which shows no bytes to taps.
func newRelay(t *testing.T, to string) string {
	t.Helper()
	return serveEach(t, func(from net.Conn) {
		onward, err := net.Dial("tcp", to)
		if err != nil {
			return
		}
		defer onward.Close()
		go func() { _, _ = io.Copy(onward, from) }()
		_, _ = io.Copy(from, onward)
	})
}

// newCrowded listens, accepts nothing, and has as many connections as may wait.
func newCrowded(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	raw, err := l.(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) { err = syscall.Listen(int(fd), 1) }); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the backlog, and one more
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
	return l.Addr().String()
}
