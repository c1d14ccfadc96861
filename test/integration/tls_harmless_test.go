package integration

import (
	"errors"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestTLSAttachUnderLoad attaches and detaches the probes while requests run through the libraries: none may fail, and with
// the probes attached again all counts are exact.
func TestTLSAttachUnderLoad(t *testing.T) {
	b := newTLSBench(t, 0)
	var running []*tlsLoad
	for name, serve := range map[string]func(*tlsBench) string{
		"Go": serveGoPeer, "SSL_read": hostOpenSSL.serve("plain"), "SSL_read_ex": hostOpenSSL.serve("ex"), "gnutls_record_recv": hostGnuTLS.serve("apart"),
	} {
		running = append(running, &tlsLoad{name: name, addr: serve(b), client: start(t, clientName, nil), ended: make(chan LoadReply, 1)})
	}
	for _, l := range running {
		go l.run()
	}
	cycles := 100
	if testing.Short() {
		cycles = 5 // in a guest
	}
	for range cycles {
		var detached sync.WaitGroup
		for _, detach := range b.files {
			detached.Go(detach)
		}
		detached.Wait()
		for path := range b.files {
			b.files[path] = b.attach(path)
		}
	}
	for _, l := range running {
		l.enough.Store(true)
		r := <-l.ended
		if r.Errors > 0 || len(r.Counts) == 0 {
			t.Errorf("%s: %d requests failed, the first with: %s", l.name, r.Errors, r.First)
		}
		t.Logf("%s: %v", l.name, r.Counts)
	}
	for _, l := range running {
		l.client.stop()
	}
	b.f.rest()
	for _, l := range running {
		t.Run(l.name, func(t *testing.T) {
			client := start(t, clientName, nil)
			before := b.f.count()
			r := client.get(LoadCall{Addr: l.addr, Requests: 1000, Connections: 4, TLS: true})
			client.stop()
			b.f.mustMatch(t, before, bothEnds(r.Counts), exchanges)
		})
	}
}

// tlsLoad makes requests until it is enough.
type tlsLoad struct {
	name, addr string
	client     *proc
	enough     atomic.Bool
	ended      chan LoadReply
}

func (l *tlsLoad) run() {
	all := LoadReply{Counts: make(map[string]uint64)}
	for !l.enough.Load() && all.Errors == 0 {
		r := LoadReply{}
		c := LoadCall{Addr: l.addr, Requests: 200, Connections: 2, Kinds: mix, TLS: true}
		if err := l.client.call.Call("Load.Get", &c, &r); err != nil {
			r.Errors, r.First = 1, err.Error()
		}
		all.Errors, all.First = r.Errors, r.First
		for name, n := range r.Counts {
			all.Counts[name] += n
		}
	}
	l.ended <- all
}

// TestTLSStrictSeccomp probes processes that are killed for any system call that they do not make themselves. A return probe is
// one, on some kernels.
func TestTLSStrictSeccomp(t *testing.T) {
	n := 1000
	if testing.Short() {
		n = 200 // in a guest
	}
	b := newTLSBench(t, n)
	for _, row := range []struct {
		name    string
		library tlsLibrary
		style   string
	}{
		{"SSL_read", hostOpenSSL, "plain"}, {"SSL_read_ex", hostOpenSSL, "ex"}, {"gnutls_record_recv", hostGnuTLS, "apart"},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := b.in(t)
			b.run(tlsRow{serve: row.library.serve(row.style, "strict"), ask: row.library.ask(row.style, "strict")})
		})
	}
	t.Run("the filter kills", func(t *testing.T) {
		b := b.in(t)
		command := hostOpenSSL.command(b, []string{"broken"}, "plain", "get", "1", "0", "0", "GET:/200:0")
		err := exec.Command(command[0], command[1:]...).Run()
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok || exit.Sys().(syscall.WaitStatus).Signal() != unix.SIGSYS {
			t.Errorf("%s: %v, want SIGSYS", strings.Join(command, " "), err)
		}
	})
}
