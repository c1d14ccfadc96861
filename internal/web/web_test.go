package web

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// start serves pages on two free ports and returns their addresses and a function that
// ends the server and returns what Serve returned.
func start(t *testing.T, pages Pages, configFile string) (addresses []string, stop func() error) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	handler, err := pages.Handler()
	if err != nil {
		t.Fatal(err)
	}
	listeners, err := Listen(t.Context(), []string{"127.0.0.1:0", "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range listeners {
		addresses = append(addresses, l.Addr().String())
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, listeners, handler, configFile, log) }()
	stop = func() error { cancel(); return <-served }
	t.Cleanup(cancel)
	return addresses, stop
}

func testPages(ready error) Pages {
	metrics := func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "up 1\n") }
	return Pages{Version: "v1<2", Metrics: http.HandlerFunc(metrics), Ready: func() error { return ready }}
}

func get(t *testing.T, client *http.Client, url string, change func(*http.Request)) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(r)
	}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestPages(t *testing.T) {
	addresses, stop := start(t, testPages(nil), "")
	for _, address := range addresses {
		for path, want := range map[string]struct {
			status int
			text   string
		}{
			"/":             {200, "histogram_quantile(0.99"},
			"/metrics":      {200, "up 1\n"},
			"/healthz":      {200, "ok\n"},
			"/readyz":       {200, "ok\n"},
			"/nothing":      {404, ""},
			"/debug/pprof/": {404, ""},
		} {
			status, body := get(t, http.DefaultClient, "http://"+address+path, nil)
			if status != want.status || !strings.Contains(body, want.text) {
				t.Errorf("%s: %d %q, want %d with %q", path, status, body, want.status, want.text)
			}
		}
	}
	if err := stop(); err != nil {
		t.Errorf("Serve: %v", err)
	}
	if _, err := net.DialTimeout("tcp", addresses[0], time.Second); err == nil {
		t.Error("still listens")
	}
}

func TestPageEscapes(t *testing.T) {
	addresses, _ := start(t, testPages(nil), "")
	_, body := get(t, http.DefaultClient, "http://"+addresses[0]+"/", nil)
	if !strings.Contains(body, "v1&lt;2") || strings.Contains(body, `5..|aborted"`) {
		t.Error("the page does not escape what it shows")
	}
}

func TestNotReady(t *testing.T) {
	addresses, _ := start(t, testPages(errors.New("the last sweep failed")), "")
	if status, body := get(t, http.DefaultClient, "http://"+addresses[0]+"/readyz", nil); status != 503 || body != "the last sweep failed\n" {
		t.Errorf("/readyz: %d %q", status, body)
	}
	if status, _ := get(t, http.DefaultClient, "http://"+addresses[0]+"/healthz", nil); status != 200 {
		t.Errorf("/healthz: %d", status)
	}
}

func TestOnlyGET(t *testing.T) {
	addresses, _ := start(t, testPages(nil), "")
	resp, err := http.Post("http://"+addresses[0]+"/metrics", "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", resp.StatusCode)
	}
}

// A scrape that hangs does not keep the agent from ending.
func TestStopDuringScrape(t *testing.T) {
	pages := testPages(nil)
	entered, release := make(chan struct{}), make(chan struct{})
	pages.Metrics = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(entered)
		<-release
	})
	defer close(release)
	addresses, stop := start(t, pages, "")
	answered := make(chan error, 1)
	go func() {
		resp, err := http.Get("http://" + addresses[0] + "/metrics")
		if err == nil {
			_ = resp.Body.Close()
		}
		answered <- err
	}()
	<-entered
	if err := stop(); err != nil {
		t.Errorf("Serve: %v", err)
	}
	if err := <-answered; err == nil {
		t.Error("the scrape was answered")
	}
}

func TestPortTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	address := taken.Addr().String()
	_, err = Listen(t.Context(), []string{"127.0.0.1:0", address})
	if err == nil || !strings.Contains(err.Error(), "listen on "+address+": the port is taken") || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v", err)
	}
	if _, err = Listen(t.Context(), []string{"192.0.2.1:0"}); err == nil || !strings.Contains(err.Error(), "does not have that address") {
		t.Errorf("got %v", err)
	}
}

func TestTLSAndBasicAuth(t *testing.T) {
	dir := t.TempDir()
	pool := writeCertificate(t, dir)
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	configFile := filepath.Join(dir, "web.yml")
	config := "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\nbasic_auth_users:\n  prometheus: " + string(hash) + "\n"
	if err := os.WriteFile(configFile, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	addresses, stop := start(t, testPages(nil), configFile)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	defer client.CloseIdleConnections()
	for _, address := range addresses {
		url := "https://" + address + "/metrics"
		if status, _ := get(t, client, url, nil); status != http.StatusUnauthorized {
			t.Errorf("without password: %d", status)
		}
		wrong := func(r *http.Request) { r.SetBasicAuth("prometheus", "guess") }
		if status, _ := get(t, client, url, wrong); status != http.StatusUnauthorized {
			t.Errorf("wrong password: %d", status)
		}
		right := func(r *http.Request) { r.SetBasicAuth("prometheus", "secret") }
		if status, body := get(t, client, url, right); status != http.StatusOK || !strings.Contains(body, "up 1") {
			t.Errorf("right password: %d", status)
		}
		if status, _ := get(t, http.DefaultClient, "http://"+address+"/metrics", right); status != http.StatusBadRequest {
			t.Errorf("without TLS: %d", status)
		}
	}
	if err := stop(); err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// writeCertificate writes cert.pem and key.pem for 127.0.0.1.
func writeCertificate(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: certificate},
		"key.pem":  {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}))
	return pool
}
