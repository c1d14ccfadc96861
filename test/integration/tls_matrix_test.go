package integration

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// tlsBench is where the rows of a matrix run: with one Fathom, and what was built for them.
type tlsBench struct {
	*testing.T
	f        *fathom
	dir      string
	requests int
	attach   func(path string) (detach func())
	files    map[string]func() // what is probed, and what detaches it
	built    map[string]string // by name: what was compiled
}

// tlsRow is a server and a client. What a row needs and is not there skips it, where that may be.
type tlsRow struct {
	name    string
	serve   func(*tlsBench) (addr string)
	ask     func(b *tlsBench, addr string) map[string]uint64
	proxied bool // the server is a client of another one, too
}

// TestTLSMatrix sends requests between servers and clients of many libraries and programs, and compares the counts at both ends
// with the client's.
func TestTLSMatrix(t *testing.T) {
	n := 2000
	switch {
	case long():
		n = 50_000
	case testing.Short():
		n = 200 // in a guest
	}
	b := newTLSBench(t, n)
	for _, row := range tlsRows() {
		t.Run(row.name, func(t *testing.T) { b.in(t).run(row) })
	}
	seen := b.f.snapshot()
	for _, h := range seen.Exchanges {
		if name := side(seen.Workloads[h.Workload]); name != "" && name != nobody && !h.TLS && !h.Overflow {
			t.Errorf("%s %s %d is not marked as TLS", name, h.Operation, h.Status)
		}
	}
}

func (b *tlsBench) run(row tlsRow) {
	b.Helper()
	addr := row.serve(b)
	before := b.f.count()
	counts := row.ask(b, addr)
	var asked uint64
	for _, n := range counts {
		asked += n
	}
	if asked != uint64(b.requests) {
		b.Errorf("%d of %d requests were answered", asked, b.requests)
	}
	want := bothEnds(counts)
	if row.proxied {
		for name, n := range counts {
			want["server as client "+name] = n
		}
	}
	b.f.mustMatch(b, before, want, exchangesAndLost)
}

func newTLSBench(t *testing.T, requests int) *tlsBench {
	t.Helper()
	return newTLSBenchOf(t, requests, loadTLS(t))
}

func newTLSBenchOf(t *testing.T, requests int, f *fathom) *tlsBench {
	t.Helper()
	b := &tlsBench{T: t, f: f, dir: t.TempDir(), requests: requests, files: make(map[string]func()), built: make(map[string]string)}
	b.attach = func(path string) func() { return b.f.attachTLS(t, path) }
	return b
}

// in is the bench in a subtest.
func (b *tlsBench) in(t *testing.T) *tlsBench {
	here := *b
	here.T = t
	return &here
}

func tlsRows() []tlsRow {
	rows := []tlsRow{
		{name: "go", serve: serveGoPeer, ask: askGo(16)},
		{name: "python asyncio server", serve: servePythonAsyncio, ask: askGo(16)},
		{name: "python http.client", serve: serveGoPeer, ask: askPython},
		{name: "python asyncio server, python http.client", serve: servePythonAsyncio, ask: askPython},
		{name: "python threads server, a database by TLS", serve: servePythonApp("threads"), ask: askGo(16)},
		{name: "python asyncio server, a database by TLS", serve: servePythonApp("asyncio"), ask: askGo(16)},
		{name: "python uvloop server, a database by TLS", serve: servePythonApp("uvloop"), ask: askGo(16)},
		{name: "python asyncio client", serve: serveGoPeer, ask: askPythonBurst("asyncio")},
		{name: "python uvloop client", serve: serveGoPeer, ask: askPythonBurst("uvloop")},
		{name: "python twisted client", serve: serveGoPeer, ask: askPythonBurst("twisted")},
		{name: "python asyncio server, python asyncio client", serve: servePythonAsyncio, ask: askPythonBurst("asyncio")},
		{name: "node server, a database by TLS", serve: serveNodeApp, ask: askGo(16)},
		{name: "curl", serve: serveGoPeer, ask: askCurl},
		{name: "curl, nginx server", serve: serveNginxPeer, ask: askCurl},
		{name: "node server, 40 sockets", serve: serveNodePeer, ask: askGo(40)},
		{name: "node client, 40 sockets", serve: serveGoPeer, ask: askNode},
		{name: "node server and client, 40 sockets", serve: serveNodePeer, ask: askNode},
		{name: "node proxy", serve: serveNodeProxy, ask: askGo(40), proxied: true},
		{name: "nginx proxy", serve: serveNginxTLSProxy, ask: askGo(16), proxied: true},
	}
	for _, l := range tlsLibraries {
		for _, style := range l.styles() {
			name := l.name + " " + style
			rows = append(rows, tlsRow{name: name + " server", serve: l.serve(style), ask: askGo(16)},
				tlsRow{name: name + " client", serve: serveGoPeer, ask: l.ask(style)})
		}
	}
	for _, mode := range []string{"exe", "pie"} {
		name := "go stripped " + mode
		rows = append(rows, tlsRow{name: name + " server", serve: serveStripped(mode), ask: askGo(16)},
			tlsRow{name: name + " client", serve: serveGoPeer, ask: askStripped(mode)})
	}
	return rows
}

// probe probes the libraries in a file until the test of all rows ends.
func (b *tlsBench) probe(path string) {
	b.Helper()
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		b.Fatal(err)
	}
	if b.files[real] == nil {
		b.files[real] = b.attach(real)
	}
}

func (b *tlsBench) probeSelf() {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	b.probe(self)
}

// build runs a compiler once, and returns the file that it makes.
func (b *tlsBench) build(name string, compiler string, args ...string) string {
	b.Helper()
	if b.built[name] == "" {
		path := filepath.Join(b.dir, name)
		args = append(args[:1:1], append([]string{"-o", path}, args[1:]...)...)
		if out, err := exec.Command(program(b.T, compiler), args...).CombinedOutput(); err != nil {
			b.Fatalf("%v\n%s", err, out)
		}
		b.built[name] = path
	}
	return b.built[name]
}

// kindArguments are the usual mix for a client's command line.
func kindArguments() []string {
	var args []string
	for _, k := range mix {
		args = append(args, fmt.Sprint(k.Method, ":", k.Path, ":", k.Body))
	}
	return args
}

func port(addr string) string {
	_, p, _ := net.SplitHostPort(addr)
	return p
}

// askGo makes the requests with Go's client in this program.
func askGo(connections int) func(*tlsBench, string) map[string]uint64 {
	return func(b *tlsBench, addr string) map[string]uint64 {
		b.probeSelf()
		client := start(b, clientName, nil)
		defer client.stop()
		return client.get(LoadCall{Addr: addr, Requests: b.requests, Connections: connections, TLS: true}).Counts
	}
}

func serveGoPeer(b *tlsBench) string {
	b.probeSelf()
	return serveGoTLS(b.T)
}

func stripped(b *tlsBench, mode string) string {
	path := b.build("gopeer-"+mode, "go", "build", "-ldflags=-s -w", "-buildmode="+mode, "./testdata/tls/gopeer")
	b.probe(path)
	return path
}

func serveStripped(mode string) func(*tlsBench) string {
	return func(b *tlsBench) string {
		certificate, key := certificateFiles(b.T)
		return serve(b.T, stripped(b, mode), "serve", certificate, key)
	}
}

func askStripped(mode string) func(*tlsBench, string) map[string]uint64 {
	return func(b *tlsBench, addr string) map[string]uint64 {
		args := append([]string{"get", port(addr), strconv.Itoa(b.requests), "16"}, kindArguments()...)
		return ask(b.T, stripped(b, mode), args...)
	}
}

// tlsLibrary is a library that testdata/tls drives.
type tlsLibrary struct {
	name, driver string
	file         string
	releases     []string // whose libraries scripts/tlslibs.sh fetches, first those of the one with the library; none for the host's
	loader       bool     // with the last release's dynamic linker and C library
}

var (
	hostOpenSSL = tlsLibrary{"OpenSSL of the host", "openssl", "libssl.so.[1-9]*", nil, false}
	hostGnuTLS  = tlsLibrary{"GnuTLS of the host", "gnutls", "libgnutls.so.30", nil, false}
	boringSSL   = tlsLibrary{"BoringSSL", "openssl", "android/libssl.so.0", []string{"bookworm"}, false}
)

var tlsLibraries = []tlsLibrary{
	hostOpenSSL,
	{"OpenSSL 1.1.1", "openssl", "libssl.so.1.1", []string{"bullseye"}, false},
	{"OpenSSL 3.5", "openssl", "libssl.so.3", []string{"trixie"}, true},
	{"OpenSSL of sid", "openssl", "libssl.so.3", []string{"sid"}, true},
	{"OpenSSL 4.0", "openssl", "libssl.so.4", []string{"experimental", "sid"}, true},
	boringSSL,
	hostGnuTLS,
	{"GnuTLS 3.7.1", "gnutls", "libgnutls.so.30", []string{"bullseye"}, false},
	{"GnuTLS 3.8", "gnutls", "libgnutls.so.30", []string{"trixie"}, true},
	{"GnuTLS of sid", "gnutls", "libgnutls.so.30", []string{"sid"}, true},
}

func (l tlsLibrary) styles() []string {
	switch {
	case l.name == boringSSL.name:
		return []string{"plain", "memory"} // it has no SSL_read_ex
	case l.driver == "openssl":
		return []string{"plain", "ex", "memory"}
	}
	return []string{"plain", "apart", "cork"}
}

// folders returns where the libraries are.
func (l tlsLibrary) folders(b *tlsBench) []string {
	b.Helper()
	if len(l.releases) == 0 {
		return []string{"/usr/lib/" + multiarch}
	}
	var all []string
	for _, release := range l.releases {
		cache, err := os.UserCacheDir()
		if err != nil {
			b.Fatal(err)
		}
		root := filepath.Join(cache, "fathom-tlslibs", release+"-"+runtime.GOARCH)
		if _, err := os.Stat(root); err != nil {
			if os.Getenv("FATHOM_REQUIRE_TOOLS") != "" {
				b.Fatalf("%v: run scripts/tlslibs.sh", err)
			}
			b.Skipf("%v: run scripts/tlslibs.sh", err)
		}
		all = append(all, filepath.Join(root, "usr/lib", multiarch))
	}
	return all
}

// multiarch is Debian's name of the folders with libraries.
var multiarch = map[string]string{"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}[runtime.GOARCH]

// command returns the program, with its arguments, that drives the library.
func (l tlsLibrary) command(b *tlsBench, before []string, args ...string) []string {
	b.Helper()
	if os.Getenv("FATHOM_ALONE") != "" {
		return l.commandAlone(b, before, args...)
	}
	driver := b.build("peer-"+l.driver, "gcc", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread",
		"testdata/tls/peer.c", "testdata/tls/"+l.driver+".c", "-ldl")
	folders := l.folders(b)
	found, err := filepath.Glob(filepath.Join(folders[0], l.file))
	if err != nil || len(found) == 0 {
		b.Fatalf("%s is not in %s", l.file, folders[0])
	}
	b.probe(found[0])
	command := append(append([]string{driver}, before...), found[0])
	if l.loader {
		loader, err := filepath.Glob(filepath.Join(folders[len(folders)-1], "ld-linux-*.so.*"))
		if err != nil || len(loader) == 0 {
			b.Fatal("there is no dynamic linker")
		}
		command = append([]string{loader[0], "--library-path", strings.Join(folders, ":")}, command...)
	} else if len(l.releases) > 0 {
		b.Setenv("LD_LIBRARY_PATH", filepath.Dir(found[0]))
	}
	return append(command, args...)
}

// commandAlone is command where nothing is installed: with what testdata/build.sh has put together.
func (l tlsLibrary) commandAlone(b *tlsBench, before []string, args ...string) []string {
	b.Helper()
	if len(l.releases) > 0 {
		b.Skipf("%s is not in this guest", l.name)
	}
	dir, err := filepath.Abs("testdata/tls-alone-" + runtime.GOARCH)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := os.Stat(dir); err != nil {
		b.Skipf("%s is not in this guest", l.name)
	}
	library, err := filepath.Glob(filepath.Join(dir, l.file))
	if err != nil || len(library) != 1 {
		b.Fatalf("%s: %v %v", l.file, library, err)
	}
	loader, err := filepath.Glob(filepath.Join(dir, "ld-linux-*.so.*"))
	if err != nil || len(loader) != 1 {
		b.Fatalf("the dynamic linker: %v %v", loader, err)
	}
	b.probe(library[0])
	command := []string{loader[0], "--library-path", dir, filepath.Join(dir, "peer-"+l.driver)}
	return append(append(append(command, before...), library[0]), args...)
}

func (l tlsLibrary) serve(style string, before ...string) func(*tlsBench) string {
	return func(b *tlsBench) string {
		certificate, key := certificateFiles(b.T)
		command := l.command(b, before, style, "serve", certificate, key)
		return serve(b.T, command[0], command[1:]...)
	}
}

func (l tlsLibrary) ask(style string, before ...string) func(*tlsBench, string) map[string]uint64 {
	return func(b *tlsBench, addr string) map[string]uint64 {
		args := append([]string{style, "get", port(addr), strconv.Itoa(b.requests), "16"}, kindArguments()...)
		command := l.command(b, before, args...)
		return ask(b.T, command[0], command[1:]...)
	}
}
