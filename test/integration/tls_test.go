package integration

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/internal/tlslib"
	"github.com/fathomhq/fathom/test/selfsigned"
)

// certificateFiles are a certificate and its key in files.
func certificateFiles(t *testing.T) (certificate, key string) {
	t.Helper()
	certificate, key, err := selfsigned.Write(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return certificate, key
}

// loadTLS is load with probes in the libraries of these files.
func loadTLS(t *testing.T, files ...string) *fathom {
	t.Helper()
	return loadTLSWith(t, kernel.Options{}, files...)
}

func loadTLSWith(t *testing.T, o kernel.Options, files ...string) *fathom {
	t.Helper()
	f := loadTLSUntold(t, o)
	for _, path := range files {
		f.attachTLS(t, path)
	}
	// Every process that asks has these probes, or some that are attached later.
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	go func() {
		for {
			process, err := f.k.Asked(ctx)
			if err != nil {
				return
			}
			_, err = buildinfo.ReadFile(fmt.Sprintf("/proc/%d/exe", process))
			_ = f.k.TellTLS(process, kernel.TLSProcess{Opaque: 1, AttachedAt: uint64(now.Nano()), Goroutines: err == nil, Libraries: f.probedIn(process)})
		}
	}()
	return f
}

// loadTLSUntold leaves it open which processes have probes.
func loadTLSUntold(t *testing.T, o kernel.Options) *fathom {
	t.Helper()
	o.TLS, o.MaxSeriesPerWorkload = true, 1000 // each server is another edge of the clients
	return load(t, o)
}

// probedIn returns the libraries with probes that a process maps.
func (f *fathom) probedIn(process uint32) (mapped []tlslib.Library) {
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", process))
	if err != nil {
		return nil // it is gone
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for path, libraries := range f.probed {
		if bytes.Contains(maps, []byte(" "+path+"\n")) {
			mapped = append(mapped, libraries...)
		}
	}
	return mapped
}

// attachTLS probes the libraries in a file until the test ends or detach.
func (f *fathom) attachTLS(t *testing.T, path string) (detach func()) {
	t.Helper()
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []io.Closer
	libraries := inspect(t, path)
	f.mu.Lock()
	if f.probed == nil {
		f.probed = make(map[string][]tlslib.Library)
	}
	f.probed[real] = libraries
	f.mu.Unlock()
	for _, library := range libraries {
		probes, err := f.k.AttachTLS(path, library)
		if err != nil {
			t.Fatalf("%s: %+v", path, err)
		}
		all = append(all, probes)
	}
	detach = sync.OnceFunc(func() {
		for _, probes := range all {
			if err := probes.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	t.Cleanup(detach)
	return detach
}

func inspect(t testing.TB, path string) []tlslib.Library {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	found, err := tlslib.Inspect(file, info.Size())
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return found.Libraries
}

// libssl is the host's OpenSSL.
func libssl(t *testing.T) string {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/*-linux-gnu/libssl.so.[1-9]*")
	if err != nil || len(found) == 0 {
		t.Skip("OpenSSL is not installed")
	}
	return found[0]
}

// TestTLS sends many requests to real servers by HTTPS and compares the counts with the client's, as
// TestServers does for HTTP.
func TestTLS(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	node, err := filepath.EvalSymlinks(program(t, "node"))
	if err != nil {
		t.Fatal(err)
	}
	f := loadTLS(t, self, libssl(t), node)
	n := 2000
	if long() {
		n = 100_000
	}
	for _, s := range []struct {
		name  string
		serve func(*testing.T) (addr string)
	}{
		{"go", serveGoTLS}, {"nginx", serveNginxTLS}, {"node", serveNodeTLS}, {"python", func(t *testing.T) string { return servePythonTLS(t, 2) }},
	} {
		t.Run(s.name, func(t *testing.T) {
			equals(t, f, LoadCall{Addr: s.serve(t), Requests: n, Connections: 16, TLS: true}, bothEnds)
		})
	}
	t.Run("go, a connection per request", func(t *testing.T) {
		equals(t, f, LoadCall{Addr: serveGoTLS(t), Requests: n / 4, Connections: 16, Fresh: true, TLS: true}, bothEnds)
	})
	t.Run("nginx, a connection per request", func(t *testing.T) { // sessions get the addresses of earlier ones
		equals(t, f, LoadCall{Addr: serveNginxTLS(t), Requests: n / 4, Connections: 16, Fresh: true, TLS: true}, bothEnds)
	})
	t.Run("nginx answers before it has read the body", func(t *testing.T) {
		early := []Kind{{"PUT", "/500", 20_000}, {"GET", "/200", 0}}
		equals(t, f, LoadCall{Addr: serveNginxTLS(t), Requests: n / 2, Connections: 1, TLS: true, Kinds: early}, bothEnds)
	})
	for _, h := range f.snapshot().Exchanges {
		if name := side(f.snapshot().Workloads[h.Workload]); name != "" && name != nobody && !h.TLS && !h.Overflow {
			t.Errorf("%s %s %d is not marked as TLS", name, h.Operation, h.Status)
		}
	}
}

func serveGoTLS(t *testing.T) string {
	return start(t, serverName, nil).load("Serve", LoadCall{TLS: true}).Addr
}

func serveNginxTLS(t *testing.T) string {
	certificate, key := certificateFiles(t)
	var locations strings.Builder
	for _, k := range mix {
		if l := fmt.Sprintf("location = %s { return %s; }\n", k.Path, k.Path[1:]); !strings.Contains(locations.String(), l) {
			locations.WriteString(l)
		}
	}
	return runNginxOn(t, "ssl", fmt.Sprintf("ssl_protocols TLSv1.2 TLSv1.3; ssl_certificate %s; ssl_certificate_key %s;", certificate, key), locations.String())
}

func serveNodeTLS(t *testing.T) string {
	certificate, key := certificateFiles(t)
	return serve(t, program(t, "node"), "-e", fmt.Sprintf(`
const fs = require('fs');
const s = require('https').createServer({cert: fs.readFileSync(%q), key: fs.readFileSync(%q)}, (q, r) => {
	q.resume();
	q.on('end', () => { r.writeHead(+q.url.slice(1)); r.end(); });
});
s.listen(0, '127.0.0.1', () => console.log('127.0.0.1:' + s.address().port));`, certificate, key))
}

// servePythonTLS shakes hands in the call that reads the first request. Behind that it sends so many tickets (TLS 1.3).
func servePythonTLS(t *testing.T, tickets int) string {
	certificate, key := certificateFiles(t)
	return runPython(t, fmt.Sprintf(`
import ssl
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(%q, %q)
context.num_tickets = %d
s.socket = context.wrap_socket(s.socket, server_side=True, do_handshake_on_connect=False)`, certificate, key, tickets))
}
