package tlslib

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

const rounds = 1000

// multiarch is where Debian has its libraries for x86-64.
const multiarch = "usr/lib/x86_64-linux-gnu"

// TestRunLibraries runs libraries of several releases and counts.
func TestRunLibraries(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("counts registers of x86-64")
	}
	tests := []struct {
		name, driver string
		kind         Kind
		library      string
		releases     []string // whose libraries, first those of the one with the library; none for the host's
		loader       bool     // the last release's dynamic linker and C library are newer than the host's may be
	}{
		{"OpenSSL of the host", "openssl.c", OpenSSL, "libssl.so.3", nil, false},
		{"OpenSSL 1.1.1", "openssl.c", OpenSSL, "libssl.so.1.1", []string{"bullseye-amd64"}, false},
		{"OpenSSL 3.5", "openssl.c", OpenSSL, "libssl.so.3", []string{"trixie-amd64"}, true},
		{"OpenSSL of sid", "openssl.c", OpenSSL, "libssl.so.3", []string{"sid-amd64"}, true},
		{"OpenSSL 4.0", "openssl.c", OpenSSL, "libssl.so.4", []string{"experimental-amd64", "sid-amd64"}, true},
		{"GnuTLS of the host", "gnutls.c", GnuTLS, "libgnutls.so.30", nil, false},
		{"GnuTLS 3.7.1", "gnutls.c", GnuTLS, "libgnutls.so.30", []string{"bullseye-amd64"}, false},
		{"GnuTLS 3.8", "gnutls.c", GnuTLS, "libgnutls.so.30", []string{"trixie-amd64"}, true},
		{"GnuTLS of sid", "gnutls.c", GnuTLS, "libgnutls.so.30", []string{"sid-amd64"}, true},
	}
	cert, key := certificate(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			folders := []string{filepath.Join("/", multiarch)}
			for i, release := range test.releases {
				folders = append(folders[:i:i], filepath.Join(fetched(t, release), multiarch))
			}
			path := copied(t, host(t, filepath.Join(folders[0], test.library)))
			all := watch(t, path, library(t, path, test.kind))
			args := []string{compile(t, test.driver, "-ldl"), path, cert, key, strconv.Itoa(rounds)}
			if test.loader {
				loader := filepath.Join(folders[len(folders)-1], "ld-linux-x86-64.so.2")
				args = append([]string{loader, "--library-path", strings.Join(folders, ":")}, args...)
			} else {
				t.Setenv("LD_LIBRARY_PATH", folders[0])
			}
			compare(t, all, run(t, args[0], args[1:]...))
		})
	}
}

// TestRunStatic runs OpenSSL that is linked into a program, stripped of nothing but debug information.
func TestRunStatic(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("counts registers of x86-64")
	}
	host(t, filepath.Join("/", multiarch, "libssl.a"))
	static := compile(t, "static.c", "-Wl,--export-dynamic-symbol=nothing", "-l:libssl.a", "-l:libcrypto.a", "-ldl", "-pthread")
	cert, key := certificate(t)
	all := watch(t, static, library(t, static, OpenSSL))
	compare(t, all, run(t, static, "", cert, key, strconv.Itoa(rounds)))

	if out, err := exec.Command(need(t, "strip"), static).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	_, err := inspect(t, static)
	wantReason(t, err, NoTLS, "")
	wantReason(t, explain(t, static), NoSymbols, "openssl")
}

// TestRunNode runs a server and a client in Node, which has OpenSSL within and exports it. Node does
// not say how often it calls; the return probes do, and both ends say how many bytes.
func TestRunNode(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("counts registers of x86-64")
	}
	node := need(t, "node")
	if _, err := inspect(t, node); err != nil {
		t.Skipf("this Node has no TLS library within: %v", err)
	}
	node = copied(t, node)
	all := watch(t, node, library(t, node, OpenSSL))
	cert, key := certificate(t)
	out, err := exec.Command(node, "testdata/node.js", cert, key, strconv.Itoa(rounds)).Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	bytes, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	truth := make(said)
	for _, w := range all {
		if w.Role == RoleRead || w.Role == RoleWrite {
			if calls := w.uretprobe(); calls.Count < rounds || calls.Bytes != uint64(bytes) {
				t.Errorf("%s: %d calls for %d rounds, %d bytes of %d", w.Symbol, calls.Count, rounds, calls.Bytes, bytes)
			}
			truth[w.Symbol] = w.uretprobe()
		}
	}
	compare(t, all, truth)
}

// TestRunGo runs programs of Go.
func TestRunGo(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("counts registers of x86-64")
	}
	cert, key := certificate(t)
	for _, variant := range goVariants {
		t.Run(variant.name(), func(t *testing.T) {
			if variant.arch != "amd64" {
				t.Skip("built only")
			}
			program := variant.build(t)
			all := watch(t, program, library(t, program, Go))
			truth := run(t, program, cert, key, strconv.Itoa(rounds))
			compare(t, all, truth)
			for _, w := range all {
				if w.Role.Returns() && w.start().Count <= truth[w.Symbol].Count {
					t.Errorf("%s never began anew: the stack did not have to grow", w.Symbol)
				}
			}
		})
	}
}

func explain(t *testing.T, path string) error {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return Explain(f, info.Size())
}
