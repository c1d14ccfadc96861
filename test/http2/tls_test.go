package http2

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/features"

	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/internal/tlslib"
	"github.com/fathomhq/fathom/internal/tlswatch"
	"github.com/fathomhq/fathom/test/process"
	"github.com/fathomhq/fathom/test/selfsigned"
)

// probes are the kernel's, as the agent has them for what watches programs.
type probes struct{ k *kernel.Kernel }

// Asked is part of [tlswatch.Probes].
func (p probes) Asked(ctx context.Context) (uint32, error) { return p.k.Asked(ctx) }

// Attach is part of [tlswatch.Probes].
func (p probes) Attach(path string, library tlslib.Library) (io.Closer, error) {
	return p.k.AttachTLS(path, library)
}

// Tell is part of [tlswatch.Probes].
func (p probes) Tell(pid uint32, about tlswatch.Process) error {
	return p.k.TellTLS(pid, kernel.TLSProcess{Opaque: uint32(about.Opaque), AttachedAt: about.AttachedAt, Goroutines: about.Goroutines, Libraries: about.Libraries})
}

// Forget is part of [tlswatch.Probes].
func (p probes) Forget(pid uint32) error { return p.k.ForgetTLS(pid) }

// loadTLS attaches Fathom with what finds the TLS libraries of programs.
func loadTLS(t *testing.T) *fathom {
	t.Helper()
	f := load(t, func(o *kernel.Options) { o.TLS = true })
	if f == nil {
		return nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	watch, ended := tlswatch.New(probes{f.k}, tlswatch.Options{}), make(chan struct{})
	go func() {
		defer close(ended)
		_ = watch.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	<-watch.Looked()
	return f
}

// TestTLS has programs that have to be found first: their first connections are over before. Requests are made until some are counted, and
// compared are those behind them.
func TestTLS(t *testing.T) {
	f := loadTLS(t)
	for _, row := range tlsRows() {
		t.Run(row.name, func(t *testing.T) {
			r := start(t, f, "T"+row.name[:2])
			row.run(r)
			r.compare()
		})
	}
}

func tlsRows() []row {
	ours := sites()[0]
	files := sites()[1]
	secure := []string{"GET /size/100", "GET /size/100000", "HEAD /size/100", "POST /read/201 100000", "PUT /read/200 ~1000", "GET /trailers", "GET /now/404"}
	nginx := func(r *run) string {
		cert, key := r.certificate()
		return r.nginx(server, "ssl_certificate "+cert+"; ssl_certificate_key "+key+";")
	}
	return []row{
		{name: "01 h2load, nginx", run: func(r *run) {
			addr := nginx(r)
			r.meet(addr, "/small")
			r.both(r.h2load("https://"+addr, files, 900, 100))
		}},
		{name: "02 h2load, nghttpd", run: func(r *run) {
			cert, key := r.certificate()
			addr := r.nghttpdWith(server, []string{"-d", r.files()}, key, cert)
			r.meet(addr, "/small")
			r.both(r.h2load("https://"+addr, sites()[3], 900, 100))
		}},
		{name: "03 h2load, Go", run: func(r *run) {
			r.findsSockets()
			cert, key := r.certificate()
			addr := r.goServe(server, "-cert", cert, "-key", key)
			r.meet(addr, "/size/1")
			r.both(r.h2load("https://"+addr, ours, 900, 100))
		}},
		// Of TLS 1.3 the first requests may come with the end of the handshake. A server in Go reads them without a system call, and in
		// another goroutine than the one that shook hands.
		{name: "04 Go, Go", run: func(r *run) {
			r.findsSockets()
			cert, key := r.certificate()
			addr := r.goServe(server, "-cert", cert, "-key", key)
			r.bothFound(goAskArgs(addr, secure, "-tls", "-hold", "7", "-n", "500", "-c", "20")...)
		}},
		{name: "05 Go, nginx", run: func(r *run) {
			r.bothFound(goAskArgs(nginx(r), []string{"GET /small", "GET /large", "GET /missing", "HEAD /small"}, "-tls", "-hold", "7", "-n", "500", "-c", "20")...)
		}},
		{name: "06 Go, Go, one at a time", run: func(r *run) {
			r.findsSockets()
			cert, key := r.certificate()
			addr := r.goServe(server, "-cert", cert, "-key", key)
			r.bothFound(goAskArgs(addr, secure, "-tls", "-hold", "7", "-n", "500")...)
		}},
		{name: "07 grpc-go, grpc-go", run: func(r *run) {
			r.findsSockets()
			cert, key := r.certificate()
			addr := r.grpcServe("-cert", cert, "-key", key)
			r.bothFound(grpcAskArgs(addr, calls, "-tls", "-hold", "7", "-n", "500", "-c", "20")...)
		}},
		{name: "08 httpx, Go", run: func(r *run) {
			r.findsSockets()
			cert, key := r.certificate()
			addr := r.goServe(server, "-cert", cert, "-key", key)
			r.meet(addr, "/size/1") // with the library that Python has
			r.both(r.ask(python, append([]string{r.testdata("httpx_client.py"), "https://" + addr, "300", "20"}, "GET /size/100", "GET /size/100000", "HEAD /size/100", "POST /read/201 100000", "GET /now/404")...))
		}},
	}
}

// findsSockets skips a row where the kernel does not tell a probe what it was attached with, as before Linux 5.15: which connection a
// session in Go uses is not known there before its first system call.
func (r *run) findsSockets() {
	r.Helper()
	if err := features.HaveProgramHelper(ebpf.Kprobe, asm.FnGetAttachCookie); err != nil {
		r.Skip(err)
	}
}

// certificate makes a certificate and its key.
func (r *run) certificate() (cert, key string) {
	r.Helper()
	cert, key, err := selfsigned.Write(filepath.Dir(r.write("tls/unused", "")))
	if err != nil {
		r.Fatal(err)
	}
	return cert, key
}

// meet makes requests with curl, on connections of their own, until one is counted. What is compared begins behind them.
func (r *run) meet(addr, path string) {
	r.Helper()
	for end := time.Now().Add(process.Patience); r.f != nil; time.Sleep(50 * time.Millisecond) {
		r.program("curl", "-s", "-k", "--http2", "-o", "/dev/null", "https://"+addr+path)
		if counted(r.f.snapshot(), r.workload(server), kernel.RoleServer).total() > 0 {
			break
		}
		if time.Now().After(end) {
			r.Fatalf("nothing is counted after %s", process.Patience)
		}
	}
	r.rest()
}

// bothFound has a client make requests until they are counted at both ends. Behind them it makes those that are compared, on new
// connections.
func (r *run) bothFound(args ...string) {
	r.Helper()
	c := r.wait("", args...)
	c.ready()
	for end := time.Now().Add(process.Patience); r.f != nil; time.Sleep(50 * time.Millisecond) {
		s := r.f.snapshot()
		if counted(s, r.workload(server), kernel.RoleServer).total() > 0 && counted(s, r.workload(client), kernel.RoleClient).total() > 0 {
			break
		}
		if time.Now().After(end) {
			r.Fatalf("nothing is counted after %s", process.Patience)
		}
		c.more()
	}
	r.rest()
	r.both(c.finish())
}

// rest waits until nothing changes, and has what is compared begin there.
func (r *run) rest() {
	r.Helper()
	if r.f == nil {
		return
	}
	r.until(quiet/3, func(s *kernel.Snapshot) []string {
		return []string{fmt.Sprint(counted(s, r.workload(server), kernel.RoleServer), counted(s, r.workload(client), kernel.RoleClient), losses(s))}
	})
	r.before = r.f.snapshot()
}
