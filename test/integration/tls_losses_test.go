package integration

import (
	"context"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/fathomhq/fathom/internal/kernel"
)

// TestTLSLosses brings about the losses that only TLS has.
func TestTLSLosses(t *testing.T) {
	t.Run("tls_asked", func(t *testing.T) {
		f := load(t, kernel.Options{TLS: true}) // and nobody answers what is asked
		addr := hangUp(t)
		before := f.count()
		// More processes than the queue of 4,096 bytes holds, each with the beginning of a handshake.
		script := fmt.Sprintf(`for i in {1..300}; do (printf '\x16\x03\x01\x00\x05hello' > /dev/tcp/127.0.0.1/%s); done`, port(addr))
		if out, err := exec.Command(program(t, "bash"), "-c", script).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if f.count().sub(before)["lost tls_asked"] == 0 {
			t.Error("none were lost")
		}
	})
	t.Run("tls_socket", func(t *testing.T) {
		b := newTLSBench(t, 0)
		certificate, key := certificateFiles(t)
		before := b.f.count()
		// A session of two ends in one process, which never comes near a socket.
		out, err := exec.Command(python(b), "-c", fmt.Sprintf(`
import ssl
accepting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
accepting.load_cert_chain(%q, %q)
up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
server = accepting.wrap_bio(up, down, server_side=True)
client = ssl._create_unverified_context().wrap_bio(down, up)
for end in client, server, client, server:
	try:
		end.do_handshake()
	except ssl.SSLWantReadError:
		pass
client.write(b'GET / HTTP/1.1\r\n\r\n')
print(server.read().decode())`, certificate, key)).CombinedOutput()
		if err != nil || !strings.HasPrefix(string(out), "GET /") {
			t.Fatalf("%v\n%s", err, out)
		}
		// The client's exchange and the server's.
		if n := b.f.count().sub(before)["lost tls_socket"]; n != 2 {
			t.Errorf("%d were lost, want 2", n)
		}
	})
	// A client random that two connections of a process have names neither.
	for _, which := range []string{"first", "second"} {
		t.Run("tls_socket, one random on two connections, "+which, func(t *testing.T) {
			b := newTLSBench(t, 0)
			addr := serveGoPeer(b)
			before := b.f.count()
			out, err := exec.Command(linked(t, clientName, python(b)), "testdata/tls/twice.py", which, port(addr)).CombinedOutput()
			if err != nil || strings.Count(string(out), "GET 200") != 2 {
				t.Fatalf("%v\n%s", err, out)
			}
			b.f.mustMatch(t, before, tally{"server GET 200": 2, "lost tls_socket": 2}, exchangesAndLost)
		})
	}
}

// hangUp closes what connects to an address.
func hangUp(t *testing.T) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
	return l.Addr().String()
}

// TestTLSAskedAgain has a process whose TLS is not read, though it was looked at: it may have loaded a library since.
func TestTLSAskedAgain(t *testing.T) {
	const again = 100 * time.Millisecond
	f := load(t, kernel.Options{TLS: true, TLSAskAgain: again})
	addr := hangUp(t)
	// Each line makes a connection with the beginning of a handshake.
	script := `while read; do exec 3<>/dev/tcp/127.0.0.1/%s; printf '\x16\x03\x01\x00\x05hello' >&3; exec 3>&-; done`
	cmd := exec.Command(program(t, "bash"), "-c", fmt.Sprintf(script, port(addr)))
	lines, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = lines.Close()
		_ = cmd.Wait() // ended by the end of its lines
	}()
	pid := uint32(cmd.Process.Pid) //nolint:gosec // a process number
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, was := range []struct {
		name   string
		opaque uint32
	}{{"nothing", 0}, {"unknown_library", 3}, {"read", 1}} {
		if was.opaque != 0 {
			if err := f.k.TellTLS(pid, kernel.TLSProcess{Opaque: was.opaque}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(again)
		}
		if _, err := io.WriteString(lines, "\n"); err != nil {
			t.Fatal(err)
		}
		for asked := uint32(0); asked != pid; {
			if asked, err = f.k.Asked(ctx); err != nil {
				t.Fatalf("what was known was %s: %v", was.name, err)
			}
		}
	}
}
