package main

import (
	"cmp"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/internal/tlslib"
	"github.com/fathomhq/fathom/test/selfsigned"
)

// stateNaive is [stateFathom] with its probes where functions begin and return, not where they are cheap.
const stateNaive = "naive"

var httpsStateNames = []string{stateNone, stateEmpty, stateFathom, stateNaive}

// https is what a server takes to speak TLS: a certificate, and a TLS library of its own, so that wrk's is not probed.
type https struct {
	dir     string
	library string // libssl, or the program that has it in itself
	found   tlslib.Library
}

// encrypted is a kind of load by HTTPS.
type encrypted struct {
	name, title string
	program     string // of the server
	load        string // in words
	server      func(context.Context, *bench, *https) (server, error)
	target      float64 // over empty programs; 0: none
}

func encryptedTraffics() []encrypted {
	return []encrypted{
		{
			name: "https", title: "HTTPS", program: "nginx", load: "wrk -t1 -c32, keep-alive, 6-byte body, probes in %s of nginx",
			server: func(ctx context.Context, b *bench, h *https) (server, error) {
				return startNginx(ctx, b.starter, b.serverCPU, h)
			},
			target: targetHTTPS,
		},
		{
			name: "https-node", title: "HTTPS, of memory BIOs", program: "node", load: "wrk -t1 -c32, keep-alive, chunked response, probes in %s of Node",
			server: startNodeTLS,
		},
	}
}

func encryptedNames() (names []string) {
	for _, e := range encryptedTraffics() {
		names = append(names, e.name)
	}
	return names
}

// prepareHTTPS finds the TLS library in a program, or copies those that it is linked with.
func prepareHTTPS(program string) (*https, error) {
	program, err := exec.LookPath(program)
	if err == nil {
		program, err = filepath.EvalSymlinks(program)
	}
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "fathom-bench-")
	if err != nil {
		return nil, err
	}
	h := &https{dir: dir}
	if err := h.fill(program); err != nil {
		return nil, errors.Join(err, h.remove())
	}
	return h, nil
}

func (h *https) remove() error { return os.RemoveAll(h.dir) }

func (h *https) fill(program string) error {
	if _, _, err := selfsigned.Write(h.dir); err != nil {
		return err
	}
	h.library = program
	if h.inspect() == nil {
		return nil
	}
	f, err := elf.Open(program)
	if err != nil {
		return err
	}
	needed, err := f.ImportedLibraries()
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	for _, prefix := range []string{"libssl.so.", "libcrypto.so."} {
		i := slices.IndexFunc(needed, func(name string) bool { return strings.HasPrefix(name, prefix) })
		if i < 0 {
			return fmt.Errorf("%s has no %s*: it is linked otherwise", program, prefix)
		}
		if err := copyLibrary(needed[i], h.dir); err != nil {
			return err
		}
		if prefix == "libssl.so." {
			h.library = filepath.Join(h.dir, needed[i])
		}
	}
	return h.inspect()
}

// copyLibrary copies a library from where the dynamic linker finds it on Debian and Fedora.
func copyLibrary(name, dir string) error {
	for _, pattern := range []string{"/usr/lib/*-linux-gnu/", "/usr/lib64/", "/usr/lib/"} {
		found, err := filepath.Glob(pattern + name)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			continue
		}
		content, err := os.ReadFile(found[0])
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, name), content, 0o755) //nolint:gosec // as libraries are
	}
	return fmt.Errorf("%s is nowhere to be found", name)
}

func (h *https) inspect() error {
	f, err := os.Open(h.library)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	found, err := tlslib.Inspect(f, info.Size())
	if err != nil {
		return fmt.Errorf("%s: %w", h.library, err)
	}
	if len(found.Libraries) == 0 {
		return fmt.Errorf("%s has no TLS library that can be probed", h.library)
	}
	h.found = found.Libraries[0]
	return nil
}

// naive is the library with probes as they are placed without looking at its code.
func (h *https) naive() tlslib.Library {
	l := h.found
	l.Functions = slices.Clone(l.Functions)
	for i := range l.Functions {
		f := &l.Functions[i]
		f.Entry = tlslib.Site{Offset: f.Offset}
		if f.Role.Returns() {
			f.Exits, f.Uretprobe, f.UretprobeAt = nil, true, f.Entry
		}
	}
	return l
}

// httpsStates toggles the probes in the TLS library, too.
type httpsStates struct {
	*states
	https   *https
	server  int // its process id
	probes  io.Closer
	entered string
}

func (s *httpsStates) names() []string { return httpsStateNames }

func (s *httpsStates) enter(name string) error {
	if err := s.leave(); err != nil {
		return err
	}
	taps, library := name, s.https.found
	switch name {
	case stateNone:
		return nil
	case stateNaive:
		taps, library = stateFathom, s.https.naive()
	}
	k := s.kernel(taps)
	if err := s.states.enter(taps); err != nil {
		return err
	}
	s.entered = taps
	if err := k.TellTLS(uint32(s.server), kernel.TLSProcess{Opaque: tlsIsRead, Libraries: []tlslib.Library{library}}); err != nil {
		return err
	}
	var err error
	s.probes, err = k.AttachTLS(s.https.library, library)
	return err
}

// tlsIsRead is OPAQUE_READ of bpf/types.h.
const tlsIsRead = 1

func (s *httpsStates) tick(string) error { return s.states.tick(s.entered) }

func (s *httpsStates) leave() error {
	var err error
	if s.probes != nil {
		err = s.probes.Close()
	}
	s.probes, s.entered = nil, ""
	return errors.Join(err, s.states.leave())
}

func (s *httpsStates) reloadIfDue(ctx context.Context, blocks int) error {
	if err := s.leave(); err != nil {
		return err
	}
	return s.states.reloadIfDue(ctx, blocks)
}

// httpsThroughput compares the usual states, and naive probes, by HTTPS.
func (b *bench) httpsThroughput(ctx context.Context, e encrypted) (c *comparison, err error) {
	h, err := prepareHTTPS(e.program)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, h.remove()) }()
	r, err := b.startRig(ctx, traffic{
		load:    fmt.Sprintf(e.load, cmp.Or(h.found.Version, h.found.Kind.String())),
		server:  func(ctx context.Context, b *bench) (server, error) { return e.server(ctx, b, h) },
		clients: wrkOf("/"),
	})
	if err != nil {
		return nil, err
	}
	defer r.stop()
	plain, err := b.openStates(ctx, true)
	if err != nil {
		return nil, err
	}
	s := &httpsStates{states: plain, https: h, server: r.server.pid()}
	defer func() { err = errors.Join(err, s.leave(), s.close()) }()
	c, err = b.run(ctx, r, s, [][2]string{
		{stateFathom, stateEmpty}, {stateFathom, stateNone}, {stateEmpty, stateNone}, {stateNaive, stateNone}, {stateFathom, stateNaive},
	})
	if err != nil {
		return nil, err
	}
	c.Name, c.title = e.name, e.title
	c.aim(target{stateFathom, stateEmpty, byThroughput, e.target})
	return c, nil
}

// environment is that of the server: it finds the copies first.
func (h *https) environment() []string { return append(os.Environ(), "LD_LIBRARY_PATH="+h.dir) }

// directives are those of nginx's server.
func (h *https) directives() string {
	return fmt.Sprintf("ssl_certificate %s; ssl_certificate_key %s;", filepath.Join(h.dir, "tls.crt"), filepath.Join(h.dir, "tls.key"))
}
