package tlslib

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// inspect looks into the file at path.
func inspect(t *testing.T, path string) (*File, error) {
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
	return Inspect(f, info.Size())
}

// library returns the file's library of that kind.
func library(t *testing.T, path string, kind Kind) Library {
	t.Helper()
	found, err := inspect(t, path)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	for _, l := range found.Libraries {
		if l.Kind == kind {
			return l
		}
	}
	t.Fatalf("%s: no %s in %+v", path, kind, found)
	return Library{}
}

// fetched returns the folder of a release's libraries that scripts/tlslibs.sh has fetched.
func fetched(t *testing.T, release string) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Skip(err)
	}
	root := filepath.Join(cache, "fathom-tlslibs", release)
	if _, err := os.Stat(root); err != nil {
		t.Skipf("%s is not fetched; run scripts/tlslibs.sh", release)
	}
	return root
}

// long skips what the quick run leaves out.
func long(t *testing.T) {
	t.Helper()
	if os.Getenv("FATHOM_LONG") == "" {
		t.Skip("set FATHOM_LONG=1")
	}
}

// need skips without the tool.
func need(t *testing.T, tool string) string {
	t.Helper()
	path, err := exec.LookPath(tool)
	if err != nil {
		t.Skipf("%s is missing", tool)
	}
	return path
}

// host returns the path of a file of this machine.
func host(t *testing.T, path string) string {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		t.Skip(err)
	}
	return path
}

// copied copies a file, so that nobody else maps it.
func copied(t *testing.T, path string) string {
	t.Helper()
	from, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	name := filepath.Join(t.TempDir(), filepath.Base(path))
	to, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(to, from); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	return name
}

// compile builds a driver of testdata.
func compile(t *testing.T, source string, flags ...string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "driver")
	args := append([]string{"-O2", "-o", name, filepath.Join("testdata", source)}, flags...)
	if out, err := exec.Command(need(t, "gcc"), args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return name
}

// certificate writes a key and a certificate of its own and returns their paths.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	signed, err := x509.CreateCertificate(rand.Reader, &template, &template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	write(t, cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed}))
	write(t, key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}))
	return cert, key
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
